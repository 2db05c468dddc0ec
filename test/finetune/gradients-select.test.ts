import { describe, test } from 'vitest';
import type { AttributeInit, GraphBuilder, Value } from '../../src/onnx/index.js';
import { checkGradients, type GradientCase } from '../support/gradcheck.js';

/** Operators that take, repeat, join or move elements. */

const END = 9223372036854775807n;

/** Two parts, so that each counts with a factor of its own. */
function parts(
  x: readonly number[],
  axis: number,
  outputs: number,
  sizes: readonly number[] | undefined,
  attributes: Record<string, AttributeInit> = {},
  used: readonly number[] = Array.from({ length: outputs }, (_, i) => i),
): GradientCase {
  return {
    inputs: { x },
    build: (b, v) => {
      const made = b.ops('Split', sizes ? [v.x, b.i64(sizes)] : [v.x], { axis, ...attributes }, { outputs });
      const flat = used.map((i) => b.op('Reshape', [b.op('Mul', [made[i], b.f32(i + 2)]), b.i64([-1])]));
      return flat.length === 1 ? flat[0] : b.op('Concat', flat, { axis: 0 });
    },
  };
}

function gather(
  x: readonly number[],
  axis: number,
  indices: readonly number[],
  dims = [indices.length],
): GradientCase {
  return { inputs: { x }, build: (b, v) => b.op('Gather', [v.x, b.i64(indices, dims)], { axis }) };
}

function slice(
  x: readonly number[],
  starts: readonly number[],
  ends: readonly (number | bigint)[],
  axes: readonly number[],
  steps?: readonly number[],
): GradientCase {
  const build = (b: GraphBuilder, v: Readonly<Record<string, Value>>): Value =>
    b.op('Slice', [v.x, b.i64(starts), b.i64(ends), b.i64(axes), steps && b.i64(steps)]);
  return { inputs: { x }, build };
}

function pad(
  x: readonly number[],
  mode: string,
  pads: readonly number[],
  axes?: readonly number[],
): GradientCase {
  return {
    inputs: { x },
    build: (b, v) => b.op('Pad', [v.x, b.i64(pads), undefined, axes && b.i64(axes)], { mode }),
  };
}

function tile(x: readonly number[], repeats: readonly number[]): GradientCase {
  return { inputs: { x }, build: (b, v) => b.op('Tile', [v.x, b.i64(repeats)]) };
}

function blocks(op: string, x: readonly number[], blocksize: number, mode?: string): GradientCase {
  return {
    inputs: { x },
    build: (b, v) => b.op(op, [v.x], { blocksize, ...(mode === undefined ? {} : { mode }) }),
  };
}

const cases: Record<string, GradientCase> = {
  'Split, given sizes': parts([2, 6, 3], 1, 3, [1, 2, 3]),
  'Split, last axis from the end': parts([2, 3, 4], -1, 2, [1, 3]),
  'Split, equal parts': parts([4, 3], 0, 2, undefined, { num_outputs: 2 }),
  'Split, num_outputs with a smaller last part': parts([2, 7], 1, 3, undefined, { num_outputs: 3 }),
  'Split, only the middle part used': parts([2, 6, 2, 2], 1, 3, [1, 2, 3], {}, [1]),
  'Split, first and last part used': parts([2, 6], 1, 3, [2, 2, 2], {}, [0, 2]),
  'Split into one': parts([2, 3], 1, 1, [3]),
  'Split, one part used twice': {
    inputs: { x: [2, 4] },
    build: (b, v) => {
      const [p, q] = b.ops('Split', [v.x], { axis: 1, num_outputs: 2 }, { outputs: 2 });
      return b.op('Add', [b.op('Mul', [p, q]), p]);
    },
  },
  'Gather of rows': gather([4, 3], 0, [2, 0]),
  'Gather, a permutation of channels': gather([2, 6, 2, 2], 1, [0, 3, 1, 4, 2, 5]),
  'Gather, each as it is': gather([3, 2], 0, [0, 1, 2]),
  'Gather, repeated indices add up': gather([2, 4, 3], 1, [3, 1, 1, 1, 0]),
  'Gather, more than there are': gather([3], 0, [0, 0, 1, 1, 2, 2]),
  'Gather, negative indices and axis': gather([2, 5], -1, [-1, 0, -5, -2]),
  'Gather, one number': gather([3, 4, 2], 1, [2], []),
  'Gather, one number from the end of a vector': gather([4], 0, [-1], []),
  'Gather, a table of indices': gather([2, 5, 2], 1, [0, 4, 4, 2, -1, 1], [2, 3]),
  'Slice, both ends': slice([2, 3, 7, 6], [1, 2], [-1, 5], [3, 2]),
  'Slice, every third': slice([7, 4], [1], [END], [0], [3]),
  'Slice, steps and a plain cut': slice([2, 5, 6], [1, 0], [4, 6], [1, 2], [1, 2]),
  'Slice, one of two': slice([2, 2, 2], [0, 0], [END, END], [1, 2], [2, 2]),
  'Slice, reversed': slice([2, 3, 5], [-1], [-END], [2], [-1]),
  'Slice, backwards by two': slice([2, 7], [5], [0], [1], [-2]),
  'Slice, reversed on both axes': slice([1, 2, 4, 3], [3, 2], [-END, -END], [2, 3], [-1, -1]),
  'Pad, reflect': pad([1, 2, 4, 5], 'reflect', [0, 0, 1, 2, 0, 0, 3, 4]),
  'Pad, reflect on one axis': pad([2, 3, 4], 'reflect', [2, 1], [2]),
  'Pad, reflect, axis from the end': pad([2, 3, 4], 'reflect', [1, 2], [-2]),
  'Pad, edge': pad([1, 2, 3, 2], 'edge', [0, 0, 2, 1, 0, 0, 1, 3]),
  'Pad, edge, a cut on the other side': pad([2, 5], 'edge', [0, -2, 0, 2]),
  'Pad, wrap': pad([1, 2, 3, 4], 'wrap', [0, 0, 1, 2, 0, 0, 2, 5]),
  'Pad, constant, mixed signs': pad([3, 4], 'constant', [1, -1, -1, 2]),
  'Pad, nothing': pad([2, 3], 'reflect', [0, 0, 0, 0]),
  'Tile, all axes': tile([2, 3], [2, 3]),
  'Tile, one axis': tile([2, 3, 2], [1, 4, 1]),
  'Tile, once': tile([2, 3], [1, 1]),
  'DepthToSpace, DCR': blocks('DepthToSpace', [2, 8, 2, 3], 2, 'DCR'),
  'DepthToSpace, default': blocks('DepthToSpace', [1, 9, 2, 2], 3),
  'DepthToSpace, CRD': blocks('DepthToSpace', [2, 8, 3, 2], 2, 'CRD'),
  SpaceToDepth: blocks('SpaceToDepth', [2, 3, 4, 6], 2),
  'Concat, negative axis, and a value twice': {
    inputs: { p: [2, 3], q: [2, 1] },
    build: (b, v) => b.op('Concat', [v.p, v.q, v.p], { axis: -1 }),
  },
  'Einsum, a matrix product': {
    inputs: { p: [2, 3, 4], q: [4, 5] },
    build: (b, v) => b.op('Einsum', [v.p, v.q], { equation: 'bij,jk->bik' }),
  },
  'Einsum, letters that one operand alone has': {
    inputs: { p: [2, 3, 4], q: [2, 5] },
    build: (b, v) => b.op('Einsum', [v.p, v.q], { equation: 'aij,ak->ia' }),
  },
  'Einsum, three operands': {
    inputs: { p: [2, 3], q: [3, 4], r: [2, 4] },
    build: (b, v) => b.op('Einsum', [v.p, v.q, v.r], { equation: 'ij,jk,ik->k' }),
  },
  'Einsum, implicit': {
    inputs: { p: [3, 2], q: [3, 4] },
    build: (b, v) => b.op('Einsum', [v.p, v.q], { equation: 'ji,jk' }),
  },
  'Einsum, one operand': {
    inputs: { p: [2, 3, 4] },
    build: (b, v) => b.op('Einsum', [v.p], { equation: 'abc->ca' }),
  },
  Mean: {
    inputs: { p: [2, 3], q: [3], r: [2, 1] },
    build: (b, v) => b.op('Mean', [v.p, v.q, v.r]),
  },
  'a channel shuffle as exporters write it': {
    inputs: { x: [2, 6, 2, 3] },
    build: (b, v) => {
      const groups = b.op('Reshape', [v.x, b.i64([2, 3, 2, 2, 3])]);
      const swapped = b.op('Transpose', [groups], { perm: [0, 2, 1, 3, 4] });
      return b.op('Reshape', [swapped, b.i64([0, -1, 2, 3])]);
    },
  },
};

describe('gradients of operators that move elements agree with central differences', () => {
  for (const [name, c] of Object.entries(cases)) test(name, () => checkGradients(name, c));
});
