/**
 * Smooth activations; σ is the logistic function.
 *   Softplus: Y = ln(1 + e^X), dX = dY·σ(X).   Softsign: Y = X/(1 + |X|), dX = dY/(1 + |X|)².
 *   Mish (arXiv 1908.08681): Y = X·T, T = tanh(softplus(X)): dX = dY·(T + X·σ(X)·(1 − T²)).
 *   Erf: dX = dY·2/√π·e^(−X²).
 *   Gelu (arXiv 1606.08415): Y = X·Φ(X), Φ(X) = (1 + erf(X/√2))/2: dX = dY·(Φ(X) + X·e^(−X²/2)/√(2π)).
 *   Gelu, tanh: Y = X/2·(1 + T), T = tanh(U), U = k·(X + 0.044715·X³), k = √(2/π):
 *     dX = dY·((1 + T)/2 + X/2·(1 − T²)·U′), U′ = k·(1 + 0.134145·X²).
 */
import type { GraphBuilder, Value } from '../../../onnx/index.js';
import { geluIsTanh } from '../../../onnx/ops/index.js';
import type { GradientContext, Gradients } from '../rule.js';

export function softplusGradient({ b, node, dy }: GradientContext): Gradients {
  return [b.op('Mul', [dy, b.op('Sigmoid', [node.input(0)])])];
}

export function softsignGradient({ b, node, dy }: GradientContext): Gradients {
  const root = b.op('Add', [b.op('Abs', [node.input(0)]), b.f32(1)]);
  return [b.op('Div', [b.op('Div', [dy, root]), root])];
}

export function mishGradient({ b, node, dy }: GradientContext): Gradients {
  const x = node.input(0);
  const t = b.op('Tanh', [b.op('Softplus', [x])]);
  const bend = b.op('Mul', [b.op('Mul', [x, b.op('Sigmoid', [x])]), oneMinusSquare(b, t)]);
  return [b.op('Mul', [dy, b.op('Add', [t, bend])])];
}

export function erfGradient({ b, node, dy }: GradientContext): Gradients {
  const x = node.input(0);
  const bell = b.op('Exp', [b.op('Neg', [b.op('Mul', [x, x])])]);
  return [b.op('Mul', [dy, b.op('Mul', [bell, b.f32(2 / Math.sqrt(Math.PI))])])];
}

export function geluGradient(c: GradientContext): Gradients {
  return [c.b.op('Mul', [c.dy, geluIsTanh(c.node) ? tanhGeluSlope(c) : geluSlope(c)])];
}

function geluSlope({ b, node }: GradientContext): Value {
  const x = node.input(0);
  const erf = b.op('Erf', [b.op('Mul', [x, b.f32(Math.SQRT1_2)])]);
  const phi = b.op('Mul', [b.op('Add', [erf, b.f32(1)]), b.f32(0.5)]);
  const bell = b.op('Exp', [b.op('Mul', [b.op('Mul', [x, x]), b.f32(-0.5)])]);
  const density = b.op('Mul', [bell, b.f32(1 / Math.sqrt(2 * Math.PI))]);
  return b.op('Add', [phi, b.op('Mul', [x, density])]);
}

function tanhGeluSlope({ b, node }: GradientContext): Value {
  const k = Math.sqrt(2 / Math.PI);
  const x = node.input(0);
  const square = b.op('Mul', [x, x]);
  // U = X·(k + 0.044715·k·X²)
  const inner = b.op('Add', [b.op('Mul', [square, b.f32(0.044715 * k)]), b.f32(k)]);
  const t = b.op('Tanh', [b.op('Mul', [x, inner])]);
  const half = b.op('Mul', [b.op('Add', [t, b.f32(1)]), b.f32(0.5)]);
  const slope = b.op('Add', [b.op('Mul', [square, b.f32(3 * 0.044715 * k * 0.5)]), b.f32(k * 0.5)]);
  const bend = b.op('Mul', [b.op('Mul', [x, slope]), oneMinusSquare(b, t)]);
  return b.op('Add', [half, bend]);
}

function oneMinusSquare(b: GraphBuilder, v: Value): Value {
  return b.op('Sub', [b.f32(1), b.op('Mul', [v, v])]);
}
