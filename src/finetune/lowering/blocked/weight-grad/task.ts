import { sizeOf, type Value } from '../../../../onnx/index.js';
import type { Axis } from '../geometry.js';
import type { Nchwc } from '../nchwc.js';
import type { Tracker } from '../tracker.js';

/** What the cost of dW hangs on. */
export interface WeightGradShape {
  /** N */
  readonly images: number;
  /** Padded, but for a stem. */
  readonly inputs: number;
  /** Padded. */
  readonly outputs: number;
  /** Rows, columns. */
  readonly axes: readonly Axis[];
}

type Windows = Pick<WeightGradShape, 'axes'>;

/** P, pixels of a map of dY. */
export function pixelsOf({ axes }: Windows): number {
  return axes[0].out * axes[1].out;
}

/** T, pixels of the kernel. */
export function tapsOf({ axes }: Windows): number {
  return axes[0].kernel * axes[1].kernel;
}

/** Whether the kernel is 1×1 and reads no padding. */
export function isPointwise({ axes }: Windows): boolean {
  return axes.every((a) => a.kernel === 1 && a.begin === 0 && a.end === 0);
}

export interface WeightGradTask extends WeightGradShape {
  readonly n: Nchwc;
  readonly t: Tracker;
  /** How dW is to lie, 1×1 kernels aside. */
  readonly kind: 'dense' | 'stem' | 'map';
  /** [N, inputs, H, W] in blocks; for a stem in NCHW. */
  readonly x: Value;
  /** [N, outputs, oH, oW] in blocks. */
  readonly dy: Value;
}

export function inputDims({ images, inputs, axes }: WeightGradTask): number[] {
  return [images, inputs, ...axes.map((a) => a.size)];
}

export function outputDims({ images, outputs, axes }: WeightGradTask): number[] {
  return [images, outputs, ...axes.map((a) => a.out)];
}

/** A blocked tensor in NCHW order, padding included, [N, C, P]; made once for all readers. */
export function channelRows({ n, t }: WeightGradTask, v: Value, dims: readonly number[]): Value {
  const [images, channels, h, w] = dims;
  return t.derived(v, 'channel rows', () =>
    n.reshape(n.op('ReorderOutput', [v], dims, { channels }), [images, channels, h * w]),
  );
}

/** Σ over the first axis, which disappears: a product with ones, which takes a quarter of a ReduceSum's time. */
export function sumFirst({ n }: WeightGradTask, v: Value): Value {
  const [count, ...rest] = v.shape ?? [];
  const ones = n.constant([1, count], 1);
  return n.reshape(n.b.op('MatMul', [ones, n.reshape(v, [count, sizeOf(rest)])]), rest);
}
