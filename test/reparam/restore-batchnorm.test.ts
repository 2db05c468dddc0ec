import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UnsupportedError } from '../../src/base/errors.js';
import {
  decodeModel,
  encodeModel,
  GraphBuilder,
  type Model,
  Tensor,
  verifyModel,
} from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  fuse,
  RESTORED_KEY,
  restoreBatchNorm,
  setConstant,
  trainables,
} from '../../src/reparam/index.js';
import { toFloat64 } from '../../src/reparam/numbers.js';
import { compareRange } from '../../src/reparam/verify/compare.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { expectClose } from '../support/close.js';
import { Net, normals, smallNet } from './nets.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

const DIMS = [4, 3, 9, 8];
const batches = (count: number, dims = DIMS) =>
  Array.from({ length: count }, (_, i) => {
    const size = dims.reduce((a, b) => a * b, 1);
    return new Map([['x', Tensor.float32(dims, normals(size, 'calibration', i))]]);
  });

/** As exported for inference: normalizations folded, every convolution with a bias. */
function folded(): Model {
  return fuse(smallNet(), { foldBatchNorm: true }).model;
}

async function run(model: Model, seed = 99): Promise<Float64Array> {
  const session = await engine.session(model, { optimization: 'none' });
  const x = Tensor.float32(
    DIMS,
    normals(
      DIMS.reduce((a, b) => a * b, 1),
      'input',
      seed,
    ),
  );
  const [y] = (await session.run(new Map([['x', x]]))).values();
  await session.release();
  return toFloat64(y);
}

async function relativeError(a: Model, b: Model): Promise<number> {
  const [x, y] = [await run(a), await run(b)];
  return compareRange(x, y, 0, x.length).relative;
}

describe('a network with folded normalizations', () => {
  test('computes the same with them restored', async () => {
    const model = folded();
    const before = Buffer.from(encodeModel(model));
    const result = await restoreBatchNorm(model, { engine, batches: batches(3) });
    expect(Buffer.from(encodeModel(model)).equals(before)).toBe(true);
    expect(result.samples).toBe(12);
    expect(result.inserted.map((i) => [i.conv, i.channels])).toEqual([
      ['stem/Conv', 4],
      ['dw/Conv', 4],
      ['pw/Conv', 6],
      ['last/Conv', 4],
    ]);
    expect(result.skipped).toEqual([]);
    verifyModel(result.model);
    expect(await relativeError(model, result.model)).toBeLessThan(1e-6);
    const { trainable, buffers } = trainables(result.model);
    expect(buffers).toHaveLength(8);
    expect(trainable.filter((v) => v.name.includes('/restored_bn/'))).toHaveLength(8);
  });

  test('live Dropout does not disturb the statistics', async () => {
    const live = folded();
    const last = live.graph.nodes.find((n) => n.name === 'last/Conv');
    if (!last) throw new Error('no such node');
    const b = new GraphBuilder(live.graph, live.opset, { place: { before: last }, infer: false });
    const training = b.constant(Tensor.bool([], [true]));
    last.setInput(0, b.op('Dropout', [last.input(0), b.f32(0.5), training]));
    const statistics = async (model: Model) => {
      const { model: restored } = await restoreBatchNorm(model, { engine, batches: batches(2) });
      return [...restored.graph.initializers]
        .filter((v) => v.name.includes('/restored_bn/'))
        .map((v) => [v.name, v.initializer?.typed()]);
    };
    expect(await statistics(live)).toEqual(await statistics(folded()));
  });

  test('the statistics are those of the outputs, bias included, over all batches', async () => {
    const model = folded();
    const data = batches(3);
    const { model: restored } = await restoreBatchNorm(model, { engine, batches: data });
    const net = folded();
    const first = net.graph.nodes[0].output(0);
    net.graph.addOutput(first);
    const session = await engine.session(net);
    const values: number[][] = [[], [], [], []];
    for (const feeds of data) {
      const y = (await session.run(feeds, [first.name])).get(first.name);
      if (!y) throw new Error('no output');
      const per = y.dims[2] * y.dims[3];
      toFloat64(y).forEach((v, i) => {
        values[Math.floor(i / per) % 4].push(v);
      });
    }
    await session.release();
    const mean = values.map((v) => v.reduce((a, b) => a + b, 0) / v.length);
    const variance = values.map((v, c) => v.reduce((a, b) => a + (b - mean[c]) ** 2, 0) / v.length);
    const parameter = (name: string) => {
      const value = restored.graph.find(`stem/Conv/restored_bn/${name}`);
      const tensor = value && constantOf(value);
      if (!tensor) throw new Error(`no ${name}`);
      return toFloat64(tensor);
    };
    expectClose(parameter('mean'), mean, { absolute: 0, relative: 1e-6 }, 'μ');
    expectClose(parameter('var'), variance, { absolute: 0, relative: 1e-6 }, 'σ²');
    expectClose(parameter('bias'), parameter('mean'), { absolute: 0 }, 'β');
    const epsilon = Math.fround(1e-5);
    const gamma = parameter('var').map((v) => Math.fround(Math.sqrt(v + epsilon)));
    expectClose(parameter('scale'), gamma, { absolute: 0 }, 'γ');
  });

  test('fusing folds them back: the structure it came with', async () => {
    const model = folded();
    const { model: restored } = await restoreBatchNorm(model, { engine, batches: batches(2) });
    const back = fuse(decodeModel(encodeModel(restored)));
    expect(back.batchNorms).toHaveLength(4);
    const shape = (m: Model) => ({
      nodes: m.graph.nodes.map((n) => [
        n.name,
        n.opType,
        n.inputs.map((v) => v?.name),
        n.outputs.map((v) => v.name),
      ]),
      initializers: [...m.graph.initializers].map((v) => [v.name, v.initializer?.dims]),
      metadata: [...m.metadata],
      outputs: m.graph.outputs.map((v) => v.name),
    });
    expect(shape(back.model)).toEqual(shape(model));
    expect(await relativeError(model, back.model)).toBeLessThan(1e-6);
    for (const v of model.graph.initializers) {
      const other = back.model.graph.find(v.name);
      const [x, y] = [constantOf(v), other && constantOf(other)];
      if (!x || !y) throw new Error(v.name);
      // γ was rounded once, the kernel once
      expect(compareRange(toFloat64(x), toFloat64(y), 0, x.size).relative, v.name).toBeLessThan(2 ** -22);
    }
    expect(fuse(back.model).modified).toBe(false);
  });

  test('with RefConv on top: expand, train, fuse', async () => {
    const model = folded();
    const { model: restored } = await restoreBatchNorm(model, { engine, batches: batches(2) });
    const { model: training, form } = expand(restored, { init: 'xavier', seed: 1 });
    expect(form.layers.map((l) => l.layer)).toEqual(['stem', 'dw', 'last']);
    // training moves a normalization
    const gamma = training.graph.find('pw/Conv/restored_bn/scale');
    const tensor = gamma && constantOf(gamma);
    if (!gamma || !tensor) throw new Error('no γ');
    setConstant(
      gamma,
      Tensor.float32(
        tensor.dims,
        Float32Array.from(toFloat64(tensor), (v) => v * -1.3),
      ),
    );
    const fused = fuse(training).model;
    expect(fused.graph.nodes.map((n) => [n.name, n.opType])).toEqual(
      model.graph.nodes.map((n) => [n.name, n.opType]),
    );
    expect(fused.metadata).toEqual(model.metadata);
    expect(await relativeError(training, fused)).toBeLessThan(2e-6);
    expect(await relativeError(model, fused)).toBeGreaterThan(1e-2);
  });

  test('metadata lost: folded back by name', async () => {
    const { model: restored } = await restoreBatchNorm(folded(), { engine, batches: batches(1) });
    expect(restored.metadata.has(RESTORED_KEY)).toBe(true);
    restored.metadata.delete(RESTORED_KEY);
    expect(fuse(restored).batchNorms).toHaveLength(4);
  });

  test('a file that lists initializers as inputs comes back as one', async () => {
    const model = fuse(smallNet({ opset: 8, irVersion: 3 }), { foldBatchNorm: true }).model;
    const { model: restored } = await restoreBatchNorm(model, { engine, batches: batches(1) });
    expect(restored.irVersion).toBe(4);
    verifyModel(restored);
    const back = fuse(restored).model;
    expect(back.irVersion).toBe(3);
    expect(back.graph.inputs.map((v) => v.name)).toEqual(model.graph.inputs.map((v) => v.name));
    const both = fuse(expand(restored).model).model;
    expect(both.irVersion).toBe(3);
    expect(both.graph.inputs.map((v) => v.name)).toEqual(model.graph.inputs.map((v) => v.name));
  });
});

test('constant and nearly dead channels keep exactness', async () => {
  const net = new Net();
  const data = Array.from(normals(4 * 27, 'w'), (v, i) => {
    const channel = Math.floor(i / 27);
    return channel === 0 ? 0 : channel === 1 ? v * 1e-9 : v;
  });
  let x = net.conv(net.input(DIMS), 'a', [4, 3, 3, 3], { data, bias: true });
  x = net.conv(net.op('Relu', [x]), 'b', [2, 4, 3, 3], { bias: true });
  x = net.op('GlobalAveragePool', [x]);
  const model = net.output(net.op('Gemm', [net.op('Flatten', [x]), net.weight('fc', [2, 3])]));
  const result = await restoreBatchNorm(model, { engine, batches: batches(2) });
  expect(result.inserted.map((i) => i.quiet)).toEqual([2, 0]);
  expect(await relativeError(model, result.model)).toBeLessThan(1e-6);
  expect(await relativeError(model, fuse(result.model).model)).toBeLessThan(1e-6);
});

test('which convolutions get none, and why', async () => {
  const net = new Net();
  const shared = net.weight('shared', [4, 4, 3, 3]);
  const x = net.input(DIMS);
  const a = net.conv(x, 'a', [4, 3, 3, 3], { bias: true });
  const bare = net.conv(a, 'bare', [4, 4, 3, 3]);
  const has = net.op('Relu', [net.batchNorm(net.conv(bare, 'has', [4, 4, 3, 3], { bias: true }), 'bn', 4)]);
  const s1 = net.conv(has, 's1', [4, 4, 3, 3], { weight: shared, bias: true });
  const s2 = net.conv(s1, 's2', [4, 4, 3, 3], { weight: shared, bias: true });
  // squeeze-and-excitation: one pixel per channel
  const squeezed = net.conv(net.op('GlobalAveragePool', [s2]), 'se', [4, 4, 1, 1], { bias: true });
  const scaled = net.op('Mul', [s2, net.op('Sigmoid', [squeezed])]);
  const body = net.conv(scaled, 'body', [4, 4, 3, 3], { bias: true });
  const head = net.conv(body, 'head', [2, 4, 3, 3], { bias: true });
  // the head's output takes its shape from an early feature map, which is no head for that
  const sides = net.op('Slice', [
    net.op('Shape', [a]),
    net.graph.addInitializer('from', Tensor.int64([1], [2])),
    net.graph.addInitializer('to', Tensor.int64([1], [4])),
  ]);
  const lead = net.graph.addInitializer('lead', Tensor.int64([2], [4, 2]));
  const model = net.output(net.op('Reshape', [head, net.op('Concat', [lead, sides], { axis: 0 })]));
  const result = await restoreBatchNorm(model, { engine, batches: batches(1) });
  expect(result.inserted.map((i) => i.conv)).toEqual(['a/Conv', 'body/Conv']);
  expect(new Map(result.skipped.map((s) => [s.node, s.reason]))).toEqual(
    new Map([
      ['bare/Conv', 'it has no bias, so none was folded into it'],
      ['has/Conv', 'a BatchNormalization follows it already'],
      ['s1/Conv', expect.stringContaining("'shared' is shared")],
      ['s2/Conv', expect.stringContaining("'shared' is shared")],
      ['head/Conv', expect.stringContaining('it ends the network')],
      ['se/Conv', 'its output is one pixel per channel'],
    ]),
  );
  expect(await relativeError(model, result.model)).toBeLessThan(1e-6);
  expect(fuse(result.model).model.graph.nodes.map((n) => n.opType)).toEqual(
    model.graph.nodes.map((n) => n.opType),
  );
});

test('a network with all its normalizations has nothing to restore', async () => {
  const net = new Net();
  const x = net.op('Relu', [net.batchNorm(net.conv(net.input(DIMS), 'a', [4, 3, 3, 3]), 'bn', 4)]);
  const model = net.output(net.conv(x, 'head', [2, 4, 1, 1], { bias: true }));
  const result = await restoreBatchNorm(model, { engine, batches: [] });
  expect(result.inserted).toEqual([]);
  expect(result.model.metadata.has(RESTORED_KEY)).toBe(false);
});

test('no calibration data, or an operator set without a usable BatchNormalization', async () => {
  await expect(restoreBatchNorm(folded(), { engine, batches: [] })).rejects.toThrow(UnsupportedError);
  const old = folded();
  old.opsets.set('', 6);
  await expect(restoreBatchNorm(old, { engine, batches: batches(1) })).rejects.toThrow('operator set 6');
});
