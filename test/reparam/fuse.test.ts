import { describe, expect, test } from 'vitest';
import { ModelError } from '../../src/base/errors.js';
import {
  decodeModel,
  encodeModel,
  type Model,
  Tensor,
  tensorType,
  type Value,
  verifyModel,
} from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  FORM_KEY,
  frozenHashes,
  fuse,
  readForm,
  setConstant,
  tensorSha256,
} from '../../src/reparam/index.js';
import { fromFloat64, toFloat64 } from '../../src/reparam/numbers.js';
import { evaluate, realTensor } from '../../src/runtime/reference/index.js';
import { expectClose } from '../support/close.js';
import { Net, normals, smallNet } from './nets.js';

const reload = (model: Model): Model => decodeModel(encodeModel(model));
const bytes = (model: Model): Buffer => Buffer.from(encodeModel(model));

/** Output of a model in float64 on seeded input. */
function run(model: Model, dims: readonly number[] = [2, 3, 9, 8]): Float64Array {
  const size = dims.reduce((a, b) => a * b, 1);
  const x = realTensor(dims, Float64Array.from(normals(size, 'x')));
  const [output] = evaluate(model, new Map([['x', x]])).values();
  return Float64Array.from(output.data, Number);
}

/** Gives a training form what training would have left: maps that are not zero. */
function train(model: Model): Model {
  for (const layer of readForm(model)?.layers ?? []) {
    const dims = constantOf(layer.map)?.dims ?? [];
    const size = dims.reduce((a, b) => a * b, 1);
    setConstant(
      layer.map,
      Tensor.float32(
        dims,
        normals(size, layer.layer, 'trained').map((v) => v * 0.2),
      ),
    );
  }
  return model;
}

function tensorOf(value: Value | undefined): Tensor {
  const tensor = value && constantOf(value);
  if (!tensor) throw new Error('no constant');
  return tensor;
}

describe('fusing a training form', () => {
  const variants = {
    'opset 17': smallNet(),
    'opset 8, initializers as inputs (IR 3)': smallNet({ opset: 8, irVersion: 3 }),
    'opset 20, IR 9': smallNet({ opset: 20, irVersion: 9 }),
  };
  for (const [name, baseline] of Object.entries(variants)) {
    test(`zero init, not trained: the file is the baseline's, byte for byte (${name})`, () => {
      const original = bytes(baseline);
      expect(bytes(fuse(expand(baseline).model).model).equals(original)).toBe(true);
      const saved = reload(expand(reload(baseline)).model);
      const fused = fuse(saved);
      expect(fused.modified).toBe(true);
      expect(bytes(fused.model).equals(original)).toBe(true);
    });

    test(`trained: computes the same, in the baseline's structure (${name})`, () => {
      const training = train(reload(expand(baseline).model));
      const fused = fuse(training);
      verifyModel(fused.model);
      // float64 all through; the fused kernels alone were rounded, by at most 2^-24 of each value
      expectClose(run(fused.model), run(training), { absolute: 1e-6, relative: 1e-6 }, name);
      expectClose(
        run(training).map((v, i) => (Math.abs(v - run(baseline)[i]) > 1e-3 ? 1 : 0)),
        new Float64Array(10).fill(1),
        { absolute: 0 },
        'trained differs from the baseline',
      );

      const shape = (m: Model) => ({
        nodes: m.graph.nodes.map((n) => [
          n.name,
          n.opType,
          n.inputs.map((v) => v?.name),
          n.outputs.map((v) => v.name),
        ]),
        initializers: [...m.graph.initializers].map((v) => [
          v.name,
          v.initializer?.dataType,
          v.initializer?.dims,
        ]),
        inputs: m.graph.inputs.map((v) => v.name),
        outputs: m.graph.outputs.map((v) => v.name),
        metadata: [...m.metadata],
        opsets: [...m.opsets],
        irVersion: m.irVersion,
      });
      expect(shape(fused.model)).toEqual(shape(baseline));
      expect(fused.weights.map((w) => w.weight)).toEqual(['stem.weight', 'dw.weight', 'last.weight']);
      expect(fused.weights.map((w) => w.from)).toEqual(['refconv', 'refconv', 'refconv']);
      // what RefConv does not touch has its bytes
      for (const v of baseline.graph.initializers)
        if (!fused.weights.some((w) => w.weight === v.name))
          expect(tensorOf(fused.model.graph.find(v.name)).bytes()).toEqual(tensorOf(v).bytes());
    });

    test(`twice changes nothing (${name})`, () => {
      const once = fuse(train(expand(baseline).model)).model;
      const twice = fuse(reload(once));
      expect(twice.modified).toBe(false);
      expect(twice.weights).toEqual([]);
      expect(bytes(twice.model).equals(bytes(once))).toBe(true);
    });
  }

  test('negative zeros and denormals of an untrained kernel keep their bits', () => {
    const net = new Net();
    const data = [-0, 1e-41, 0, -3, 1, 2, -0, 5, 6];
    const baseline = net.output(net.conv(net.input([1, 1, 4, 4]), 'c', [1, 1, 3, 3], { data }));
    const fused = fuse(expand(baseline).model).model;
    expect(tensorOf(fused.graph.find('c.weight')).bytes()).toEqual(
      tensorOf(baseline.graph.find('c.weight')).bytes(),
    );
  });

  test('a kernel is rounded once, from float64', () => {
    const { model } = expand(smallNet(), { init: 'xavier', seed: 3 });
    const layer = readForm(model)?.layers[1];
    if (!layer) throw new Error('no layer');
    const exact = evaluate(model, new Map(), { fetch: [layer.transformed] }).get(layer.weight);
    const fused = tensorOf(fuse(model).model.graph.find(layer.weight));
    // the reference interpreter adds in another order: 1e-12 apart before the rounding
    const expected = Float32Array.from(Array.from(exact?.data ?? [], Number));
    expect(toFloat64(fused)).toEqual(Float64Array.from(expected));
  });

  test('shared weights, Constant nodes, one spatial axis', () => {
    const net = new Net();
    const w = net.op('Constant', [], { value: Tensor.float32([4, 1, 3], normals(12, 'k')) });
    let x = net.conv(net.input([2, 4, 9]), 'a', [4, 1, 3], { weight: w, groups: 4, pads: [1, 1] });
    x = net.conv(net.op('Relu', [x]), 'b', [4, 1, 3], { weight: w, groups: 4, pads: [2, 2], dilation: 2 });
    const baseline = net.output(x);
    expect(bytes(fuse(expand(baseline).model).model).equals(bytes(baseline))).toBe(true);
    const training = train(expand(baseline).model);
    const fused = fuse(reload(training));
    expect(fused.weights[0].nodes).toEqual(['a/Conv', 'b/Conv']);
    expectClose(run(fused.model, [2, 4, 9]), run(training, [2, 4, 9]), { absolute: 1e-6 }, 'y');
  });

  test('an edited base or map is folded as it is', () => {
    const { model, form } = expand(smallNet(), { init: 'xavier' });
    const [layer] = form.layers;
    const changed = toFloat64(tensorOf(layer.base)).map((v, i) => (i === 5 ? v + 1 : v));
    setConstant(layer.base, Tensor.float32(tensorOf(layer.base).dims, Float32Array.from(changed)));
    expectClose(run(fuse(model).model), run(model), { absolute: 1e-6, relative: 1e-6 }, 'y');
  });
});

test('the frozen hashes are those of the checkpoint, by its names', () => {
  const baseline = smallNet();
  const hashes = frozenHashes(reload(train(expand(baseline).model)));
  expect([...hashes.keys()]).toEqual(['stem.weight', 'dw.weight', 'last.weight']);
  for (const [name, hash] of hashes) expect(hash).toBe(tensorSha256(tensorOf(baseline.graph.find(name))));
  expect(frozenHashes(baseline).size).toBe(0);
});

describe('other weight sub-graphs', () => {
  /** Weight normalization as exporters write it: w = g · v / ‖v‖. */
  function weightNormNet(): Model {
    const net = new Net(17);
    const v = net.weight('c.v', [4, 3, 3, 3]);
    const g = net.weight('c.g', [4, 1, 1, 1]);
    const norm = net.op('ReduceL2', [v], { axes: [1, 2, 3], keepdims: 1 });
    const w = net.op('Mul', [net.op('Div', [v, norm]), g]);
    w.name = 'c.weight';
    return net.output(net.conv(net.input([2, 3, 9, 8]), 'c', [4, 3, 3, 3], { weight: w, bias: true }));
  }

  test('are folded, whoever made them', () => {
    const model = weightNormNet();
    const fused = fuse(model);
    expect(fused.weights).toEqual([{ weight: 'c.weight', nodes: ['c/Conv'], from: 'graph' }]);
    expect(fused.model.graph.nodes.map((n) => n.opType)).toEqual(['Conv']);
    expect([...fused.model.graph.initializers].map((v) => v.name).sort()).toEqual(['c.bias', 'c.weight']);
    expectClose(run(fused.model), run(model), { absolute: 1e-6, relative: 1e-6 }, 'y');
    expect(fuse(fused.model).modified).toBe(false);
  });

  test('in 16 bits are rounded once, not at every node', () => {
    const net = new Net(17);
    const half = (name: string, count: number) =>
      fromFloat64('float16', [count, 1, 1, 1], Float64Array.from(normals(count, name)));
    const parts = ['a', 'b', 'c'].map((name) => half(name, 64));
    const values = parts.map((t, i) => net.graph.addInitializer(`p${i}`, t));
    const w = net.op('Mul', [net.op('Mul', [values[0], values[1]]), values[2]]);
    w.type = tensorType('float16');
    const x = net.graph.addInput('x', tensorType('float16', [1, 1, 2, 2]));
    const y = net.op('Conv', [x, w], { kernel_shape: [1, 1] });
    const fused = fuse(net.output(y)).model;
    const exact = toFloat64(parts[0]).map((v, i) => v * toFloat64(parts[1])[i] * toFloat64(parts[2])[i]);
    const folded = tensorOf(fused.graph.find(w.name));
    expect(folded.dataType).toBe('float16');
    expect(folded.bytes()).toEqual(fromFloat64('float16', [64, 1, 1, 1], exact).bytes());
  });

  test('layouts, fillers, quantized and data-dependent weights stay', () => {
    const net = new Net(17);
    const x = net.input([2, 4]);
    const transposed = net.op('Transpose', [net.weight('t', [4, 4])], { perm: [1, 0] });
    const shape = net.graph.addInitializer('shape', Tensor.int64([2], [4, 4]));
    const filler = net.op('ConstantOfShape', [shape], { value: Tensor.float32([1], [0.5]) });
    const q = net.graph.addInitializer('q', Tensor.raw('int8', [4, 4], new Uint8Array(16).fill(3)));
    const scale = net.weight('scale', [], [0.1]);
    const dequantized = net.op('DequantizeLinear', [q, scale]);
    let y = x;
    for (const w of [
      transposed,
      filler,
      dequantized,
      net.op('Softmax', [net.op('MatMul', [net.op('Transpose', [x]), x])]),
    ])
      y = net.op('MatMul', [y, w]);
    const model = net.output(y);
    const fused = fuse(model);
    expect(fused.modified).toBe(false);
    expect(bytes(fused.model).equals(bytes(model))).toBe(true);
  });

  test('a weight that a caller may set through an input stays, with the reason', () => {
    const net = new Net(17);
    const v = net.weight('c.v', [2, 3, 3, 3]);
    net.graph.addInput(v);
    const w = net.op('Tanh', [v]);
    const model = net.output(net.conv(net.input([1, 3, 5, 5]), 'c', [2, 3, 3, 3], { weight: w }));
    const fused = fuse(model);
    expect(fused.modified).toBe(false);
    expect(fused.kept).toEqual([
      { name: w.name, reason: expect.stringContaining("'c.v' is an input of the graph") },
    ]);
  });

  test('nothing to fuse', () => {
    const model = smallNet();
    const result = fuse(model);
    expect(result.modified).toBe(false);
    expect(result.model).not.toBe(model);
    expect(bytes(result.model).equals(bytes(model))).toBe(true);
  });
});

test('a damaged description is an error that names it', () => {
  const { model } = expand(smallNet());
  for (const json of ['{', '{"version":2,"layers":[]}', '{"version":1,"layers":[{"method":"refconv"}]}']) {
    model.metadata.set(FORM_KEY, json);
    expect(() => fuse(model)).toThrow(ModelError);
    expect(() => fuse(model)).toThrow('reparam.form');
  }
});
