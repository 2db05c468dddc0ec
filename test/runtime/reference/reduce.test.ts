import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, f32, i64, integers, normal, uniform } from './against-ort.js';

const OPS = [
  'ReduceSum',
  'ReduceMean',
  'ReduceMax',
  'ReduceMin',
  'ReduceProd',
  'ReduceL1',
  'ReduceL2',
  'ReduceSumSquare',
  'ReduceLogSumExp',
  'ReduceLogSum',
];

describe('reductions against ONNX Runtime', () => {
  test('axes as attribute', async () => {
    for (const op of OPS) {
      const x = op === 'ReduceLogSum' ? uniform(0.1, 2, 2, 3, 4) : normal(2, 3, 4);
      for (const axes of [[1], [0, 2], [-1]])
        for (const keepdims of [0, 1])
          await expectLikeOrt({ op, opset: 11, inputs: [x], attributes: { axes, keepdims } });
      await expectLikeOrt({ op, opset: 11, inputs: [x] });
    }
  });
  test('axes as input; none at all', async () => {
    for (const op of OPS) {
      const x = op === 'ReduceLogSum' ? uniform(0.1, 2, 2, 3, 4) : normal(2, 3, 4);
      await expectLikeOrt({ op, opset: 18, inputs: [x, i64(-1, 0)], attributes: { keepdims: 0 } });
      await expectLikeOrt({ op, opset: 18, inputs: [x] });
    }
    await expectLikeOrt({
      op: 'ReduceSum',
      opset: 13,
      inputs: [normal(2, 3), i64()],
      attributes: { noop_with_empty_axes: 1 },
    });
    await expectLikeOrt({ op: 'ReduceSum', opset: 13, inputs: [normal(2, 3), i64()] });
  });
  test('integers are exact', async () => {
    for (const op of ['ReduceSum', 'ReduceMax', 'ReduceMin', 'ReduceProd'])
      await expectLikeOrt({ op, opset: 13, inputs: [integers(-9, 9, 3, 4)] });
    const [y] = evaluateOp({
      op: 'ReduceSum',
      opset: 13,
      inputs: [Tensor.int64([2], BigInt64Array.of(2n ** 53n, 1n))],
    });
    expect(y.data).toEqual(BigInt64Array.of(2n ** 53n + 1n));
  });
  test('LogSumExp does not overflow', () => {
    const [y] = evaluateOp({ op: 'ReduceLogSumExp', opset: 18, inputs: [f32(1000, 1000)] });
    expect(y.data[0]).toBeCloseTo(1000 + Math.LN2, 12);
  });
  test('ArgMax, ArgMin, TopK', async () => {
    const types = ['int64'] as const;
    for (const op of ['ArgMax', 'ArgMin'])
      for (const axis of [0, 1, -1])
        for (const select_last_index of [0, 1])
          await expectLikeOrt({
            op,
            opset: 13,
            inputs: [integers(0, 3, 3, 4, 5)].map(asFloat),
            attributes: { axis, keepdims: select_last_index, select_last_index },
            types,
          });
    for (const largest of [0, 1])
      for (const axis of [0, 1])
        await expectLikeOrt({
          op: 'TopK',
          opset: 11,
          inputs: [normal(5, 4), i64(3)],
          attributes: { axis, largest },
          outputs: 2,
          types: ['float32', 'int64'],
        });
    await expectLikeOrt({
      op: 'TopK',
      opset: 11,
      inputs: [f32(2, 2, 1, 3, 3), i64(4)],
      outputs: 2,
      types: ['float32', 'int64'],
    });
  });
});

function asFloat(t: Tensor): Tensor {
  return Tensor.float32(t.dims, Array.from<number | bigint, number>(t.typed(), Number));
}
