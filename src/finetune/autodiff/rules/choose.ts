/**
 * Operators that hand one of their operands through, element by element.
 *   Max, Min: dX_i = dY·[X_i = Y]/k where k operands are equal to Y: ties share evenly (torch.maximum and minimum give
 *   each of two equal operands a half).
 *   Where: dA = dY where the condition holds, dB = dY where it does not; the condition gets none.
 */
import type { GradientContext, Gradients } from '../rule.js';
import { indicator } from './masks.js';

export function extremumGradient({ b, node, dy, needs }: GradientContext): Gradients {
  const { inputs } = node;
  if (inputs.length === 1) return [dy];
  const y = node.output();
  const hits = inputs.map((_, i) => indicator(b, b.op('Equal', [node.input(i), y])));
  const count = hits.reduce((sum, hit) => b.op('Add', [sum, hit]));
  const share = b.op('Div', [dy, count]);
  return hits.map((hit, i) => (needs(i) ? b.op('Mul', [share, hit]) : undefined));
}

export function whereGradient({ b, node, dy, needs }: GradientContext): Gradients {
  const condition = node.input(0);
  return [
    undefined,
    needs(1) ? b.op('Mul', [dy, indicator(b, condition)]) : undefined,
    needs(2) ? b.op('Mul', [dy, indicator(b, b.op('Not', [condition]))]) : undefined,
  ];
}
