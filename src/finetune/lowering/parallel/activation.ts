import type { Value } from '../../../onnx/index.js';
import type { LoweringContext } from '../rule.js';

/** Times any normal float32 that is above 0 at least 1, and itself a float32. */
const STEEP = 2 ** 127;

/**
 * dX = dY where Y > 0, else 0. The mask is min(max(2^127·Y, 0), 1), which is one kernel, where a comparison and a Cast are
 * two, by way of a map of booleans.
 */
export function reluGrad({ b, node }: LoweringContext): readonly Value[] {
  const mask = b.op('HardSigmoid', [node.input(1)], { alpha: { float: STEEP }, beta: { float: 0 } });
  return [b.op('Mul', [node.input(0), mask])];
}
