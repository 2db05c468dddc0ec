import { describe, expect, test } from 'vitest';
import { CheckFailedError, ModelError, UnsupportedError, UsageError } from '../../src/base/errors.js';
import { encodeModel, type Model, Tensor, verifyModel } from '../../src/onnx/index.js';
import { constantOf, expand, readForm, setConstant } from '../../src/reparam/index.js';
import { toFloat64 } from '../../src/reparam/numbers.js';
import { Net, smallNet } from './nets.js';

function find(model: Model, name: string) {
  const value = model.graph.find(name);
  if (!value) throw new Error(`no value '${name}'`);
  return value;
}

describe('the training form', () => {
  test('replaces every convolution larger than 1×1 and nothing else', () => {
    const model = smallNet();
    const before = Buffer.from(encodeModel(model));
    const { model: training, form, refused } = expand(model);
    expect(form.layers.map((l) => l.layer)).toEqual(['stem', 'dw', 'last']);
    expect(form.source).toBe('metadata');
    expect(refused).toEqual([]);
    expect(Buffer.from(encodeModel(model)).equals(before)).toBe(true);
    verifyModel(training);

    const ops = (m: Model) => m.graph.nodes.map((n) => n.opType);
    const added = ['Reshape', 'Conv', 'Reshape', 'Add'];
    expect(ops(training).length).toBe(ops(model).length + 3 * added.length);
    expect(ops(training).slice(0, 5)).toEqual([...added, 'Conv']);
    for (const [i, node] of model.graph.nodes.entries()) {
      const same = training.graph.nodes.find((n) => n.name === node.name);
      expect(same?.outputs.map((o) => o.name)).toEqual(node.outputs.map((o) => o.name));
      expect(same?.attributes, `node ${i}`).toEqual(node.attributes);
      expect(same?.inputs.map((v) => v?.name)).toEqual(node.inputs.map((v) => v?.name));
    }
  });

  test('maps have the published shapes, bases the checkpoint values', () => {
    const model = smallNet();
    const { form } = expand(model, { mapKernel: 3 });
    const dims = form.layers.map((l) => constantOf(l.map)?.dims);
    // [n, n/G, 3, 3]: dense 4·3 kernels, depthwise 4 kernels that see each other, two groups 4·3 kernels
    expect(dims).toEqual([
      [12, 1, 3, 3],
      [4, 4, 3, 3],
      [12, 2, 3, 3],
    ]);
    for (const layer of form.layers) {
      expect(layer.base.name).toBe(`${layer.layer}/refconv/base`);
      expect(layer.map.name).toBe(`${layer.layer}/refconv/map`);
      expect(layer.weight).toBe(`${layer.layer}.weight`);
      expect(constantOf(layer.base)?.bytes()).toEqual(constantOf(find(model, layer.weight))?.bytes());
    }
  });

  test('zero init starts at the checkpoint; xavier is uniform within its bound, by seed and layer', () => {
    const maps = (options: Parameters<typeof expand>[1]) =>
      expand(smallNet(), options).form.layers.map((l) => {
        const tensor = constantOf(l.map);
        if (!tensor) throw new Error('no map');
        return { data: toFloat64(tensor), dims: tensor.dims };
      });
    for (const { data } of maps({})) expect(data.every((v) => v === 0)).toBe(true);
    const xavier = maps({ init: 'xavier', seed: 7 });
    for (const { data, dims } of xavier) {
      const bound = Math.sqrt(6 / ((dims[0] + dims[1]) * dims[2] * dims[3]));
      const largest = data.reduce((a, v) => Math.max(a, Math.abs(v)), 0);
      expect(largest).toBeLessThanOrEqual(bound);
      expect(largest).toBeGreaterThan(bound * 0.9);
      // standard deviation of U(-a, a) is a/√3; 108 draws and more
      const deviation = Math.sqrt(data.reduce((s, v) => s + v * v, 0) / data.length);
      expect(Math.abs(deviation / (bound / Math.sqrt(3)) - 1)).toBeLessThan(0.2);
    }
    expect(maps({ init: 'xavier', seed: 7 })).toEqual(xavier);
    expect(maps({ init: 'xavier', seed: 8 })[0].data).not.toEqual(xavier[0].data);
    expect(xavier[0].data.slice(0, 9)).not.toEqual(xavier[1].data.slice(0, 9));
  });

  test('include and exclude go by node or weight name', () => {
    const layers = (options: Parameters<typeof expand>[1]) =>
      expand(smallNet(), options).form.layers.map((l) => l.layer);
    expect(layers({ include: ['stem*', 'last.weight'] })).toEqual(['stem', 'last']);
    expect(layers({ exclude: ['d?/Conv'] })).toEqual(['stem', 'last']);
    expect(() => layers({ include: ['sten/Conv'] })).toThrow(UsageError);
    expect(() => layers({ include: ['sten/Conv'] })).toThrow('did you mean stem/Conv?');
  });

  test('one spatial axis', () => {
    const net = new Net();
    const x = net.conv(net.input([2, 4, 11]), 'c', [6, 2, 5], { groups: 2, pads: [2, 2] });
    const { model, form } = expand(net.output(x), { mapKernel: 5, init: 'xavier' });
    expect(constantOf(form.layers[0].map)?.dims).toEqual([12, 2, 5]);
    verifyModel(model);
  });

  test('a weight that two convolutions share is transformed once', () => {
    const net = new Net();
    const w = net.weight('shared.weight', [4, 4, 3, 3]);
    let x = net.conv(net.input([1, 4, 6, 6]), 'a', [4, 4, 3, 3], { weight: w });
    x = net.conv(net.op('Relu', [x]), 'b', [4, 4, 3, 3], { weight: w, dilation: 2 });
    const { model, form } = expand(net.output(x));
    expect(form.layers).toHaveLength(1);
    expect(form.layers[0].convs.map((n) => n.name)).toEqual(['a/Conv', 'b/Conv']);
    verifyModel(model);
  });

  test('weights of Constant nodes stay Constant nodes', () => {
    const net = new Net();
    const w = net.op('Constant', [], {
      value: Tensor.float32(
        [2, 1, 3, 3],
        Array.from({ length: 18 }, (_, i) => i - 7),
      ),
    });
    w.name = 'w';
    const x = net.conv(net.input([1, 1, 5, 5]), 'c', [2, 1, 3, 3], { weight: w });
    const { model, form } = expand(net.output(x));
    expect(form.layers[0].base.producer?.opType).toBe('Constant');
    expect(form.layers[0].weight).toBe('w');
    verifyModel(model);
  });

  test('a kernel that is also a graph input stops being one', () => {
    const { model, form } = expand(smallNet({ opset: 8, irVersion: 3 }));
    const bases = new Set(form.layers.map((l) => l.base));
    expect(model.irVersion).toBe(4);
    expect(model.graph.inputs.some((v) => bases.has(v))).toBe(false);
    expect(model.graph.inputs.some((v) => v.name === 'pw.weight')).toBe(true);
    expect(model.graph.requiredInputs.map((v) => v.name)).toEqual(['x']);
    verifyModel(model);
  });
});

describe('what is refused', () => {
  test('a model without a convolution to replace', () => {
    const net = new Net();
    const pointwise = net.output(net.conv(net.input([1, 3, 4, 4]), 'pw', [2, 3, 1, 1]));
    expect(() => expand(pointwise)).toThrow(CheckFailedError);
    expect(() => expand(pointwise)).toThrow('1 convolutions, none of them larger than 1×1');
    const other = new Net();
    expect(() => expand(other.output(other.op('Relu', [other.input([1, 2])])))).toThrow(
      'a model without convolutions',
    );
  });

  test('an even or non-positive map kernel', () => {
    for (const mapKernel of [2, 0, -1, 2.5, [3, 4]])
      expect(() => expand(smallNet(), { mapKernel }), `${mapKernel}`).toThrow(UsageError);
  });

  test('a map with taps that never touch the kernel, per axis', () => {
    const net = new Net();
    let x = net.conv(net.input([1, 2, 9, 9]), 'wide', [2, 2, 1, 5]);
    x = net.conv(x, 'square', [2, 2, 3, 3]);
    const model = net.output(x);
    const { form, refused } = expand(model, { mapKernel: 5 });
    expect(form.layers.map((l) => l.layer)).toEqual(['square']);
    expect(refused).toEqual([
      { node: 'wide/Conv', reason: expect.stringContaining('at most 1×9 is of use') },
    ]);
    expect(expand(model, { mapKernel: [1, 9], include: ['wide*'] }).form.layers).toHaveLength(1);
    expect(() => expand(model, { mapKernel: 11 })).toThrow(CheckFailedError);
    expect(() => expand(model, { mapKernel: 11 })).toThrow('square/Conv: map kernel 11×11');
  });

  test('an all-zero or non-finite base, naming the layer', () => {
    for (const [fill, what] of [
      [0, 'all zeros'],
      [Number.NaN, 'NaN'],
    ] as const) {
      const model = smallNet();
      setConstant(find(model, 'dw.weight'), Tensor.float32([4, 1, 3, 3], new Float32Array(36).fill(fill)));
      expect(() => expand(model)).toThrow(ModelError);
      expect(() => expand(model)).toThrow(what);
      expect(() => expand(model)).toThrow("'dw.weight' of Conv 'dw/Conv'");
      expect(expand(model, { exclude: ['dw/*'] }).form.layers).toHaveLength(2);
    }
  });

  test('weights that are no constants, or read by something else', () => {
    const net = new Net();
    const x = net.input([1, 2, 6, 6]);
    const fed = net.graph.addInput('w', find(smallNet(), 'stem.weight').type);
    const identity = net.op('Identity', [net.weight('i.weight', [2, 2, 3, 3])]);
    const read = net.weight('r.weight', [2, 2, 3, 3]);
    const mixed = net.weight('m.weight', [4, 1, 3, 3]);
    const sum = net.op('ReduceSum', [read], { keepdims: 0 });
    let y = net.conv(x, 'plain', [2, 2, 3, 3]);
    y = net.conv(y, 'identity', [2, 2, 3, 3], { weight: identity });
    y = net.conv(y, 'read', [2, 2, 3, 3], { weight: read });
    y = net.op('Add', [y, sum]);
    const four = net.op('Concat', [y, y], { axis: 1 });
    const a = net.conv(four, 'a', [4, 1, 3, 3], { weight: mixed, groups: 4 });
    const b = net.conv(x, 'b', [4, 1, 3, 3], { weight: mixed, groups: 2 });
    const fedConv = net.conv(net.op('Add', [a, b]), 'fed', [4, 3, 3, 3], { weight: fed });
    const { form, refused } = expand(net.output(fedConv));
    expect(form.layers.map((l) => l.layer)).toEqual(['plain']);
    const reasons = new Map(refused.map((r) => [r.node, r.reason]));
    expect([...reasons.keys()].sort()).toEqual([
      'a/Conv',
      'b/Conv',
      'fed/Conv',
      'identity/Conv',
      'read/Conv',
    ]);
    expect(reasons.get('identity/Conv')).toContain('laid out in the graph by Identity');
    expect(reasons.get('read/Conv')).toContain('also read by ReduceSum');
    expect(reasons.get('a/Conv')).toContain('shared by convolutions of 4 and 2 groups');
    expect(reasons.get('fed/Conv')).toContain('an input of the graph');
  });

  test('a training form', () => {
    const { model } = expand(smallNet());
    expect(() => expand(model)).toThrow(UnsupportedError);
    expect(readForm(smallNet())).toBeUndefined();
  });
});
