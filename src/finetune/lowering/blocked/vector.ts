import type { Value } from '../../../onnx/index.js';
import type { Nchwc } from './nchwc.js';

/** [C] → [Cp], zeros behind. */
export function fromVector(n: Nchwc, v: Value, channels: number): Value {
  const room = n.padded(channels) - channels;
  return room === 0 ? v : n.b.op('Pad', [v, n.b.i64([0, room])]);
}

/** [Cp] → [C]. */
export function toVector(n: Nchwc, v: Value, channels: number): Value {
  if (n.padded(channels) === channels) return v;
  return n.b.op('Slice', [v, n.b.i64([0]), n.b.i64([channels]), n.b.i64([0])]);
}

/** From so many elements on passes over memory cost more than operators. */
const LONG = 2 ** 16;

/** Divides long kernels, and is enough for threads to share. */
const ROWS = 16;

/** sum + factor·v, [n]: an affine map of one block of channels, over rows that threads share. `sum` is written over. */
export function addScaled(n: Nchwc, sum: Value, v: Value, factor: number): Value | undefined {
  const size = v.shape?.[0] ?? 0;
  // A sum that has other readers would be copied by one thread.
  if (size < LONG || size % (n.block * ROWS) !== 0 || sum.uses.length > 0) return undefined;
  const dims = [1, n.block, ROWS, size / n.block / ROWS];
  return n.reshape(n.plus(n.reshape(sum, dims), n.reshape(v, dims), dims, factor), [size]);
}
