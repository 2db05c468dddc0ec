import { describe, expect, test } from 'vitest';
import type { AttributeInit } from '../../src/onnx/index.js';
import { checkGradients } from '../support/gradcheck.js';

/** Convolutions along one axis, and transposed ones. */

interface Case {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly bias?: number;
  readonly attributes?: Readonly<Record<string, AttributeInit>>;
}

function check(
  op: 'Conv' | 'ConvTranspose',
  name: string,
  { x, w, bias, attributes = {} }: Case,
): Promise<void> {
  return checkGradients(`${op} ${name}`, {
    inputs: { x, w, ...(bias === undefined ? {} : { bias: [bias] }) },
    build: (b, v) => b.op(op, bias === undefined ? [v.x, v.w] : [v.x, v.w, v.bias], attributes),
  });
}

const oneAxis: Record<string, Case> = {
  plain: { x: [2, 3, 7], w: [4, 3, 3], bias: 4 },
  'kernel 1': { x: [2, 3, 5], w: [4, 3, 1] },
  'kernel 1, stride 3': { x: [2, 2, 8], w: [3, 2, 1], attributes: { strides: [3] } },
  'asymmetric pads': { x: [2, 2, 6], w: [3, 2, 4], attributes: { pads: [3, 1] } },
  'stride beyond the kernel': { x: [1, 2, 11], w: [3, 2, 2], attributes: { strides: [4] } },
  dilated: { x: [2, 2, 9], w: [3, 2, 3], attributes: { dilations: [3], pads: [3, 2] } },
  'dilated with a stride': {
    x: [2, 2, 11],
    w: [2, 2, 3],
    attributes: { dilations: [2], strides: [2], pads: [2, 2] },
  },
  grouped: { x: [2, 4, 6], w: [6, 2, 3], bias: 6, attributes: { group: 2, pads: [1, 1], strides: [2] } },
  depthwise: { x: [2, 3, 8], w: [3, 1, 5], attributes: { group: 3, pads: [2, 2], strides: [2] } },
  'depthwise, dilated, one-sided (causal)': {
    x: [2, 3, 8],
    w: [3, 1, 3],
    attributes: { group: 3, pads: [4, 0], dilations: [2] },
  },
  'depth multiplier': { x: [1, 2, 6], w: [6, 1, 3], attributes: { group: 2 } },
  'the kernel as long as the input': { x: [2, 2, 5], w: [3, 2, 5] },
};

const transposed: Record<string, Case> = {
  'one axis': { x: [2, 3, 4], w: [3, 2, 3], bias: 2 },
  'one axis, stride 2, pads, output_padding': {
    x: [2, 3, 4],
    w: [3, 2, 3],
    attributes: { strides: [2], pads: [1, 1], output_padding: [1] },
  },
  'one axis, depthwise': { x: [2, 3, 4], w: [3, 1, 4], attributes: { group: 3, strides: [2], pads: [1, 1] } },
  'one axis, dilated': { x: [1, 2, 5], w: [2, 3, 3], attributes: { dilations: [3], pads: [2, 1] } },
  plain: { x: [2, 3, 3, 4], w: [3, 4, 3, 3], bias: 4 },
  '1x1': { x: [2, 3, 3, 4], w: [3, 2, 1, 1] },
  '2x2, stride 2 (doubles the size)': {
    x: [2, 3, 3, 2],
    w: [3, 2, 2, 2],
    bias: 2,
    attributes: { strides: [2, 2] },
  },
  'grouped, stride 2, output_padding': {
    x: [1, 4, 3, 4],
    w: [4, 2, 3, 3],
    bias: 4,
    attributes: { group: 2, strides: [2, 2], pads: [1, 1, 1, 1], output_padding: [1, 1] },
  },
  'depthwise 4x4, stride 2': {
    x: [2, 3, 3, 3],
    w: [3, 1, 4, 4],
    attributes: { group: 3, strides: [2, 2], pads: [1, 1, 1, 1] },
  },
  'asymmetric pads, mixed strides, non-square': {
    x: [1, 2, 4, 3],
    w: [2, 3, 3, 5],
    attributes: { strides: [2, 3], pads: [0, 2, 1, 1], output_padding: [0, 2] },
  },
  dilated: {
    x: [1, 2, 3, 4],
    w: [2, 3, 3, 2],
    attributes: { dilations: [2, 3], pads: [1, 0, 2, 1] },
  },
  'dilated with strides': {
    x: [1, 2, 3, 3],
    w: [2, 2, 3, 3],
    attributes: { dilations: [3, 2], strides: [2, 3], pads: [2, 1, 1, 2] },
  },
  'stride beyond the kernel': { x: [1, 2, 3, 3], w: [2, 2, 2, 1], attributes: { strides: [3, 2] } },
  'output_shape, smaller': {
    x: [1, 2, 3, 4],
    w: [2, 3, 3, 3],
    attributes: { strides: [2, 2], output_shape: [5, 8] },
  },
  'auto_pad SAME_UPPER': {
    x: [1, 2, 3, 4],
    w: [2, 2, 3, 3],
    attributes: { strides: [2, 2], auto_pad: 'SAME_UPPER' },
  },
};

describe('Conv along one axis agrees with central differences', () => {
  for (const [name, c] of Object.entries(oneAxis)) test(name, () => check('Conv', name, c));
});

describe('ConvTranspose agrees with central differences', () => {
  for (const [name, c] of Object.entries(transposed)) test(name, () => check('ConvTranspose', name, c));
});

describe('ConvTranspose whose output goes a stride or more beyond its taps is refused, as the runtime does', () => {
  const { output_padding, output_shape }: Record<string, Case> = {
    output_padding: {
      x: [1, 2, 4, 3],
      w: [2, 2, 3, 3],
      attributes: { dilations: [3, 3], output_padding: [2, 0] },
    },
    output_shape: {
      x: [1, 2, 2, 3],
      w: [2, 2, 2, 2],
      attributes: { strides: [2, 2], output_shape: [8, 6] },
    },
  };
  test('by output_padding', () =>
    expect(check('ConvTranspose', 'far', output_padding)).rejects.toThrow(
      /2 places beyond.*axis 2.*stride, 1/,
    ));
  test('by output_shape', () =>
    expect(check('ConvTranspose', 'large', output_shape)).rejects.toThrow(
      /4 places beyond.*axis 2.*stride, 2/,
    ));
});
