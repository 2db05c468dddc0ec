import type { Value } from '../../onnx/index.js';
import { descend, type ParameterUpdate, type StepContext, type UpdateRule, withDecay } from './optimizer.js';

export interface AdamOptions {
  /** β₁ and β₂, 0 ≤ β < 1. */
  readonly betas: readonly [number, number];
  /** ε > 0. */
  readonly epsilon: number;
}

/**
 * Adam (Kingma & Ba 2015, arXiv 1412.6980) as torch.optim.Adam; weight decay is part of the gradient:
 *   g ← g + λ·p;  m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;
 *   p ← p − η·(m / c₁) / (√(v / c₂) + ε),   cᵢ = 1 − βᵢᵗ after t updates.
 * c obeys c ← β·c + (1 − β) from 0, the recurrence of m and v for a constant 1, and is kept so: the corrected moments
 * are exact weighted means whatever β rounds to, and no step count has to be fed.
 */
export function adam(options: AdamOptions, context: StepContext): UpdateRule {
  const step = moments(options, context);
  return (update) => step(update, withDecay(context, update), update.parameter);
}

/**
 * AdamW (Loshchilov & Hutter 2019, arXiv 1711.05101) as torch.optim.AdamW: {@link adam} on the bare gradient, and
 * p ← p·(1 − η·λ) before it.
 */
export function adamW(options: AdamOptions, context: StepContext): UpdateRule {
  const { b, shared } = context;
  const step = moments(options, context);
  return (update) => {
    const { parameter, gradient, lr, weightDecay } = update;
    if (weightDecay === 0) return step(update, gradient, parameter);
    const left = shared(lr, `1 - lr*${weightDecay}`, () =>
      b.op('Sub', [b.f32(1), b.op('Mul', [lr, b.f32(weightDecay)])]),
    );
    return step(update, gradient, b.op('Mul', [parameter, left]));
  };
}

type MomentStep = (update: ParameterUpdate, gradient: Value, from: Value) => Value;

/** from − η·(m / c₁) / (√(v / c₂) + ε). */
function moments({ betas, epsilon }: AdamOptions, { b, pace, scalar, shared }: StepContext): MomentStep {
  const [mean, square] = betas;
  const correction = (name: string, beta: number): Value =>
    scalar(name, 'correction', (c) => b.op('Add', [b.op('Mul', [c, b.f32(beta)]), b.f32(1 - beta)])).after;
  const c1 = correction('adam/mean', mean);
  const root = b.op('Reciprocal', [b.op('Sqrt', [correction('adam/square', square)])]);
  return ({ lr, slot }, gradient, from) => {
    const m = slot('mean', (before) => pace.blend(before, mean, gradient, 1 - mean));
    const g2 = b.op('Mul', [gradient, gradient]);
    const v = slot('square', (before) => pace.blend(before, square, g2, 1 - square));
    const scale = b.op('Add', [b.op('Mul', [b.op('Sqrt', [v]), root]), b.f32(epsilon)]);
    const rate = shared(lr, 'lr / c1', () => b.op('Div', [lr, c1]));
    return descend(b, { parameter: from, lr: rate }, b.op('Div', [m, scale]));
  };
}
