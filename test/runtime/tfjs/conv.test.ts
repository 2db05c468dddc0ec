/** Convolutions and pools in every form that training steps give them, each formulation of the rule once. */
import { beforeAll, describe, test } from 'vitest';
import { loadTfjs } from '../../../src/runtime/tfjs/load.js';
import type { Tf } from '../../../src/runtime/tfjs/tf.js';
import { normal, type OpCase } from '../reference/against-ort.js';
import { expectOp } from './support.js';

let tf: Tf;
beforeAll(async () => {
  tf = await loadTfjs();
}, 60_000);

type Attributes = NonNullable<OpCase['attributes']>;

const conv = (x: number[], w: number[], attributes: Attributes): void =>
  expectOp(tf, { op: 'Conv', opset: 20, inputs: [normal(...x), normal(...w), normal(w[0])], attributes });

const transposed = (x: number[], w: number[], attributes: Attributes & { readonly group?: number }): void => {
  const bias = normal(w[1] * (attributes.group ?? 1));
  expectOp(tf, { op: 'ConvTranspose', opset: 20, inputs: [normal(...x), normal(...w), bias], attributes });
};

describe('Conv', () => {
  test('images, dense and in groups', () => {
    conv([2, 3, 7, 9], [5, 3, 3, 2], { pads: [0, 2, 1, 0], strides: [2, 1] });
    conv([2, 3, 9, 9], [4, 3, 3, 3], { pads: [2, 2, 2, 2], dilations: [2, 2] });
    conv([1, 6, 5, 5], [9, 2, 5, 3], { group: 3, pads: [2, 1, 2, 1], strides: [2, 2] });
    conv([2, 6, 5, 7], [4, 6, 1, 1], { strides: [2, 3] });
    conv([2, 6, 5, 5], [4, 3, 1, 1], { group: 2 });
  });
  test('strided and dilated at once, which TensorFlow.js refuses', () => {
    conv([2, 3, 9, 11], [5, 3, 3, 3], { pads: [1, 1, 1, 1], strides: [2, 1], dilations: [2, 3] });
    conv([2, 4, 9, 9], [6, 2, 3, 3], { group: 2, strides: [2, 2], dilations: [2, 2], pads: [1, 2, 2, 1] });
  });
  test('depthwise, also with several outputs for each channel', () => {
    conv([2, 4, 7, 8], [4, 1, 3, 3], { group: 4, pads: [1, 1, 1, 1], strides: [2, 2] });
    conv([2, 4, 7, 8], [8, 1, 3, 2], { group: 4, pads: [1, 0, 1, 1] });
    conv([2, 4, 9, 9], [8, 1, 3, 3], { group: 4, dilations: [2, 2] });
    conv([2, 4, 9, 9], [4, 1, 3, 3], { group: 4, strides: [1, 2] });
  });
  test('the gradient of a depthwise kernel: a kernel as large as the image, dilated', () => {
    conv([1, 6, 8, 8], [6, 1, 6, 6], { group: 6 });
    conv([1, 6, 9, 9], [6, 1, 4, 4], { group: 6, dilations: [2, 2], pads: [1, 1, 0, 0] });
    conv([1, 4, 9, 7], [8, 1, 4, 3], { group: 4, dilations: [2, 2], pads: [1, 1, 1, 1] });
  });
  test('one and three axes', () => {
    conv([2, 3, 11], [4, 3, 3], { strides: [2], pads: [1, 2], dilations: [2] });
    conv([2, 4, 11], [4, 1, 3], { group: 4, pads: [1, 1] });
    conv([1, 2, 5, 6, 7], [3, 2, 2, 3, 1], { pads: [1, 0, 2, 0, 1, 0], strides: [1, 2, 3] });
    conv([1, 2, 5, 5, 5], [2, 1, 4, 4, 4], { group: 2 });
  });
});

describe('ConvTranspose', () => {
  test('images, dense, in groups, depthwise', () => {
    transposed([1, 3, 4, 5], [3, 2, 3, 3], {});
    transposed([2, 4, 4, 5], [4, 3, 3, 2], {
      group: 2,
      strides: [2, 3],
      pads: [1, 0, 0, 1],
      output_padding: [1, 2],
    });
    transposed([1, 6, 4, 4], [6, 1, 4, 4], { group: 6, strides: [2, 2], pads: [1, 1, 1, 1] });
    transposed([1, 6, 4, 4], [6, 1, 3, 3], { group: 6, strides: [2, 1], pads: [1, 1, 1, 1] });
  });
  test('one output channel from several in each group, as the gradient of a max pool', () => {
    transposed([2, 18, 4, 5], [18, 1, 3, 3], {
      group: 2,
      strides: [2, 2],
      pads: [1, 1, 1, 1],
      output_padding: [1, 0],
    });
  });
  test('dilated, one axis, three axes', () => {
    transposed([1, 2, 4, 4], [2, 3, 3, 3], { dilations: [2, 1], strides: [2, 2], pads: [1, 1, 2, 0] });
    transposed([2, 3, 5], [3, 4, 3], { strides: [2], pads: [1, 0], output_padding: [1] });
    transposed([1, 2, 3, 3, 3], [2, 2, 2, 2, 3], { strides: [2, 1, 2] });
  });
  test('more output padding than the stride leaves room for', () => {
    transposed([1, 2, 3, 3], [2, 2, 2, 2], { strides: [3, 3], dilations: [1, 1], output_padding: [2, 2] });
  });
});

describe('pools', () => {
  const pool = (op: string, x: number[], attributes: Attributes): void =>
    expectOp(tf, { op, opset: 19, inputs: [normal(...x)], attributes });
  test.each(['MaxPool', 'AveragePool'])('%s', (op) => {
    for (const ceil_mode of [0, 1])
      for (const more of op === 'AveragePool' ? [{}, { count_include_pad: 1 }] : [{}]) {
        const common = { ceil_mode, ...more };
        pool(op, [2, 3, 7, 8], { ...common, kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] });
        pool(op, [2, 3, 7, 8], { ...common, kernel_shape: [3, 2], strides: [2, 3], pads: [0, 1, 2, 0] });
        pool(op, [1, 2, 9, 9], { ...common, kernel_shape: [2, 3], strides: [2, 2], dilations: [2, 3] });
        pool(op, [2, 3, 11], { ...common, kernel_shape: [3], strides: [2], pads: [1, 0] });
        pool(op, [1, 2, 5, 6, 5], { ...common, kernel_shape: [2, 3, 2], strides: [2, 2, 1] });
      }
  });
});
