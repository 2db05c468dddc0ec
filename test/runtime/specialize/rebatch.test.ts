import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { UnsupportedError } from '../../../src/base/errors.js';
import { type GraphBuilder, type Model, sizeOf, Tensor, type Value } from '../../../src/onnx/index.js';
import { createEngine, type Engine, specialize } from '../../../src/runtime/index.js';
import { expectClose } from '../../support/close.js';
import { build, outputs, randomTensor } from './build.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

/** Each sample through the new model must come out as from the old one, run on chunks of its own batch. */
async function expectSamples(model: Model, batch: number): Promise<readonly string[]> {
  const { model: changed, report } = await specialize(model, { batch, engine });
  const [input] = model.graph.requiredInputs;
  const [from, ...rest] = input.shape ?? [];
  const n = sizeOf(rest);
  const data = randomTensor([batch, ...rest], 'samples');
  const [whole] = await outputs(engine, changed, { [input.name]: data });
  const values = data.typed();
  if (!(values instanceof Float32Array)) throw new Error('float32 expected');
  for (let sample = 0; sample < batch; sample++) {
    const part = new Float32Array(from * n);
    for (let i = 0; i < from; i++) part.set(values.subarray(sample * n, (sample + 1) * n), i * n);
    const [single] = await outputs(engine, model, { [input.name]: Tensor.float32([from, ...rest], part) });
    const rows = single.data.length / from;
    expectClose(
      whole.data.slice(sample * rows, (sample + 1) * rows),
      single.data.slice(0, rows),
      { absolute: 1e-5, relative: 1e-5 },
      `sample ${sample}`,
    );
  }
  return report.rewritten;
}

const CASES: Record<string, [dims: number[], body: (g: GraphBuilder, x: Value) => Value]> = {
  'Reshape with the batch written out': [[2, 6, 4], (g, x) => g.op('Reshape', [x, g.i64([2, 3, 8])])],
  'Reshape with the batch written out and -1': [[2, 6, 4], (g, x) => g.op('Reshape', [x, g.i64([2, -1])])],
  'Reshape with batch 1 among other ones': [
    [1, 3, 4],
    (g, x) => g.op('Reshape', [x, g.i64([1, 1, 3, 4, 1])]),
  ],
  'Reshape that merges the batch into rows, and back': [
    [2, 6, 4],
    (g, x) => {
      const rows = g.op('Reshape', [x, g.i64([12, 4])]);
      const mixed = g.op('MatMul', [rows, g.constant(randomTensor([4, 5], 'w'))]);
      return g.op('Reshape', [mixed, g.i64([2, 30])]);
    },
  ],
  'Reshape after the batch moved to the second axis': [
    [2, 6, 4],
    (g, x) => {
      const moved = g.op('Transpose', [x], { perm: [1, 0, 2] });
      const split = g.op('Reshape', [moved, g.i64([2, 3, 2, 4])]);
      return g.op('Transpose', [split], { perm: [2, 0, 1, 3] });
    },
  ],
  'two Reshapes that share one constant, only one of them over the batch': [
    [2, 12],
    (g, x) => {
      const shape = g.constant(Tensor.int64([3], [2, 3, 4]), 'shape');
      const weights = g.op('Reshape', [g.constant(randomTensor([24], 'w')), shape]);
      const y = g.op('Reshape', [x, shape]);
      return g.op('Add', [y, g.op('ReduceSum', [weights], { keepdims: 0 })]);
    },
  ],
  'Expand to the batch': [[2, 1, 3], (g, x) => g.op('Expand', [x, g.i64([2, 4, 3])])],
  'Resize with sizes': [
    [2, 1, 2, 2],
    (g, x) => g.op('Resize', [x, undefined, undefined, g.i64([2, 1, 4, 6])], { mode: 'nearest' }),
  ],
  'Slice that spells out the batch': [
    [2, 5],
    (g, x) => g.op('Slice', [x, g.i64([0, 1]), g.i64([2, 4]), g.i64([0, 1])]),
  ],
  'a constant for every sample, added': [
    [2, 3],
    (g, x) => g.op('Add', [x, g.constant(Tensor.float32([2, 3], [1, 2, 3, 1, 2, 3]))]),
  ],
  'a constant for every sample, concatenated (class token)': [
    [2, 2, 3],
    (g, x) => g.op('Concat', [g.constant(Tensor.float32([2, 1, 3], [1, 2, 3, 1, 2, 3])), x], { axis: 1 }),
  ],
  'zeros of the batch, made in the graph': [
    [2, 3],
    (g, x) => g.op('Concat', [x, g.op('ConstantOfShape', [g.i64([2, 1])])], { axis: 1 }),
  ],
  'ScatterND that numbers the samples': [
    [2, 3],
    (g, x) =>
      g.op('ScatterND', [
        x,
        g.constant(Tensor.int64([2, 2, 2], [0, 0, 0, 2, 1, 0, 1, 2])),
        g.op('Slice', [g.op('Mul', [x, g.f32(3)]), g.i64([0]), g.i64([2]), g.i64([1])]),
      ]),
  ],
  'Gather over flattened data (as_strided)': [
    [2, 4],
    (g, x) =>
      g.op('Gather', [
        g.op('Reshape', [x, g.i64([-1])]),
        g.constant(Tensor.int64([2, 3], [3, 1, 0, 7, 5, 4])),
      ]),
  ],
  'weights whose dims happen to equal the batch stay': [
    [2, 2],
    (g, x) => {
      const w = g.constant(Tensor.float32([2, 2], [1, 2, 3, 4]), 'w');
      const y = g.op('Gemm', [g.op('MatMul', [x, w]), w, g.f32([5, 6])], { transB: 1 });
      return g.op('Mul', [y, g.f32([7, 8])]);
    },
  ],
};

describe('a batch fixed in the file is replaced', () => {
  test.each(Object.entries(CASES))('%s', async (_, [dims, body]) => {
    const model = build({ x: dims }, (g, { x }) => body(g, x));
    for (const batch of [5, 1]) if (batch !== dims[0]) await expectSamples(model, batch);
  });

  test('what was rewritten is told; the original stays as it was', async () => {
    const model = build({ x: [2, 6] }, (g, { x }) =>
      g.op('Reshape', [x, g.constant(Tensor.int64([2], [2, 6]), 'shape')], {}, { name: 'flat' }),
    );
    const rewritten = await expectSamples(model, 3);
    expect(rewritten).toEqual(["Reshape 'flat': shape [2,6] → [3,6]"]);
    expect([...(model.graph.find('shape')?.initializer?.typed() ?? [])]).toEqual([2n, 6n]);
  });

  test('several inputs change together', async () => {
    const model = build({ a: [2, 3], b: [2, 3], scale: [1] }, (g, { a, b, scale }) =>
      g.op('Mul', [g.op('Reshape', [g.op('Add', [a, b]), g.i64([2, 3, 1])]), scale]),
    );
    const { model: changed, report } = await specialize(model, { batch: 4, engine });
    expect(Object.fromEntries(report.inputs)).toEqual({ a: [4, 3], b: [4, 3], scale: [1] });
    expect(changed.graph.outputs[0].shape).toEqual([4, 3, 1]);
  });

  test('random nodes draw for every sample, and nothing is compared', async () => {
    const model = build({ x: [2, 3, 4, 4] }, (g, { x }) => {
      const draw = g.op('RandomUniformLike', [g.constant(Tensor.float32([2, 1, 1, 1], [0, 0]))]);
      return g.op('Mul', [x, g.op('Cast', [g.op('Less', [draw, g.f32(0.8)])], { to: 1 })]);
    });
    const { model: changed, report } = await specialize(model, { batch: 5, engine });
    expect(changed.graph.outputs[0].shape).toEqual([5, 3, 4, 4]);
    expect(report.batchDifference).toBeNull();
  });
});

describe('a batch that cannot be replaced is refused, naming the node', () => {
  const refused: Record<string, [number[], (g: GraphBuilder, x: Value) => Value, RegExp]> = {
    'a sample is picked': [[2, 3], (g, x) => g.op('Gather', [x, g.i64(0)]), /Gather.*every sample in turn/s],
    'the batch is cut': [[2, 3], (g, x) => g.op('Slice', [x, g.i64([1]), g.i64([2])]), /Slice.*all samples/s],
    'the batch is split': [
      [2, 3],
      (g, x) => g.op('Add', [...g.ops('Split', [x], { axis: 0, num_outputs: 2 }, { outputs: 2 })]),
      /Split.*another axis than the batch/s,
    ],
    'the batch is dropped': [[1, 3], (g, x) => g.op('Squeeze', [x, g.i64([0])]), /Squeeze/],
    'samples have constants of their own': [
      [2, 3],
      (g, x) => g.op('Add', [x, g.constant(Tensor.float32([2, 1], [1, 2]))]),
      /Add.*the same for every sample/s,
    ],
    'samples are mixed where shapes do not show it': [
      [2, 3],
      (g, x) => g.op('Sub', [x, g.op('ReduceMean', [x, g.i64([0])])]),
      /samples influence each other.*differ by/s,
    ],
    'the first axis is no batch at all': [
      [2, 3, 4],
      (g, x) => g.op('MatMul', [g.op('Reshape', [x, g.i64([2, 12])]), g.op('Reshape', [x, g.i64([12, 2])])]),
      /cannot follow a change to 3|samples influence/,
    ],
  };
  test.each(Object.entries(refused))('%s', async (_, [dims, body, message]) => {
    const model = build({ x: dims }, (g, { x }) => body(g, x));
    const failure = specialize(model, { batch: 3, engine });
    await expect(failure).rejects.toThrow(UnsupportedError);
    await expect(failure).rejects.toThrow(message);
  });
});
