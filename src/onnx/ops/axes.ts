/**
 * Axes and other small integer lists that moved from attributes to inputs over the opsets. A reader looks at the
 * attribute first, then at the input: a node holds only one of them, whichever opset it is in.
 */
import { ModelError } from '../../base/errors.js';
import { bfloat16ToNumber, float16ToNumber } from '../../base/half.js';
import type { Node } from '../ir/node.js';
import type { Tensor } from '../ir/tensor.js';
import type { Value } from '../ir/value.js';
import { constantValue } from './constant.js';
import { refuse } from './fail.js';

/** Finds the tensor a value holds, where it is known. */
export type ConstantOf = (value: Value) => Tensor | undefined;

/** The initializer that no caller can override, or what a Constant node holds. */
export const constantOf: ConstantOf = (value) =>
  value.constant ?? (value.producer?.opType === 'Constant' ? constantValue(value.producer) : undefined);

/**
 * The numbers of a small tensor; int64 become numbers (the spec's INT64_MAX stays larger than any dimension).
 * @throws ModelError for element types that hold no plain numbers (strings, 4- and 8-bit floats, complex)
 */
export function numbersOf(tensor: Tensor): number[] {
  const list = Array.from<number | bigint, number>(tensor.typed(), Number);
  if (tensor.dataType === 'float16') return list.map(float16ToNumber);
  if (tensor.dataType === 'bfloat16') return list.map(bfloat16ToNumber);
  if (list.length !== tensor.size || tensor.dataType.startsWith('float8'))
    throw new ModelError({
      problem: `a constant of type ${tensor.dataType}`,
      expected: 'plain numbers',
      found: tensor.dataType,
    });
  return list;
}

/**
 * The integers of attribute `name`, else of input `index`. `absent`: neither is there, the operator's default applies.
 * Undefined: the input is no constant.
 */
export function intsOf(
  node: Node,
  name: string,
  index: number,
  known: ConstantOf = constantOf,
): readonly number[] | 'absent' | undefined {
  const attribute = node.ints(name);
  if (attribute) return attribute;
  const input = node.inputs[index];
  if (!input) return 'absent';
  const tensor = known(input);
  return tensor && numbersOf(tensor);
}

/**
 * The axes of Reduce*, Squeeze or Unsqueeze as written (they may be negative). `absent`: the operator's default, all
 * axes or those of size 1.
 */
export function axesOf(node: Node, known?: ConstantOf): readonly number[] | 'absent' | undefined {
  return intsOf(node, 'axes', 1, known);
}

/** Brings an axis into 0..rank-1. @throws ModelError outside -rank..rank-1 */
export function normalizeAxis(node: Node, axis: number, rank: number, name = 'axis'): number {
  if (!Number.isInteger(axis) || axis < -rank || axis >= rank)
    refuse(node, name, `-${rank} to ${rank - 1} for an input of rank ${rank}`, `${axis}`);
  return axis < 0 ? axis + rank : axis;
}

/** {@link normalizeAxis} over a list, in the list's order. @throws ModelError when an axis stands there twice */
export function normalizeAxes(node: Node, axes: readonly number[], rank: number, name = 'axes'): number[] {
  const list = axes.map((a) => normalizeAxis(node, a, rank, name));
  if (new Set(list).size !== list.length) refuse(node, name, 'each axis once', `[${axes}]`);
  return list;
}
