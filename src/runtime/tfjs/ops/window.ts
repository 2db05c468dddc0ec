/** Sliding windows of convolutions and pools over x [N, C, …spatial]. */
import type { Tf, TfTensor } from '../tf.js';

/** One entry per spatial axis; `pads` has all begins, then all ends, and may be negative, which cuts. */
export interface Window {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
}

/** x with `pads` on its spatial axes (all begins, then all ends). */
export function padded(tf: Tf, x: TfTensor, pads: readonly number[], value = 0): TfTensor {
  const rank = pads.length / 2;
  const of = (at: number, f: (pad: number) => number): number => f(pads[at]);
  const cut = (p: number): number => Math.max(0, -p);
  const grown = (p: number): number => Math.max(0, p);
  let y = x;
  if (pads.some((p) => p < 0)) {
    const begin = x.shape.map((_, i) => (i < 2 ? 0 : of(i - 2, cut)));
    const size = x.shape.map((n, i) => (i < 2 ? n : n - of(i - 2, cut) - of(rank + i - 2, cut)));
    y = tf.slice(x, begin, size);
  }
  if (pads.every((p) => p <= 0)) return y;
  const around = x.shape.map((_, i): [number, number] =>
    i < 2 ? [0, 0] : [of(i - 2, grown), of(rank + i - 2, grown)],
  );
  return tf.pad(y, around, value);
}

/** How many windows fit on each spatial axis of a padded input. */
export function windowCounts(spatial: readonly number[], w: Window): number[] {
  return spatial.map((n, i) => Math.floor((n - (w.kernel[i] - 1) * w.dilations[i] - 1) / w.strides[i]) + 1);
}

/** From each spatial axis `counts` elements from `starts` on, `steps` apart. */
export function strided(
  tf: Tf,
  x: TfTensor,
  starts: readonly number[],
  counts: readonly number[],
  steps: readonly number[],
): TfTensor {
  const begin = [0, 0, ...starts];
  const span = counts.map((n, i) => (n - 1) * steps[i] + 1);
  const whole = [...x.shape.slice(0, 2), ...span];
  if (steps.every((s) => s === 1)) {
    const same = whole.every((n, i) => n === x.shape[i]);
    return same ? x : tf.slice(x, begin, whole);
  }
  const end = begin.map((b, i) => b + whole[i]);
  return tf.stridedSlice(x, begin, end, [1, 1, ...steps]);
}

/** All index lists below `counts`, row by row. */
export function positionsOf(counts: readonly number[]): number[][] {
  return counts.reduce<number[][]>(
    (list, n) => list.flatMap((at) => Array.from({ length: n }, (_, i) => [...at, i])),
    [[]],
  );
}
