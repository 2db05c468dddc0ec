import type { GraphBuilder, Value } from '../../../onnx/index.js';

/** Σ over `axes`, which disappear. */
export function sumOver(b: GraphBuilder, v: Value, axes: readonly number[]): Value {
  return b.op('ReduceSum', [v, b.i64(axes)], { keepdims: 0 });
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
