/**
 * Einsum: y[out labels] = Σ over the other labels of Π operands. Explicit loops over all labels; `...` stands for
 * broadcast axes, a label repeated within an operand for its diagonal. Without `->`, labels seen once, in order.
 */
import { sizeOf } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { stridedIndices, stridesOf } from '../strides.js';
import { zeros } from '../tensor.js';

export const einsum: RefRule = (call) => {
  const operands = call.inputs.map((_, i) => call.real(i));
  const equation = call.node.string('equation', '').replaceAll(' ', '');
  const [left, right] = equation.split('->');
  const terms = left.split(',');
  if (terms.length !== operands.length)
    call.fail('attribute equation', `${operands.length} terms, one per input`, `'${equation}'`);
  const lists = terms.map((term, i) => labelsOf(call, term, operands[i].dims.length));
  const wide = Math.max(0, ...lists.map((l) => l.filter((x) => x.startsWith('.')).length));

  const size = new Map<string, number>();
  for (const [i, labels] of lists.entries())
    for (const [axis, label] of labels.entries()) {
      const n = operands[i].dims[axis];
      const known = size.get(label);
      if (known !== undefined && known !== n && known !== 1 && n !== 1)
        call.fail(`label ${label}`, `${known}`, `${n} in term ${i}`);
      size.set(label, known === undefined || known === 1 ? n : known);
    }
  const output =
    right === undefined
      ? implicitOutput(lists, wide)
      : labelsOf(call, right, [...right.replace('...', '')].length + (right.includes('...') ? wide : 0));
  const unknown = output.find((l) => !size.has(l));
  if (unknown !== undefined) call.fail('attribute equation', 'output labels that an input has', unknown);

  const summed = [...size.keys()].filter((l) => !output.includes(l));
  const lengths = (labels: readonly string[]): number[] => labels.map((l) => size.get(l) ?? 1);
  const strideOf = (i: number, label: string): number => {
    const strides = stridesOf(operands[i].dims);
    return lists[i].reduce(
      (s, l, axis) => (l === label && operands[i].dims[axis] !== 1 ? s + strides[axis] : s),
      0,
    );
  };
  const places = operands.map((_, i) => ({
    outer: stridedIndices(
      lengths(output),
      output.map((l) => strideOf(i, l)),
    ),
    inner: stridedIndices(
      lengths(summed),
      summed.map((l) => strideOf(i, l)),
    ),
  }));
  const y = zeros(operands[0].dataType, lengths(output));
  const count = sizeOf(lengths(summed));
  for (let o = 0; o < y.data.length; o++) {
    let sum = 0;
    for (let s = 0; s < count; s++) {
      let product = 1;
      for (let i = 0; i < operands.length; i++)
        product *= operands[i].data[places[i].outer[o] + places[i].inner[s]];
      sum += product;
    }
    y.data[o] = sum;
  }
  return [y];
};

/** One label per axis; the axes of `...` are `.0` (the last one), `.1`, … so that they align at the right. */
function labelsOf(call: Call, term: string, rank: number): string[] {
  const [before, after] = term.split('...');
  const letters = [...before, ...(after ?? '')];
  const wide = rank - letters.length;
  if (letters.some((l) => !/[A-Za-z]/.test(l)) || wide < 0 || (after === undefined && wide !== 0))
    call.fail('attribute equation', `a term for rank ${rank}`, `'${term}'`);
  if (after === undefined) return letters;
  return [...before, ...Array.from({ length: wide }, (_, i) => `.${wide - 1 - i}`), ...after];
}

function implicitOutput(lists: readonly (readonly string[])[], wide: number): string[] {
  const all = lists.flat().filter((l) => !l.startsWith('.'));
  const once = [...new Set(all)].filter((l) => all.indexOf(l) === all.lastIndexOf(l)).sort();
  return [...Array.from({ length: wide }, (_, i) => `.${wide - 1 - i}`), ...once];
}
