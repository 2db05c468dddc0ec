/**
 * How far two outputs are apart. Errors are relative to the scale of each output of each sample,
 *
 *     max |a − b| ÷ max |a|     over the elements of that output in that sample,
 *
 * because a fixed absolute limit is blind for small outputs and noisy for large ones (BN folding in a deep network: 5e-3
 * absolute, 4e-7 relative). An output that is all zero in `a` is compared absolutely. NaN is infinitely far from
 * everything, itself included.
 */
import type { Tensor } from '../../onnx/index.js';
import { isFloatType, toFloat64 } from '../numbers.js';

export interface SampleError {
  readonly relative: number;
  readonly absolute: number;
  /** max |a| */
  readonly scale: number;
}

/** @returns one entry per sample, or what makes the tensors incomparable */
export function compareTensors(a: Tensor, b: Tensor, samples: number): readonly SampleError[] | string {
  if (a.dataType !== b.dataType) return `is ${a.dataType} in the one and ${b.dataType} in the other`;
  if (a.dims.join() !== b.dims.join()) return `is [${a.dims}] in the one and [${b.dims}] in the other`;
  // An output without a batch axis belongs to all samples at once.
  const count = a.dims.length > 0 && a.dims[0] === samples && samples > 0 ? samples : 1;
  const per = a.size / count;
  if (!isFloatType(a.dataType)) return sameBytes(a, b) ? [{ relative: 0, absolute: 0, scale: 1 }] : 'differs';
  const x = toFloat64(a);
  const y = toFloat64(b);
  return Array.from({ length: count }, (_, i) => compareRange(x, y, i * per, (i + 1) * per));
}

/** Largest error of b against a in [from, to). */
export function compareRange(a: Float64Array, b: Float64Array, from: number, to: number): SampleError {
  let absolute = 0;
  let scale = 0;
  for (let i = from; i < to; i++) {
    const size = Math.abs(a[i]);
    if (size > scale && size < Number.POSITIVE_INFINITY) scale = size;
    if (a[i] === b[i]) continue;
    const difference = Math.abs(a[i] - b[i]);
    if (!(difference <= absolute))
      absolute = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return { absolute, scale, relative: scale === 0 ? absolute : absolute / scale };
}

function sameBytes(a: Tensor, b: Tensor): boolean {
  if (a.storage.kind !== 'strings' || b.storage.kind !== 'strings')
    return Buffer.compare(a.bytes(), b.bytes()) === 0;
  const other = b.storage.values;
  return a.storage.values.every((v, i) => Buffer.compare(v, other[i]) === 0);
}

/** Top-1 answers of two score tensors [N, C] or [N, C, 1, 1]. */
export interface Agreement {
  readonly samples: number;
  readonly agreeing: number;
  /** Samples whose answers differ although the scores in `a` are further apart than twice the allowed error. */
  readonly decided: number;
}

/** Classes of a score tensor, or undefined when it is none. */
export function classesOf(dims: readonly number[]): number | undefined {
  return dims.length >= 2 && dims[1] > 1 && dims.slice(2).every((d) => d === 1) ? dims[1] : undefined;
}

export function compareAnswers(a: Tensor, b: Tensor, tolerance: number): Agreement {
  const classes = classesOf(a.dims) ?? 1;
  const x = toFloat64(a);
  const y = toFloat64(b);
  let agreeing = 0;
  let decided = 0;
  const samples = x.length / classes;
  for (let i = 0; i < samples; i++) {
    const from = i * classes;
    const first = largest(x, from, from + classes);
    const second = largest(y, from, from + classes);
    const { scale } = compareRange(x, y, from, from + classes);
    if (first === second) agreeing++;
    else if (x[first] - x[second] > 2 * tolerance * scale) decided++;
  }
  return { samples, agreeing, decided };
}

function largest(data: Float64Array, from: number, to: number): number {
  let best = from;
  for (let i = from + 1; i < to; i++) if (data[i] > data[best]) best = i;
  return best;
}
