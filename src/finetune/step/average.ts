import type { StepContext } from '../optim/optimizer.js';
import { firstUpdate, updatesBefore } from '../optim/updates.js';
import { isWeight, type StateUpdate, stateInput, updated } from './state.js';

export interface AverageOptions {
  /** d, 0 ≤ d < 1. */
  readonly decay: number;
  /** The decay grows with the number of updates t as 1 − t^(−2/3), up to d. */
  readonly warmup: boolean;
}

/**
 * An exponential moving average of all weights, running statistics too, as timm's ModelEmaV3:
 *   e ← d·e + (1 − d)·p   after each update, with the new p; the first update copies p, so e is never biased to where
 *   training began.
 * With `warmup`, d at update t is min(d, 1 − t^(−2/3)).
 */
export function averageWeights(
  context: StepContext,
  updates: readonly StateUpdate[],
  { decay, warmup }: AverageOptions,
): StateUpdate[] {
  const { b, pace } = context;
  const keep = b.scope('average', () => {
    if (!warmup) return b.op('Where', [firstUpdate(context), b.f32(0), b.f32(decay)]);
    const t = b.op('Add', [updatesBefore(context), b.f32(1)]);
    const grown = b.op('Sub', [b.f32(1), b.op('Pow', [t, b.f32(-2 / 3)])]);
    return b.op('Min', [grown, b.f32(decay)]);
  });
  const add = b.scope('average', () => b.op('Sub', [b.f32(1), keep]));
  return updates.filter(isWeight).map((weight) =>
    b.scope(weight.name, () => {
      const state = stateInput(b, { ...weight, kind: 'average' });
      return updated(state, pace.blend(state.value, keep, weight.next, add));
    }),
  );
}
