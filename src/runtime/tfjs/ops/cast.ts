import { castTo, type DataType, type Node } from '../../../onnx/index.js';
import type { Compute } from '../rule.js';
import { heldAs, isHeld } from '../tensors.js';

/** Narrow whole numbers are held in int32, where they would not wrap: only what every input fits in can be made. */
const WIDE: readonly DataType[] = ['float32', 'int32', 'int64', 'bool'];

/** To float32, int32, int64 or bool; floats are cut towards zero. */
export const cast: Compute = (call) => {
  const to = castTo(call.node);
  return call.tf.cast(
    call.input(0),
    isHeld(to) ? heldAs(to) : call.fail('attribute to', WIDE.join(', '), to),
  );
};

export function castRefuses(node: Node): string | undefined {
  const to = castTo(node);
  return WIDE.includes(to) ? undefined : `to ${to}`;
}
