import { describe, expect, test } from 'vitest';
import { ModelError } from '../../src/base/errors.js';
import {
  decodeModel,
  encodeModel,
  loadModel,
  type Model,
  tensorType,
  verifyModel,
} from '../../src/onnx/index.js';
import { constantOf, expand, fuse } from '../../src/reparam/index.js';
import { evaluate, realTensor } from '../../src/runtime/reference/index.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';
import { Net, normals, smallNet } from './nets.js';

function outputs(model: Model, dims: readonly number[]): Float64Array[] {
  const size = dims.reduce((a, b) => a * b, 1);
  const x = realTensor(dims, Float64Array.from(normals(size, 'x')));
  return [...evaluate(model, new Map([['x', x]])).values()].map((t) => Float64Array.from(t.data, Number));
}

const ops = (model: Model) => model.graph.nodes.map((n) => n.opType);

describe('Conv, over bias × epsilon × groups × dilation × pads × sign of γ', () => {
  for (const bias of [false, true])
    for (const epsilon of [1e-5, 1e-3, 0])
      for (const groups of [1, 2, 4])
        for (const dilation of [1, 2])
          for (const pads of [
            [0, 0, 0, 0],
            [1, 0, 2, 1],
          ])
            for (const negative of [false, true])
              test(`bias ${bias}, ε ${epsilon}, ${groups} groups, dilation ${dilation}, pads ${pads}, negative γ ${negative}`, () => {
                const net = new Net();
                let x = net.conv(net.input([2, 4, 7, 6]), 'c', [8, 4 / groups, 3, 2], {
                  bias,
                  groups,
                  dilation,
                  pads,
                });
                x = net.batchNorm(x, 'bn', 8, { epsilon, negative });
                const model = net.output(net.op('Relu', [x]));
                const fused = fuse(model, { foldBatchNorm: true });
                expect(ops(fused.model)).toEqual(['Conv', 'Relu']);
                expect(fused.batchNorms).toEqual([
                  { batchNorm: 'bn/BatchNormalization', into: 'c/Conv', addedBias: !bias },
                ]);
                expect([...fused.model.graph.initializers].map((v) => v.name)).toEqual([
                  'c.weight',
                  'c.bias',
                ]);
                verifyModel(fused.model);
                const [expected] = outputs(model, [2, 4, 7, 6]);
                // float64 evaluation; kernels rounded once to float32
                expectClose(
                  outputs(fused.model, [2, 4, 7, 6])[0],
                  expected,
                  { absolute: 2e-6, relative: 1e-6 },
                  'y',
                );
              });
});

describe('other weighted operators', () => {
  for (const groups of [1, 2])
    test(`ConvTranspose in ${groups} groups`, () => {
      const net = new Net();
      const w = net.weight('c.weight', [4, 6 / groups, 3, 3]);
      let x = net.op('ConvTranspose', [net.input([1, 4, 5, 5]), w], { group: groups, strides: [2, 2] });
      x = net.batchNorm(x, 'bn', 6, { negative: true });
      const model = net.output(x);
      const fused = fuse(model, { foldBatchNorm: true }).model;
      expect(ops(fused)).toEqual(['ConvTranspose']);
      expectClose(outputs(fused, [1, 4, 5, 5])[0], outputs(model, [1, 4, 5, 5])[0], { absolute: 2e-6 }, 'y');
    });

  for (const transB of [0, 1])
    for (const beta of [1, 0.5])
      for (const bias of ['none', 'vector', 'row', 'scalar'] as const)
        test(`Gemm, transB ${transB}, β ${beta}, bias ${bias}`, () => {
          const net = new Net();
          const w = net.weight('fc.weight', transB ? [5, 4] : [4, 5]);
          const dims = { none: [], vector: [5], row: [1, 5], scalar: [1] }[bias];
          const inputs = [net.input([3, 4]), w];
          if (bias !== 'none') inputs.push(net.weight('fc.bias', dims));
          let x = net.op('Gemm', inputs, { transB, alpha: { float: 0.7 }, beta: { float: beta } });
          x = net.batchNorm(x, 'bn', 5);
          const model = net.output(x);
          const fused = fuse(model, { foldBatchNorm: true }).model;
          expect(ops(fused)).toEqual(['Gemm']);
          expectClose(outputs(fused, [3, 4])[0], outputs(model, [3, 4])[0], { absolute: 2e-6 }, 'y');
        });
});

describe('what stays, and why', () => {
  function reasons(model: Model): string[] {
    const before = Buffer.from(encodeModel(model));
    const fused = fuse(model, { foldBatchNorm: true });
    expect(fused.modified).toBe(false);
    expect(Buffer.from(encodeModel(fused.model)).equals(before)).toBe(true);
    return fused.kept.map((k) => k.reason);
  }
  const start = () => {
    const net = new Net();
    return { net, x: net.input([1, 3, 5, 5]) };
  };

  test('a convolution that something else reads too', () => {
    const { net, x } = start();
    const c = net.conv(x, 'c', [3, 3, 3, 3]);
    const model = net.output(net.op('Add', [net.batchNorm(c, 'bn', 3), c]));
    expect(reasons(model)).toEqual([expect.stringContaining('is also read by Add')]);
  });

  test('a convolution that is an output of the graph', () => {
    const { net, x } = start();
    const c = net.conv(x, 'c', [3, 3, 3, 3]);
    net.output(c, 'features');
    expect(reasons(net.output(net.batchNorm(c, 'bn', 3)))).toEqual([
      expect.stringContaining("'features', which it normalizes, is an output"),
    ]);
  });

  test('an input that no weighted operator makes', () => {
    const { net, x } = start();
    expect(reasons(net.output(net.batchNorm(net.op('Relu', [x]), 'bn', 3)))).toEqual([
      expect.stringContaining("comes from Relu 'Relu_0'"),
    ]);
  });

  test('the training form', () => {
    const { net, x } = start();
    const model = net.output(net.batchNorm(net.conv(x, 'c', [3, 3, 3, 3]), 'bn', 3));
    model.graph.nodes.at(-1)?.setAttribute('training_mode', 1);
    expect(reasons(model)).toEqual([expect.stringContaining('training form')]);
  });

  test('parameters a caller may set', () => {
    const { net, x } = start();
    const model = net.output(net.batchNorm(net.conv(x, 'c', [3, 3, 3, 3]), 'bn', 3));
    const gamma = model.graph.find('bn.weight');
    if (!gamma) throw new Error('no γ');
    model.graph.addInput(gamma);
    expect(reasons(model)).toEqual([expect.stringContaining("'bn.weight' is an input")]);
    const folded = fuse(model, { foldBatchNorm: true, overridable: true });
    expect(folded.model.graph.inputs.map((v) => v.name)).toEqual(['x']);
    expectClose(
      outputs(folded.model, [1, 3, 5, 5])[0],
      outputs(model, [1, 3, 5, 5])[0],
      { absolute: 2e-6 },
      'y',
    );
  });

  test('without being asked for', () => {
    expect(fuse(smallNet()).batchNorms).toEqual([]);
  });
});

test('a weight that two convolutions share is copied, not overwritten', () => {
  const net = new Net();
  const w = net.weight('shared.weight', [3, 3, 3, 3]);
  let x = net.conv(net.input([1, 3, 6, 6]), 'a', [3, 3, 3, 3], { weight: w });
  x = net.op('Relu', [net.batchNorm(x, 'bn', 3)]);
  const model = net.output(net.conv(x, 'b', [3, 3, 3, 3], { weight: w }));
  const fused = fuse(model, { foldBatchNorm: true }).model;
  expect(ops(fused)).toEqual(['Conv', 'Relu', 'Conv']);
  const [a, , b] = fused.graph.nodes;
  expect(a.input(1)).not.toBe(b.input(1));
  expect(constantOf(b.input(1))?.bytes()).toEqual(constantOf(w)?.bytes());
  expectClose(outputs(fused, [1, 3, 6, 6])[0], outputs(model, [1, 3, 6, 6])[0], { absolute: 2e-6 }, 'y');
});

test('a normalization that ends the graph leaves its name to the output', () => {
  const net = new Net();
  const model = net.output(
    net.batchNorm(net.conv(net.input([1, 3, 5, 5]), 'c', [3, 3, 3, 3]), 'bn', 3),
    'scores',
  );
  const fused = decodeModel(encodeModel(fuse(model, { foldBatchNorm: true }).model));
  expect(fused.graph.outputs.map((v) => v.name)).toEqual(['scores']);
  expect(fused.graph.outputs[0].type).toEqual(expect.objectContaining(tensorType('float32')));
  expectClose(outputs(fused, [1, 3, 5, 5])[0], outputs(model, [1, 3, 5, 5])[0], { absolute: 2e-6 }, 'y');
});

test('a training form: kernel and normalization together, one rounding', () => {
  const { model } = expand(smallNet(), { init: 'xavier', seed: 2 });
  const fused = fuse(model, { foldBatchNorm: true });
  expect(fused.batchNorms).toHaveLength(3);
  expect(ops(fused.model)).not.toContain('BatchNormalization');
  expectClose(
    outputs(fused.model, [2, 3, 9, 8])[0],
    outputs(model, [2, 3, 9, 8])[0],
    { absolute: 2e-6 },
    'y',
  );
});

test('damaged statistics are an error that names node and channel', () => {
  for (const [epsilon, variance] of [
    [1e-5, [1, -0.5, 1]],
    [0, [1, 0, 1]],
  ] as const) {
    const net = new Net();
    const model = net.output(
      net.batchNorm(net.conv(net.input([1, 3, 5, 5]), 'c', [3, 3, 3, 3]), 'bn', 3, { epsilon, variance }),
    );
    expect(() => fuse(model, { foldBatchNorm: true })).toThrow(ModelError);
    expect(() => fuse(model, { foldBatchNorm: true })).toThrow(/bn\/BatchNormalization.*channel 1/s);
    expect(fuse(model).modified).toBe(false);
  }
});

goldenTest('files with impossible statistics load, and are refused when folding', async () => {
  for (const name of ['bn_negative_variance', 'bn_zero_variance_zero_eps']) {
    const model = await loadModel(golden('invalid', `${name}.onnx`));
    expect(() => fuse(model, { foldBatchNorm: true }), name).toThrow(ModelError);
  }
  const legal = await loadModel(golden('invalid', 'bn_zero_variance.onnx'));
  expect(fuse(legal, { foldBatchNorm: true }).batchNorms).toHaveLength(1);
});
