import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, normal } from './against-ort.js';

const conv = (x: number[], w: number[], attributes: Record<string, number | string | number[]>, opset = 17) =>
  expectLikeOrt({ op: 'Conv', opset, inputs: [normal(...x), normal(...w), normal(w[0])], attributes });
const transposed = (
  x: number[],
  w: number[],
  attributes: Record<string, number | string | number[]>,
  opset = 17,
) => {
  const group = typeof attributes.group === 'number' ? attributes.group : 1;
  const inputs = [normal(...x), normal(...w), normal(w[1] * group)];
  return expectLikeOrt({ op: 'ConvTranspose', opset, inputs, attributes });
};

describe('Conv against ONNX Runtime', () => {
  test('axes, strides, dilations, asymmetric pads', async () => {
    await conv([2, 3, 11], [4, 3, 3], { strides: [2], pads: [1, 2], dilations: [2] });
    await conv([1, 3, 7, 9], [5, 3, 3, 3], { pads: [1, 1, 1, 1] });
    await conv([2, 3, 7, 9], [5, 3, 3, 2], { pads: [0, 2, 1, 0], strides: [2, 1], dilations: [1, 3] });
    await conv([1, 2, 5, 6, 7], [3, 2, 2, 3, 1], { pads: [1, 0, 2, 0, 1, 0], strides: [1, 2, 3] }, 22);
    await conv([1, 3, 6, 6], [2, 3, 6, 6], {});
  });
  test('groups and 1×1', async () => {
    await conv([2, 6, 5, 5], [6, 1, 3, 3], { group: 6, pads: [1, 1, 1, 1] });
    await conv([1, 6, 5, 4], [4, 3, 1, 1], { group: 2 });
    await conv([1, 6, 5, 5], [9, 2, 5, 3], { group: 3, pads: [2, 1, 2, 1], strides: [2, 2] });
    await conv([2, 6, 5, 7], [4, 6, 1, 1], { strides: [2, 3] });
  });
  test('auto_pad', async () => {
    for (const auto_pad of ['SAME_UPPER', 'SAME_LOWER', 'VALID'])
      for (const strides of [
        [1, 1],
        [2, 3],
      ])
        await conv([1, 2, 7, 8], [3, 2, 4, 3], { auto_pad, strides }, 11);
  });
  test('computed by hand: a 2×2 sum with bias', () => {
    const [y] = evaluateOp({
      op: 'Conv',
      opset: 9,
      inputs: [
        Tensor.float32([1, 1, 2, 3], [1, 2, 3, 4, 5, 6]),
        Tensor.float32([1, 1, 2, 2], [1, 10, 100, 1000]),
        Tensor.float32([1], [0.5]),
      ],
    });
    expect(y.dims).toEqual([1, 1, 1, 2]);
    expect([...y.data]).toEqual([1 + 20 + 400 + 5000 + 0.5, 2 + 30 + 500 + 6000 + 0.5]);
  });
  test('refuses what does not fit', () => {
    const run =
      (x: Tensor, w: Tensor, attributes = {}) =>
      () =>
        evaluateOp({ op: 'Conv', opset: 17, inputs: [x, w], attributes });
    expect(run(normal(1, 3, 5, 5), normal(2, 2, 3, 3))).toThrow(
      /Conv 'node': weight; expected .* 3 channels/,
    );
    expect(run(normal(1, 3, 2, 2), normal(2, 3, 3, 3))).toThrow(/Conv 'node'/);
    expect(run(normal(1, 4, 5, 5), normal(3, 2, 3, 3), { group: 2 })).toThrow(/multiple of 2/);
    expect(run(normal(1, 3, 5, 5), normal(2, 3, 3, 3), { kernel_shape: [2, 2] })).toThrow(/kernel_shape/);
    expect(run(normal(3, 5), normal(2, 5))).toThrow(/Conv 'node'/);
  });
});

describe('ConvTranspose against ONNX Runtime', () => {
  test('axes, strides, dilations, pads, output_padding, groups', async () => {
    await transposed([2, 3, 5], [3, 4, 3], { strides: [2], pads: [1, 0], output_padding: [1] });
    await transposed([1, 3, 4, 5], [3, 2, 3, 3], {});
    await transposed([2, 4, 4, 5], [4, 3, 3, 2], {
      group: 2,
      strides: [2, 3],
      pads: [1, 0, 0, 1],
      output_padding: [1, 2],
    });
    await transposed([1, 2, 4, 4], [2, 3, 3, 3], { dilations: [2, 1], pads: [1, 1, 2, 0] });
    await transposed([1, 2, 3, 3, 3], [2, 2, 2, 2, 3], { strides: [2, 1, 2] });
    await transposed([1, 6, 4, 4], [6, 1, 4, 4], { group: 6, strides: [2, 2], pads: [1, 1, 1, 1] });
  });
  test('auto_pad and output_shape', async () => {
    for (const auto_pad of ['SAME_UPPER', 'SAME_LOWER', 'VALID'])
      await transposed([1, 2, 4, 5], [2, 3, 3, 4], { auto_pad, strides: [2, 2] });
    await transposed([1, 2, 4, 5], [2, 3, 3, 3], { strides: [2, 2], output_shape: [8, 10] });
    await transposed([1, 2, 4, 5], [2, 3, 3, 3], {
      strides: [2, 2],
      output_shape: [8, 10],
      auto_pad: 'SAME_UPPER',
    });
  });
});
