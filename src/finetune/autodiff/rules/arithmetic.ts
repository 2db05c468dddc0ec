/**
 * Elementwise operators with numpy broadcasting; the walker sums each gradient to its operand's shape.
 *   Add: dA = dB = dY.   Sub: dA = dY, dB = −dY.   Mul: dA = dY·B, dB = dY·A.
 *   Div: dA = dY/B, dB = −dY·Y/B.   Sum: dY for each operand.   Mean of n: dY/n for each.   Neg: −dY.
 *   Sqrt: dY/(2Y).   Exp: dY·Y.   Log: dY/X.   Reciprocal: −dY·Y².   Sin: dY·cos X.   Cos: −dY·sin X.
 *   Pow, Y = X^E: dX = dY·E·X^(E−1);  dE = dY·Y·ln X, 0 where X = 0 (torch, for E ≥ 0).
 */
import { numbersOf, type Value } from '../../../onnx/index.js';
import type { GradientContext, Gradients } from '../rule.js';
import { indicator } from './masks.js';

export function addGradient({ dy }: GradientContext): Gradients {
  return [dy, dy];
}

export function subGradient({ b, dy, needs }: GradientContext): Gradients {
  return [dy, needs(1) ? b.op('Neg', [dy]) : undefined];
}

export function mulGradient({ b, node, dy, needs }: GradientContext): Gradients {
  return [
    needs(0) ? b.op('Mul', [dy, node.input(1)]) : undefined,
    needs(1) ? b.op('Mul', [dy, node.input(0)]) : undefined,
  ];
}

export function divGradient({ b, node, dy, needs }: GradientContext): Gradients {
  const divisor = node.input(1);
  const da = b.op('Div', [dy, divisor]);
  return [da, needs(1) ? b.op('Neg', [b.op('Mul', [da, node.output()])]) : undefined];
}

export function sumGradient({ node, dy }: GradientContext): Gradients {
  return node.inputs.map(() => dy);
}

export function meanGradient({ b, node, dy }: GradientContext): Gradients {
  const share = b.op('Mul', [dy, b.f32(1 / node.inputs.length)]);
  return node.inputs.map(() => share);
}

export function negGradient({ b, dy }: GradientContext): Gradients {
  return [b.op('Neg', [dy])];
}

export function sqrtGradient({ b, node, dy }: GradientContext): Gradients {
  return [b.op('Div', [b.op('Mul', [dy, b.f32(0.5)]), node.output()])];
}

export function expGradient({ b, node, dy }: GradientContext): Gradients {
  return [b.op('Mul', [dy, node.output()])];
}

export function reciprocalGradient({ b, node, dy }: GradientContext): Gradients {
  const y = node.output();
  return [b.op('Neg', [b.op('Mul', [dy, b.op('Mul', [y, y])])])];
}

export function logGradient({ b, node, dy }: GradientContext): Gradients {
  return [b.op('Div', [dy, node.input(0)])];
}

export function sinGradient({ b, node, dy }: GradientContext): Gradients {
  return [b.op('Mul', [dy, b.op('Cos', [node.input(0)])])];
}

export function cosGradient({ b, node, dy }: GradientContext): Gradients {
  return [b.op('Neg', [b.op('Mul', [dy, b.op('Sin', [node.input(0)])])])];
}

export function powGradient(c: GradientContext): Gradients {
  const { b, node, dy, needs } = c;
  const dexponent = (): Value => {
    const x = node.input(0);
    const safe = b.op('Add', [x, indicator(b, b.op('Equal', [x, b.f32(0)]))]);
    return b.op('Mul', [dy, b.op('Mul', [node.output(), b.op('Log', [safe])])]);
  };
  return [needs(0) ? b.op('Mul', [dy, powSlope(c)]) : undefined, needs(1) ? dexponent() : undefined];
}

/** E·X^(E−1), and 0 for E = 0 also where X is 0. A constant exponent may be an integer; most are 2. */
function powSlope({ b, node }: GradientContext): Value {
  const [x, exponent] = [node.input(0), node.input(1)];
  const constant = exponent.constant && numbersOf(exponent.constant);
  if (!constant) {
    const step = indicator(b, b.op('Not', [b.op('Equal', [exponent, b.f32(0)])]));
    return b.op('Mul', [exponent, b.op('Pow', [x, b.op('Sub', [exponent, step])])]);
  }
  const tensor = (of: (e: number) => number): Value => b.f32(constant.map(of), exponent.constant?.dims);
  if (constant.every((e) => e === 2)) return b.op('Mul', [x, tensor((e) => e)]);
  const power = b.op('Pow', [x, tensor((e) => (e === 0 ? 0 : e - 1))]);
  return b.op('Mul', [power, tensor((e) => e)]);
}
