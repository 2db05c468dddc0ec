import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, f32, normal, uniform } from './against-ort.js';

const statistics = (c: number) => [normal(c), normal(c), normal(c), uniform(0.5, 2, c)];

describe('BatchNormalization', () => {
  test('inference, opset 7 to 15', async () => {
    for (const opset of [7, 9, 14, 15])
      for (const dims of [
        [4, 3],
        [2, 3, 5],
        [2, 3, 4, 5],
        [1, 2, 3, 4, 2],
      ])
        await expectLikeOrt({
          op: 'BatchNormalization',
          opset,
          inputs: [normal(...dims), ...statistics(dims[1])],
        });
    await expectLikeOrt({
      op: 'BatchNormalization',
      opset: 15,
      inputs: [normal(2, 3, 4), ...statistics(3)],
      attributes: { epsilon: { float: 0.1 } },
    });
  });
  test('training: batch statistics, running ones with the biased variance', async () => {
    for (const momentum of [0.9, 0.25])
      await expectLikeOrt({
        op: 'BatchNormalization',
        opset: 15,
        inputs: [normal(3, 2, 4, 4), ...statistics(2)],
        attributes: { training_mode: 1, momentum: { float: momentum } },
        outputs: 3,
      });
  });
  test('training, computed by hand', () => {
    const [y, mean, variance] = evaluateOp({
      op: 'BatchNormalization',
      opset: 15,
      inputs: [Tensor.float32([2, 1, 2], [1, 2, 3, 6]), f32(2), f32(1), f32(10), f32(20)],
      attributes: { training_mode: 1, momentum: { float: 0.5 }, epsilon: { float: 0.5 } },
      outputs: 3,
    });
    // mean 3, biased variance (4 + 1 + 0 + 9) / 4 = 3.5, σ = 2
    expect([...y.data]).toEqual([-1, 0, 1, 4]);
    expect([...mean.data]).toEqual([6.5]);
    expect([...variance.data]).toEqual([11.75]);
  });
  test('before opset 14, more outputs mean training', () => {
    const inputs = [Tensor.float32([2, 1, 2], [1, 2, 3, 6]), f32(2), f32(1), f32(10), f32(20)];
    const attributes = { momentum: { float: 0.5 }, epsilon: { float: 0.5 } };
    const [y, mean] = evaluateOp({ op: 'BatchNormalization', opset: 9, inputs, attributes, outputs: 5 });
    expect([...y.data]).toEqual([-1, 0, 1, 4]);
    expect([...mean.data]).toEqual([6.5]);
    const [fixed] = evaluateOp({ op: 'BatchNormalization', opset: 9, inputs, attributes });
    expect(fixed.data[0]).toBeCloseTo((2 * (1 - 10)) / Math.sqrt(20.5) + 1, 12);
  });
  test('refuses statistics of another length', () => {
    const inputs = [normal(2, 3, 4), ...statistics(4)];
    expect(() => evaluateOp({ op: 'BatchNormalization', opset: 15, inputs })).toThrow(
      /BatchNormalization 'node': input 1; expected 3 elements/,
    );
  });
});

describe('other normalizations against ONNX Runtime', () => {
  test('InstanceNormalization', async () => {
    for (const dims of [
      [2, 3, 5],
      [2, 3, 4, 5],
    ])
      await expectLikeOrt({
        op: 'InstanceNormalization',
        opset: 17,
        inputs: [normal(...dims), normal(3), normal(3)],
      });
  });
  test('LayerNormalization, with mean and inverse deviation', async () => {
    for (const axis of [-1, 1, -2])
      await expectLikeOrt({
        op: 'LayerNormalization',
        opset: 17,
        inputs: [
          normal(2, 3, 4),
          axis === -1 ? normal(4) : normal(3, 4),
          axis === -1 ? normal(4) : normal(3, 4),
        ],
        attributes: { axis },
        outputs: 3,
      });
    await expectLikeOrt({
      op: 'LayerNormalization',
      opset: 17,
      inputs: [normal(2, 3, 4), normal(4)],
      attributes: { epsilon: { float: 0.01 } },
    });
  });
  test('GroupNormalization per channel (21) and per group (18)', async () => {
    await expectLikeOrt({
      op: 'GroupNormalization',
      opset: 21,
      inputs: [normal(2, 6, 4, 3), normal(6), normal(6)],
      attributes: { num_groups: 3 },
    });
    await expectLikeOrt({
      op: 'GroupNormalization',
      opset: 18,
      inputs: [normal(2, 6, 4), normal(2), normal(2)],
      attributes: { num_groups: 2 },
    });
  });
  test('LRN', async () => {
    for (const size of [1, 3, 5, 9])
      await expectLikeOrt({
        op: 'LRN',
        opset: 13,
        inputs: [normal(2, 6, 3, 3)],
        attributes: { size, alpha: { float: 0.2 }, beta: { float: 0.6 }, bias: { float: 1.5 } },
      });
    await expectLikeOrt({ op: 'LRN', opset: 13, inputs: [normal(1, 4, 2, 2)], attributes: { size: 3 } });
  });
  test('LRN of even size, by hand: one more channel after than before', () => {
    const [y] = evaluateOp({
      op: 'LRN',
      opset: 13,
      inputs: [Tensor.float32([1, 3, 1], [1, 2, 3])],
      attributes: { size: 2, alpha: { float: 2 }, beta: { float: 1 } },
    });
    expect([...y.data]).toEqual([1 / 6, 2 / 14, 3 / 10]);
  });
  test('LpNormalization, MeanVarianceNormalization, RMSNormalization', async () => {
    for (const [axis, p] of [
      [-1, 2],
      [0, 1],
      [1, 2],
    ])
      await expectLikeOrt({
        op: 'LpNormalization',
        opset: 17,
        inputs: [normal(2, 3, 4)],
        attributes: { axis, p },
      });
    await expectLikeOrt({
      op: 'MeanVarianceNormalization',
      opset: 13,
      inputs: [normal(2, 3, 4, 4)],
      tolerance: 3e-6,
    });
    await expectLikeOrt({
      op: 'MeanVarianceNormalization',
      opset: 13,
      inputs: [normal(2, 3, 4)],
      attributes: { axes: [1] },
      tolerance: 3e-6,
    });
    await expectLikeOrt({ op: 'RMSNormalization', opset: 23, inputs: [normal(2, 3, 4), normal(4)] });
  });
  test('Softmax, LogSoftmax, Hardmax along an axis (13) and flattened (before)', async () => {
    for (const op of ['Softmax', 'LogSoftmax', 'Hardmax'])
      for (const opset of [7, 11, 13])
        for (const axis of [undefined, 0, 1, 2]) {
          const attributes = axis === undefined ? {} : { axis };
          await expectLikeOrt({ op, opset, inputs: [normal(2, 3, 4)], attributes });
        }
    await expectLikeOrt({ op: 'Softmax', opset: 13, inputs: [f32(1000, 1001, -1000)] });
    await expectLikeOrt({ op: 'LogSoftmax', opset: 13, inputs: [f32(1000, 1001, -1000)] });
  });
});
