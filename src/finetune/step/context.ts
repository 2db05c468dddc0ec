import { type GraphBuilder, Tensor, type Value } from '../../onnx/index.js';
import type { Lowering } from '../lowering/lowering.js';
import type { ScalarState, StepContext } from '../optim/optimizer.js';
import type { Pace } from '../optim/pace.js';
import { type StateUpdate, stateInput, updated } from './state.js';

export interface OpenContext extends StepContext {
  /** Values of a parameter that is updated together with others, at most. */
  readonly together: number;
  /** The scalars declared so far. */
  readonly scalars: readonly StateUpdate[];
}

/** What the parts of a step share: its pace, its scalars (each declared once) and values made once. */
export function stepContext(
  b: GraphBuilder,
  pace: Pace,
  lowering: Pick<Lowering, 'addScaled' | 'together'>,
): OpenContext {
  const scalars: StateUpdate[] = [];
  const declared = new Map<string, ScalarState>();
  const made = new Map<string, Value>();
  return {
    b,
    pace,
    together: lowering.together ?? 0,
    scalars,
    scalar: (name, kind, change) => {
      const known = declared.get(name);
      if (known) return known;
      const state = stateInput(b, { name, kind, dims: [], initial: Tensor.float32([], [0]) });
      const after = b.scope(name, () => change(state.value));
      scalars.push(updated(state, pace.choose(state.value, after)));
      const both = { before: state.value, after };
      declared.set(name, both);
      return both;
    },
    addScaled: (sum, v, factor) =>
      lowering.addScaled?.(b, sum, v, factor) ?? b.op('Add', [sum, b.op('Mul', [v, b.f32(factor)])]),
    shared: (of, what, make) => {
      const key = `${of.name} ${what}`;
      const value = made.get(key) ?? make();
      made.set(key, value);
      return value;
    },
  };
}
