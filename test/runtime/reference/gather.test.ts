import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, f32, i64, integers, normal } from './against-ort.js';

describe('reading and writing by index, against ONNX Runtime', () => {
  test('Gather, GatherElements, GatherND', async () => {
    for (const axis of [0, 1, -1])
      await expectLikeOrt({
        op: 'Gather',
        opset: 13,
        inputs: [normal(3, 4, 5), integers(-3, 3, 2, 2)],
        attributes: { axis },
      });
    await expectLikeOrt({ op: 'Gather', opset: 13, inputs: [i64(5, 6, 7), Tensor.int64([], [-1])] });
    for (const axis of [0, 1])
      await expectLikeOrt({
        op: 'GatherElements',
        opset: 13,
        inputs: [normal(3, 4), integers(-3, 3, 2, 4)],
        attributes: { axis },
      });
    await expectLikeOrt({ op: 'GatherND', opset: 13, inputs: [normal(3, 4, 5), integers(-3, 3, 2, 2)] });
    await expectLikeOrt({
      op: 'GatherND',
      opset: 13,
      inputs: [normal(2, 4, 3), integers(0, 3, 2, 5, 1)],
      attributes: { batch_dims: 1 },
    });
    await expectLikeOrt({
      op: 'GatherND',
      opset: 13,
      inputs: [normal(2, 4, 3), integers(0, 3, 2, 2)],
      attributes: { batch_dims: 1 },
    });
    expect(() => evaluateOp({ op: 'Gather', opset: 13, inputs: [normal(3), i64(3)] })).toThrow(
      /within 3; found 3/,
    );
  });
  test('ScatterElements and ScatterND in every reduction', async () => {
    const places = Tensor.int64([2, 3], [0, 2, 0, 2, 1, -1]);
    for (const reduction of ['none', 'add', 'mul', 'max', 'min']) {
      await expectLikeOrt({
        op: 'ScatterElements',
        opset: 18,
        inputs: [normal(3, 3), places, normal(2, 3)],
        attributes: { reduction },
      });
      await expectLikeOrt({
        op: 'ScatterElements',
        opset: 18,
        inputs: [normal(2, 3), places, normal(2, 3)],
        attributes: { reduction, axis: 1 },
      });
      await expectLikeOrt({
        op: 'ScatterND',
        opset: 18,
        inputs: [normal(4, 3), Tensor.int64([2, 1], [1, -1]), normal(2, 3)],
        attributes: { reduction },
      });
    }
    await expectLikeOrt({
      op: 'ScatterND',
      opset: 11,
      inputs: [normal(2, 3, 4), Tensor.int64([2, 2], [0, 2, 1, 0]), normal(2, 4)],
    });
    await expectLikeOrt({
      op: 'Scatter',
      opset: 10,
      inputs: [normal(3, 3), integers(0, 3, 1, 3), normal(1, 3)],
    });
    const [y] = evaluateOp({
      op: 'ScatterElements',
      opset: 16,
      inputs: [f32(1, 2), i64(0, 0), f32(10, 20)],
      attributes: { reduction: 'add' },
    });
    expect([...y.data]).toEqual([31, 2]);
  });
  test('Compress and NonZero', async () => {
    const x = normal(3, 4);
    const condition = Tensor.bool([3], [true, false, true]);
    await expectLikeOrt({ op: 'Compress', opset: 11, inputs: [x, condition] });
    for (const axis of [0, 1])
      await expectLikeOrt({ op: 'Compress', opset: 11, inputs: [x, condition], attributes: { axis } });
    await expectLikeOrt({
      op: 'NonZero',
      opset: 13,
      inputs: [Tensor.float32([2, 3], [0, 1, 0, -2, 0, 3])],
      types: ['int64'],
    });
  });
});
