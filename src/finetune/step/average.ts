import { firstUpdate, updatesBefore } from '../optim/updates.js';
import type { OpenContext } from './context.js';
import { isWeight, type StateUpdate, stateInput, updated } from './state.js';
import { apart, endToEnd, mapTogether } from './together.js';

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
  context: OpenContext,
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
  const weights = updates.filter(isWeight);
  const about = ({ initial }: StateUpdate): { size: number; key: string } => ({
    size: initial.size,
    key: '',
  });
  return mapTogether(weights, context.together, about, (group) =>
    b.scope(group.length === 1 ? group[0].name : 'average', () => {
      const states = group.map((weight) => stateInput(b, { ...weight, kind: 'average' }));
      const before = endToEnd(b, states, (s) => s.value);
      const now = endToEnd(b, group, (weight) => weight.next);
      const sizes = group.map(({ initial }) => initial.size);
      return apart(b, pace.blend(before, keep, now, add), sizes).map((v, i) => updated(states[i], v));
    }),
  );
}
