import { describe, test } from 'vitest';
import type { AttributeInit } from '../../src/onnx/index.js';
import { checkGradients, type Draw, type GradientCase } from '../support/gradcheck.js';

/** Reductions: each operator over each choice of axes; kinks and ties are in differentiate.test.ts. */

const DIMS = [2, 3, 4];

/** All values apart by 0.1 at least, in a mixed order, so that a maximum stays the maximum; none near 0. */
const apart: Draw = { dims: DIMS, value: (_, i) => ((i * 7 + 3) % 24) * 0.1 - 1.15 };
const real: Draw = { dims: DIMS, value: (normal) => normal() };
const awayFrom0: Draw = {
  dims: DIMS,
  value: (normal) => {
    const v = normal();
    return v + Math.sign(v) * 0.1;
  },
};
const positive: Draw = { dims: DIMS, value: (normal) => 0.2 + Math.abs(normal()) };

const OPS: Readonly<Record<string, Draw>> = {
  ReduceSum: real,
  ReduceMean: real,
  ReduceMax: apart,
  ReduceMin: apart,
  ReduceL1: awayFrom0,
  ReduceL2: real,
  ReduceSumSquare: real,
  ReduceLogSum: positive,
  ReduceLogSumExp: real,
  ReduceProd: awayFrom0,
};

const AXES: Readonly<Record<string, readonly number[] | undefined>> = {
  'all axes': undefined,
  'the last axis': [-1],
  'two axes': [0, 2],
  'the middle axis': [1],
};

function reduce(
  op: string,
  x: Draw,
  axes: readonly number[] | undefined,
  attributes: Record<string, AttributeInit>,
): GradientCase {
  return { inputs: { x }, build: (b, v) => b.op(op, [v.x, axes && b.i64(axes)], attributes) };
}

for (const [op, x] of Object.entries(OPS))
  describe(`${op} agrees with central differences`, () => {
    for (const [which, axes] of Object.entries(AXES))
      for (const keepdims of [0, 1])
        test(`${which}, keepdims ${keepdims}`, () =>
          checkGradients(`${op} ${which} ${keepdims}`, reduce(op, x, axes, { keepdims })));
    // ReduceL2 of a single element is |x|, with a kink at 0.
    test('no axis at all', () =>
      checkGradients(
        `${op} noop`,
        reduce(op, op === 'ReduceL2' ? awayFrom0 : x, undefined, { noop_with_empty_axes: 1 }),
      ));
  });

describe('global pools agree with central differences', () => {
  for (const dims of [
    [2, 3, 4, 5],
    [2, 3, 6],
    [1, 2, 2, 3, 2],
    [2, 3, 1, 1],
  ])
    test(`GlobalMaxPool of [${dims}]`, () => {
      const x: Draw = { dims, value: (_, i) => ((i * 37 + 5) % 127) * 0.1 - 3 };
      return checkGradients(`GlobalMaxPool ${dims}`, {
        inputs: { x },
        build: (b, v) => b.op('GlobalMaxPool', [v.x]),
      });
    });
});
