import type { Value } from '../../onnx/index.js';
import { descend, type StepContext, type UpdateRule, withDecay } from './optimizer.js';
import { firstUpdate } from './updates.js';

export interface SgdOptions {
  /** μ, 0 ≤ μ < 1; 0 keeps no slot. */
  readonly momentum: number;
  /** Needs momentum and no dampening. */
  readonly nesterov: boolean;
  /** d, 0 ≤ d < 1; default 0. */
  readonly dampening?: number;
}

/**
 * SGD as torch.optim.SGD (Sutskever et al. 2013 for Nesterov):
 *   g ← g + λ·p;  v ← μ·v + (1 − d)·g, at the first update v ← g;  p ← p − η·(nesterov ? g + μ·v : v).
 */
export function sgd({ momentum, nesterov, dampening = 0 }: SgdOptions, context: StepContext): UpdateRule {
  const { b, pace } = context;
  // v starts at 0: without dampening the first v is the first gradient by itself.
  const add =
    momentum === 0 || dampening === 0
      ? 1
      : b.op('Where', [firstUpdate(context), b.f32(1), b.f32(1 - dampening)]);
  return (update) => {
    const g = withDecay(context, update);
    if (momentum === 0) return descend(b, update, g);
    const v = update.slot('momentum', (before) => pace.blend(before, momentum, g, add));
    const ahead = (): Value => b.op('Add', [g, b.op('Mul', [v, b.f32(momentum)])]);
    return descend(b, update, nesterov ? ahead() : v);
  };
}
