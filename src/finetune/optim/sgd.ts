import type { StepContext, UpdateRule } from './optimizer.js';

export interface SgdOptions {
  readonly momentum: number;
  readonly nesterov: boolean;
}

/**
 * SGD as torch.optim.SGD without dampening (Sutskever et al. 2013 for Nesterov):
 *   g ← g + λ·p;  v ← μ·v + g;  p ← p − η·(nesterov ? g + μ·v : v).
 * v starts at 0, which makes the first v the first gradient, as torch's.
 */
export function sgd({ momentum, nesterov }: SgdOptions, { b, pace }: StepContext): UpdateRule {
  return ({ parameter, gradient, lr, weightDecay, slot }) => {
    const g =
      weightDecay === 0 ? gradient : b.op('Add', [gradient, b.op('Mul', [parameter, b.f32(weightDecay)])]);
    const descend = (direction: ReturnType<UpdateRule>): ReturnType<UpdateRule> =>
      b.op('Sub', [parameter, b.op('Mul', [direction, lr])], {}, { name: 'next' });
    if (momentum === 0) return descend(g);
    const v = slot('momentum', (before) => pace.blend(before, momentum, g, 1));
    return descend(nesterov ? b.op('Add', [g, b.op('Mul', [v, b.f32(momentum)])]) : v);
  };
}
