import type { Value } from '../../onnx/index.js';
import type { StepContext } from './optimizer.js';

/** How many updates there were before this step, a float scalar. It stops at 2²⁴, where one more makes no difference. */
export function updatesBefore({ b, scalar }: Pick<StepContext, 'b' | 'scalar'>): Value {
  return scalar('updates', 'counter', (before) => b.op('Add', [before, b.f32(1)])).before;
}

/** Whether this step's update is the first, a bool scalar. */
export function firstUpdate(context: Pick<StepContext, 'b' | 'scalar'>): Value {
  const { b } = context;
  return b.op('Less', [updatesBefore(context), b.f32(0.5)]);
}
