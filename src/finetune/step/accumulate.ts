import { type GraphBuilder, Tensor } from '../../onnx/index.js';
import { everyStep, type Pace, someSteps } from '../optim/pace.js';
import type { Gradient } from './parameters.js';
import { type StateUpdate, stateInput, updated } from './state.js';

/** The gradients that a step updates with, when it does. */
export interface Accumulated {
  readonly pace: Pace;
  readonly gradients: readonly Gradient[];
  readonly updates: readonly StateUpdate[];
}

/**
 * Adds up the gradients of `steps` steps, of which the last updates; the gradients come divided by `steps` already, so
 * the sum is the mean. One step: nothing is added to the graph.
 */
export function accumulate(b: GraphBuilder, gradients: readonly Gradient[], steps: number): Accumulated {
  if (steps === 1) return { pace: everyStep(b), gradients, updates: [] };
  return b.scope('accumulate', () => {
    const counter = stateInput(b, {
      name: 'accumulated',
      kind: 'counter',
      dims: [],
      initial: Tensor.float32([], [0]),
    });
    const count = b.op('Add', [counter.value, b.f32(1)]);
    const now = b.op('Greater', [count, b.f32(steps - 0.5)]);
    const on = b.op('Where', [now, b.f32(0), b.f32(1)]);
    const updates: StateUpdate[] = [updated(counter, b.op('Mul', [count, on]))];
    const sums = gradients.map(({ parameter, value }) =>
      b.scope(parameter.name, () => {
        const { initial } = parameter.state;
        const zeros = Tensor.derivedFloat32(initial.dims, () => new Float32Array(initial.size));
        const state = stateInput(b, { ...parameter.state, kind: 'accumulated', initial: zeros });
        const sum = b.op('Add', [state.value, value], {}, { name: 'sum' });
        updates.push(updated(state, b.op('Mul', [sum, on])));
        return { parameter, value: sum };
      }),
    );
    return { pace: someSteps(b, now), gradients: sums, updates };
  });
}
