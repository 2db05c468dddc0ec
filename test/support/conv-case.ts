import { inside, type LoweringCase } from './lowering-cases.js';

/** A convolution as test grids write it. */
export interface ConvCase {
  /** [N, C, …] */
  readonly x: readonly number[];
  /** Output channels. */
  readonly o: number;
  readonly k: readonly number[];
  readonly s?: readonly number[];
  readonly d?: readonly number[];
  /** All begins, then all ends. */
  readonly p?: readonly number[];
  readonly g?: number;
  readonly bias?: boolean;
}

const list = (v: readonly number[] | undefined): string => (v ? v.join('.') : '-');

/** A convolution between two others, whose input and output gradient are in blocks; `first`: on the network's own input. */
export function convCase(c: ConvCase, first = false): LoweringCase {
  const { x, o, k, s, d, p, g = 1, bias = false } = c;
  return {
    name: `${first ? 'first ' : ''}x${list(x)} o${o} k${list(k)} s${list(s)} d${list(d)} p${list(p)} g${g}${bias ? ' bias' : ''}`,
    inputs: { x },
    weights: { w: [o, x[1] / g, ...k], ...(bias ? { bias: [o] } : {}) },
    build: (b, v) => {
      const y = b.op('Conv', [first ? v.x : inside(b, v.x), v.w, ...(bias ? [v.bias] : [])], {
        kernel_shape: k,
        ...(s && { strides: s }),
        ...(d && { dilations: d }),
        ...(p && { pads: p }),
        group: g,
      });
      return inside(b, y);
    },
  };
}

/** Half of the kernel on each side. */
export const around = (k: readonly number[]): number[] => [...k, ...k].map((n) => n >> 1);

/** TensorFlow's pads, none, and more than the kernel needs; with and without strides. */
export const paddedCases = (channels: number, o: number): ConvCase[] =>
  [
    [0, 0, 1, 1],
    [1, 0, 0, 1],
    [0, 1, 2, 0],
    [0, 0, 0, 0],
    [3, 3, 3, 3],
    [2, 4, 5, 3],
  ].flatMap((p) =>
    [
      [3, 3],
      [1, 1],
      [2, 2],
      [4, 4],
    ].flatMap((k) => [
      { x: [2, channels, 8, 8], o, k, p },
      { x: [2, channels, 8, 7], o, k, p, s: [2, 2] },
      { x: [1, channels, 7, 8], o, k, p, s: [3, 3] },
    ]),
  );
