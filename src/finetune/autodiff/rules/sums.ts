import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';

/** Rows from which on a sum over rows is taken in two steps. */
const MANY_ROWS = 64;

/**
 * Σ over `axes`, which disappear. A sum over rows adds one row after the other in float32, so its error grows with their
 * number: many rows (the pixels of a channels-last network) are summed in groups first, at no cost.
 */
export function sumOver(b: GraphBuilder, v: Value, axes: readonly number[]): Value {
  const dims = v.shape ?? [];
  const ofRows = axes.length < dims.length && axes.every((a, i) => a === i);
  const rows = sizeOf(dims.slice(0, axes.length));
  const group = ofRows && rows > MANY_ROWS ? divisorNearRoot(rows) : 1;
  if (group === 1) return b.op('ReduceSum', [v, b.i64(axes)], { keepdims: 0 });
  const groups = b.op('Reshape', [v, b.i64([rows / group, group, ...dims.slice(axes.length)])]);
  const partial = b.op('ReduceSum', [groups, b.i64([1])], { keepdims: 0 });
  return b.op('ReduceSum', [partial, b.i64([0])], { keepdims: 0 });
}

/** The largest divisor of n that is at most √n. */
function divisorNearRoot(n: number): number {
  for (let d = Math.floor(Math.sqrt(n)); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

/**
 * Sums a gradient of a broadcast result to the shape of what was broadcast: over the leading axes that the operand did
 * not have, and over those where it had 1.
 */
export function sumTo(b: GraphBuilder, v: Value, from: readonly number[], to: readonly number[]): Value {
  const lead = from.length - to.length;
  const axes: number[] = [];
  for (let i = 0; i < from.length; i++) if (i < lead || (to[i - lead] === 1 && from[i] !== 1)) axes.push(i);
  if (axes.length === 0) return v;
  const summed = sumOver(b, v, axes);
  return b.op('Reshape', [summed, b.i64(to)]);
}

/** scale·v, which broadcasts to `shape`, in that shape. */
export function spreadTo(b: GraphBuilder, v: Value, shape: readonly number[], scale: number): Value {
  const scaled = scale === 1 ? v : b.op('Mul', [v, b.f32(scale)]);
  return b.op('Expand', [scaled, b.i64(shape)]);
}
