/**
 * Activations in pieces of X, with torch's choice on the kinks. P is 1 where X > 0, else 0.
 *   Abs: dX = dY·sign(X), 0 at 0.
 *   LeakyRelu: dX = dY·(P + α·(1 − P)), so α at 0.
 *   PRelu: dX = dY·(P + S·(1 − P)), dS = dY·min(X, 0), which the walker sums to the slope's shape.
 *   ThresholdedRelu: dX = dY where X > α, 0 at α and below.
 *   Elu: Y = X, or α·(e^X − 1) below 0: dX = dY·(α·E + (1 − α)·P) with E = e^min(X, 0), which is 1 above 0; α at 0.
 *   Selu: Y = γ·X, or γ·α·(e^X − 1) below 0: dX = dY·(γ·α·E + (γ − γ·α)·P); γ·α at 0.
 *   Celu (smooth at 0): dX = dY·e^(min(X, 0)/α).
 */
import type { GraphBuilder, Value } from '../../../onnx/index.js';
import { alphaOf, seluAttributes } from '../../../onnx/ops/index.js';
import type { GradientContext, Gradients } from '../rule.js';
import { indicator, positive } from './masks.js';

export function absGradient({ b, node, dy }: GradientContext): Gradients {
  const x = node.input(0);
  const below = indicator(b, b.op('Less', [x, b.f32(0)]));
  return [b.op('Mul', [dy, b.op('Sub', [positive(b, x), below])])];
}

export function leakyReluGradient({ b, node, dy }: GradientContext): Gradients {
  const alpha = alphaOf(node);
  const slope = plus(b, times(b, positive(b, node.input(0)), 1 - alpha), alpha);
  return [b.op('Mul', [dy, slope])];
}

export function pReluGradient({ b, node, dy, needs }: GradientContext): Gradients {
  const [x, slope] = [node.input(0), node.input(1)];
  const dx = (): Value => {
    const rest = indicator(b, b.op('LessOrEqual', [x, b.f32(0)]));
    return b.op('Mul', [dy, b.op('Add', [positive(b, x), b.op('Mul', [rest, slope])])]);
  };
  return [needs(0) ? dx() : undefined, needs(1) ? b.op('Mul', [dy, b.op('Min', [x, b.f32(0)])]) : undefined];
}

export function thresholdedReluGradient({ b, node, dy }: GradientContext): Gradients {
  const above = b.op('Greater', [node.input(0), b.f32(alphaOf(node))]);
  return [b.op('Mul', [dy, indicator(b, above)])];
}

export function eluGradient(c: GradientContext): Gradients {
  return [exponentialBelow(c, alphaOf(c.node), 1)];
}

export function seluGradient(c: GradientContext): Gradients {
  const { alpha, gamma } = seluAttributes(c.node);
  return [exponentialBelow(c, alpha * gamma, gamma)];
}

export function celuGradient({ b, node, dy }: GradientContext): Gradients {
  const scaled = times(b, b.op('Min', [node.input(0), b.f32(0)]), 1 / alphaOf(node));
  return [b.op('Mul', [dy, b.op('Exp', [scaled])])];
}

/** dY·(below·e^X) up to 0, dY·above from there on. */
function exponentialBelow({ b, node, dy }: GradientContext, below: number, above: number): Value {
  const x = node.input(0);
  const decay = times(b, b.op('Exp', [b.op('Min', [x, b.f32(0)])]), below);
  const slope = below === above ? decay : b.op('Add', [decay, times(b, positive(b, x), above - below)]);
  return b.op('Mul', [dy, slope]);
}

function times(b: GraphBuilder, v: Value, factor: number): Value {
  return factor === 1 ? v : b.op('Mul', [v, b.f32(factor)]);
}

function plus(b: GraphBuilder, v: Value, shift: number): Value {
  return shift === 0 ? v : b.op('Add', [v, b.f32(shift)]);
}
