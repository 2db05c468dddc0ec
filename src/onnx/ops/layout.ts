/** Attributes of operators that move, cut, pad or resample data, with the defaults of the specification. */
import { type DataType, dataTypeOf } from '../ir/dtype.js';
import type { Node } from '../ir/node.js';
import { type ConstantOf, constantOf, intsOf, normalizeAxes, normalizeAxis, numbersOf } from './axes.js';
import { refuse } from './fail.js';

/** Transpose: output axis i is input axis perm[i]; reversed when the attribute is absent. */
export function transposePerm(node: Node, rank: number): readonly number[] {
  const perm = node.ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  if (perm.length !== rank || new Set(perm).size !== rank || perm.some((p) => p < 0 || p >= rank))
    refuse(node, 'attribute perm', `a permutation of ${rank} axes`, `[${perm}]`);
  return perm;
}

/** Concat: the axis, which has no default. */
export function concatAxis(node: Node, rank: number): number {
  if (!node.attributes.has('axis')) refuse(node, 'attribute axis', 'a number', 'none');
  return normalizeAxis(node, node.int('axis', 0), rank);
}

/** One cut axis of a Slice, as written: `start` and `end` may be negative or beyond the axis. */
export interface SliceAxis {
  readonly axis: number;
  readonly start: number;
  readonly end: number;
  readonly step: number;
}

/**
 * Slice: attributes up to opset 9, inputs starts, ends, axes, steps from 10. Undefined: one of them is no constant.
 * Axes are brought into 0..rank-1.
 */
export function sliceAxes(node: Node, rank: number, known: ConstantOf = constantOf): SliceAxis[] | undefined {
  const starts = intsOf(node, 'starts', 1, known);
  const ends = intsOf(node, 'ends', 2, known);
  const axes = intsOf(node, 'axes', 3, known);
  const steps = intsOf(node, 'steps', 4, known);
  if (!starts || !ends || !axes || !steps) return undefined;
  if (starts === 'absent' || ends === 'absent') return refuse(node, 'starts and ends', 'both', 'none');
  const list = axes === 'absent' ? starts.map((_, i) => i) : axes;
  if (ends.length !== starts.length || list.length !== starts.length)
    refuse(
      node,
      'starts, ends and axes',
      'lists of one length',
      `${starts.length}, ${ends.length}, ${list.length}`,
    );
  if (steps !== 'absent' && steps.length !== starts.length)
    refuse(node, 'steps', `${starts.length} numbers`, `${steps.length}`);
  return normalizeAxes(node, list, rank).map((axis, i) => {
    const step = steps === 'absent' ? 1 : steps[i];
    if (step === 0) refuse(node, 'steps', 'no 0', `[${steps}]`);
    return { axis, start: starts[i], end: ends[i], step };
  });
}

/** First index, and how many, that a slice takes from an axis of `dim` entries. */
export function sliceRange(s: SliceAxis, dim: number): { readonly start: number; readonly count: number } {
  const clamp = (v: number, low: number, high: number): number => Math.min(Math.max(v, low), high);
  const start = s.start < 0 ? s.start + dim : s.start;
  const end = s.end < 0 ? s.end + dim : s.end;
  if (s.step > 0) {
    const from = clamp(start, 0, dim);
    return { start: from, count: Math.max(0, Math.ceil((clamp(end, 0, dim) - from) / s.step)) };
  }
  const from = clamp(start, 0, dim - 1);
  return { start: from, count: Math.max(0, Math.ceil((clamp(end, -1, dim - 1) - from) / s.step)) };
}

export type PadMode = 'constant' | 'reflect' | 'edge' | 'wrap';

export interface PadAttributes {
  readonly mode: PadMode;
  /** All begins, then all ends, over all axes of the input. Undefined: the input is no constant. */
  readonly pads: readonly number[] | undefined;
  /** Undefined: the input is no constant. */
  readonly value: number | undefined;
}

/** Pad: attributes up to opset 10 (pads, value), inputs 1 and 2 from 11, axes as input 3 from 18. */
export function padAttributes(node: Node, rank: number, known: ConstantOf = constantOf): PadAttributes {
  const mode = node.string('mode', 'constant');
  if (mode !== 'constant' && mode !== 'reflect' && mode !== 'edge' && mode !== 'wrap')
    refuse(node, 'attribute mode', 'constant, reflect, edge or wrap', `'${mode}'`);
  const given = intsOf(node, 'pads', 1, known);
  const axesGiven = node.inputs[3] ? intsOf(node, '', 3, known) : 'absent';
  if (given === 'absent') refuse(node, 'pads', 'a list', 'none');
  let pads: readonly number[] | undefined;
  if (given && axesGiven) {
    const axes =
      axesGiven === 'absent'
        ? Array.from({ length: rank }, (_, i) => i)
        : normalizeAxes(node, axesGiven, rank);
    if (given.length !== 2 * axes.length)
      refuse(node, 'pads', `${2 * axes.length} numbers`, `${given.length}: [${given}]`);
    const all = new Array<number>(2 * rank).fill(0);
    axes.forEach((axis, i) => {
      all[axis] = given[i];
      all[rank + axis] = given[axes.length + i];
    });
    pads = all;
  }
  const fill = node.inputs[2];
  const tensor = fill && known(fill);
  return { mode, pads, value: fill ? tensor && (numbersOf(tensor)[0] ?? 0) : node.float('value', 0) };
}

/** Split: sizes along the axis, from the attribute (up to 12), input 1 (13 up), or equal parts. Undefined: not known. */
export function splitSizes(
  node: Node,
  dim: number | undefined,
  known: ConstantOf = constantOf,
): readonly number[] | undefined {
  const parts = node.outputs.length;
  const given = intsOf(node, 'split', 1, known);
  if (given === undefined) return undefined;
  if (given !== 'absent') {
    if (given.length !== parts)
      refuse(node, 'split', `${parts} sizes, one per output`, `${given.length}: [${given}]`);
    if (given.some((n) => n < 0)) refuse(node, 'split', 'sizes from 0', `[${given}]`);
    const sum = given.reduce((a, b) => a + b, 0);
    if (dim !== undefined && sum !== dim)
      refuse(node, 'split', `sizes that add up to ${dim}`, `[${given}], ${sum}`);
    return given;
  }
  const wanted = node.int('num_outputs', parts);
  if (wanted !== parts) refuse(node, 'attribute num_outputs', `${parts}, the outputs`, `${wanted}`);
  if (dim === undefined) return undefined;
  const size = Math.ceil(dim / parts);
  const last = dim - size * (parts - 1);
  if (last < 0 || (last !== size && !node.attributes.has('num_outputs')))
    refuse(node, 'the split axis', `a multiple of ${parts}`, `${dim}`);
  return Array.from({ length: parts }, (_, i) => (i === parts - 1 ? last : size));
}

/** Reduce*, ArgMax, ArgMin. */
export function keepDims(node: Node): boolean {
  return node.int('keepdims', 1) !== 0;
}

/** DepthToSpace (1, 11, 13) and SpaceToDepth. */
export function depthToSpaceAttributes(node: Node): {
  readonly blockSize: number;
  readonly mode: 'DCR' | 'CRD';
} {
  const blockSize = node.int('blocksize', 0);
  if (blockSize < 1) refuse(node, 'attribute blocksize', 'at least 1', `${blockSize}`);
  const mode = node.string('mode', 'DCR');
  if (mode !== 'DCR' && mode !== 'CRD') refuse(node, 'attribute mode', 'DCR or CRD', `'${mode}'`);
  return { blockSize, mode };
}

/** Cast: the element type in attribute `to`, or the one in attribute `name` (`dtype` of Random*). */
export function castTo(node: Node, name = 'to', otherwise?: DataType): DataType {
  if (!node.attributes.has(name) && otherwise) return otherwise;
  const code = node.int(name, 0);
  return dataTypeOf(code) ?? refuse(node, `attribute ${name}`, 'a type of TensorProto.DataType', `${code}`);
}
