import { descend, type StepContext, type UpdateRule, withDecay } from './optimizer.js';

export interface RmspropOptions {
  /** α, how much of the average of squares stays, 0 ≤ α < 1. */
  readonly alpha: number;
  /** ε > 0. */
  readonly epsilon: number;
  /** μ, 0 ≤ μ < 1; 0 keeps no momentum. */
  readonly momentum: number;
  /** torch: as torch.optim.RMSprop; tensorflow: as tf.compat.v1.train.RMSPropOptimizer and timm's rmsproptf. */
  readonly style: 'torch' | 'tensorflow';
}

/**
 * RMSprop (Hinton, Coursera 2012, lecture 6e); weight decay is part of the gradient:
 *   g ← g + λ·p;  v ← α·v + (1 − α)·g²;
 *   torch:       u ← μ·u + g / (√v + ε);      p ← p − η·u;   v starts at 0
 *   tensorflow:  u ← μ·u + η·g / √(v + ε);    p ← p − u;     v starts at 1
 * The second is what MobileNet, EfficientNet and MnasNet were trained with: with their ε of 0.001 to 1 the two differ
 * much. (Keras 3 has its rule with v from 0.)
 */
export function rmsprop(
  { alpha, epsilon, momentum, style }: RmspropOptions,
  context: StepContext,
): UpdateRule {
  const { b, pace } = context;
  const inside = style === 'tensorflow';
  return (update) => {
    const { parameter, lr, slot } = update;
    const g = withDecay(context, update);
    const g2 = b.op('Mul', [g, g]);
    const v = slot('square', (before) => pace.blend(before, alpha, g2, 1 - alpha), inside ? 1 : 0);
    const scale = inside
      ? b.op('Sqrt', [b.op('Add', [v, b.f32(epsilon)])])
      : b.op('Add', [b.op('Sqrt', [v]), b.f32(epsilon)]);
    const step = b.op('Div', [g, scale]);
    if (momentum === 0) return descend(b, update, step);
    if (!inside)
      return descend(
        b,
        update,
        slot('momentum', (before) => pace.blend(before, momentum, step, 1)),
      );
    const u = slot('momentum', (before) => pace.blend(before, momentum, b.op('Mul', [step, lr]), 1));
    // The rate of earlier steps is in u: a step that only accumulates has to leave it out.
    return b.op('Sub', [parameter, pace.only(u)], {}, { name: 'next' });
  };
}
