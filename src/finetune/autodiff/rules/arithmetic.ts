/**
 * Elementwise operators with numpy broadcasting; the walker sums each gradient to its operand's shape.
 *   Add: dA = dB = dY.   Sub: dA = dY, dB = −dY.   Mul: dA = dY·B, dB = dY·A.
 *   Div: dA = dY/B, dB = −dY·Y/B.   Sum: dY for each operand.   Neg: −dY.
 *   Sqrt: dY/(2Y).   Exp: dY·Y.   Reciprocal: −dY·Y².
 */
import type { Value } from '../../../onnx/index.js';
import type { GradientContext } from '../rule.js';

type Gradients = readonly (Value | undefined)[];

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
