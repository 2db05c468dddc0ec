/**
 * Einsum: Y[out] = Σ over the other letters of Π operands. The gradient by one operand is the Einsum of dY and the other
 * operands to its letters; a letter that it alone has was summed, and dX is the same along it.
 * Letters repeated in one operand (diagonals) and `...` are refused.
 */
import { UnsupportedError } from '../../../base/errors.js';
import type { GradientContext, Gradients } from '../rule.js';
import { spreadTo } from './sums.js';

export function einsumGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const { terms, output } = parse(c);
  return terms.map((term, i) => {
    if (!c.needs(i)) return undefined;
    const others = terms.filter((_, k) => k !== i);
    const operands = node.inputs.filter((_, k) => k !== i);
    const rest = [output, ...others].join('');
    const kept = [...term].filter((letter) => rest.includes(letter)).join('');
    const equation = `${[output, ...others].join(',')}->${kept}`;
    const gradient = b.op('Einsum', [dy, ...operands], { equation });
    if (kept.length === term.length) return gradient;
    const dims = c.shape(node.input(i));
    const ones = dims.map((d, axis) => (rest.includes(term[axis]) ? d : 1));
    return spreadTo(b, b.op('Reshape', [gradient, b.i64(ones)]), dims, 1);
  });
}

function parse({ node }: GradientContext): { readonly terms: readonly string[]; readonly output: string } {
  const equation = node.string('equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->');
  const terms = left.split(',');
  if (equation.includes('.') || terms.some((t) => new Set(t).size !== t.length))
    throw new UnsupportedError({
      problem: `${node.describe()}: no gradient for the equation '${equation}'`,
      expected: 'letters, each once in an operand',
    });
  const all = terms.join('');
  const once = [...new Set(all)].filter((letter) => all.indexOf(letter) === all.lastIndexOf(letter));
  return { terms, output: right ?? once.sort().join('') };
}
