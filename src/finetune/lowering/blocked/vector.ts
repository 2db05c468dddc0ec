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
