/** Einsum: explicit (`ij,jk->ik`) and implicit form, with one ellipsis per term. */
import type { Dim } from '../../ir/types.js';
import { showDims } from '../../ops/fail.js';
import { type InferRule, typed } from '../context.js';
import { broadcast, meetDim, type Shape } from '../dims.js';

export const einsum: InferRule = (c) => {
  const equation = c.node.string('equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->');
  const terms = left.split(',');
  if (terms.length !== c.node.inputs.length)
    c.refuse('attribute equation', `${c.node.inputs.length} terms, one per input`, `'${equation}'`);
  const sizes = new Map<string, Dim>();
  const count = new Map<string, number>();
  let ellipsis: Shape = [];
  for (let i = 0; i < terms.length; i++) {
    const x = c.shape(i);
    if (!x) return [typed(c.dataType(0), undefined)];
    const [head, tail] = terms[i].split('...');
    const letters = [...head, ...(tail ?? '')];
    const free = x.length - letters.length;
    if (free < 0 || (tail === undefined && free !== 0))
      c.refuse(`input ${i}`, `the axes '${terms[i]}'`, showDims(x));
    if (tail !== undefined) ellipsis = broadcast(c.node, ellipsis, x.slice(head.length, head.length + free));
    letters.forEach((letter, k) => {
      const d = x[k < head.length ? k : k + free];
      const before = sizes.get(letter);
      const both = before === undefined || before === 1 ? d : d === 1 ? before : meetDim(before, d);
      if (both === 'clash') c.refuse(`axis '${letter}'`, `${before}`, `${d}`);
      sizes.set(letter, both);
      count.set(letter, (count.get(letter) ?? 0) + 1);
    });
  }
  const output =
    right ??
    `...${[...sizes.keys()]
      .filter((l) => count.get(l) === 1)
      .sort()
      .join('')}`;
  const shape: Dim[] = [];
  for (let i = 0; i < output.length; i++) {
    if (output.startsWith('...', i)) {
      shape.push(...ellipsis);
      i += 2;
    } else {
      const d = sizes.get(output[i]);
      if (d === undefined) c.refuse('attribute equation', 'output axes that an input has', `'${equation}'`);
      shape.push(d ?? null);
    }
  }
  return [typed(c.dataType(0), shape)];
};
