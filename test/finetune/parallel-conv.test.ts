import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parallelLowering } from '../../src/finetune/lowering/parallel/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { around, type ConvCase, convCase, paddedCases } from '../support/conv-case.js';
import { checkParallelCases, lowerCases } from '../support/lowering-cases.js';
import { matrixProducts } from '../support/products.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

const check = (cases: readonly ConvCase[]): Promise<void> =>
  checkParallelCases(
    cases.map((c) => convCase(c)),
    engine,
  );

const KERNELS = [
  [1, 1],
  [2, 2],
  [3, 3],
  [5, 5],
  [7, 7],
  [1, 3],
  [3, 1],
  [4, 3],
] as const;

describe('gradients of convolutions in the parallel lowering are those of the portable one', () => {
  test.each([1, 2, 3, 4])('kernels, stride %i, sizes that it divides and others', (s) =>
    check(
      KERNELS.flatMap((k) =>
        [
          [8, 12],
          [9, 10],
          [11, 7],
        ].map((size) => ({ x: [2, 3, ...size], o: 5, k, s: [s, s], p: around(k), bias: true })),
      ),
    ),
  );

  test('different strides', () =>
    check(
      [
        [1, 2],
        [3, 2],
      ].map((s) => ({ x: [2, 4, 9, 11], o: 6, k: [3, 3], s, p: [1, 1, 1, 1] })),
    ));

  test("TensorFlow's pads, none, and more than the kernel needs", () => check(paddedCases(3, 4)));

  test('dilations', () =>
    check([
      { x: [2, 3, 11, 10], o: 4, k: [3, 3], d: [2, 2], p: [2, 2, 2, 2] },
      { x: [2, 3, 11, 12], o: 4, k: [3, 3], d: [2, 2], s: [2, 2], p: [2, 2, 2, 2] },
      { x: [2, 40, 9, 8], o: 4, k: [3, 2], d: [1, 3] },
    ]));

  test('groups, one channel each, and more outputs than inputs', () =>
    check([
      { x: [3, 6, 7, 6], o: 4, k: [3, 3], g: 2, p: [1, 1, 1, 1] },
      { x: [4, 6, 8, 8], o: 9, k: [3, 3], g: 3, s: [2, 2], p: [1, 1, 1, 1] },
      { x: [2, 64, 4, 4], o: 6, k: [1, 1], g: 2 },
      { x: [2, 5, 6, 6], o: 5, k: [3, 3], g: 5, p: [1, 1, 1, 1] },
      { x: [2, 5, 6, 6], o: 5, k: [3, 3], g: 5, s: [2, 2], p: [1, 1, 1, 1] },
      { x: [2, 4, 6, 6], o: 8, k: [3, 3], g: 4, p: [1, 1, 1, 1] },
    ]));

  test('few and many channels, on both sides of a tile', () =>
    check(
      [1, 31, 32, 33, 70].flatMap((c) => [
        { x: [2, c, 6, 5], o: 34, k: [3, 3], p: [1, 1, 1, 1] },
        { x: [2, c, 6, 6], o: 3, k: [3, 3], s: [2, 2], p: [1, 1, 1, 1] },
        { x: [2, c, 6, 6], o: 3, k: [1, 1], s: [2, 2] },
      ]),
    ));

  test('images in sets of one, of several, all together; a prime number of them', () =>
    check([
      { x: [12, 260, 3, 3], o: 260, k: [1, 1] },
      { x: [6, 512, 2, 2], o: 512, k: [1, 2] },
      { x: [4, 1024, 1, 2], o: 1100, k: [1, 1] },
      { x: [7, 300, 3, 3], o: 290, k: [1, 1] },
      { x: [12, 20, 3, 3], o: 500, k: [3, 3], p: [1, 1, 1, 1], g: 4 },
    ]));

  test('one and three axes', () =>
    check([
      { x: [3, 4, 9], o: 5, k: [3], p: [1, 1] },
      { x: [3, 40, 9], o: 5, k: [3], s: [2], p: [1, 0] },
      { x: [2, 3, 5, 4, 6], o: 4, k: [3, 3, 3], p: [1, 1, 1, 1, 1, 1] },
      { x: [2, 33, 5, 4, 6], o: 4, k: [1, 2, 3], s: [2, 1, 2] },
    ]));
});

/** Matrix products of a lowered case. */
const products = (c: ConvCase): { readonly tiles: number; readonly terms: number }[] =>
  matrixProducts(lowerCases([convCase(c)], parallelLowering).model.graph).map(({ tiles, terms }) => ({
    tiles,
    terms,
  }));

describe('how the images of dW are shared out', () => {
  test('a narrow layer gives each image a product of its own', () => {
    expect(products({ x: [64, 64, 14, 14], o: 64, k: [3, 3], p: [1, 1, 1, 1] })).toEqual(
      new Array(9).fill({ tiles: 64 * 4, terms: 196 }),
    );
  });

  test("a stem's kernel rows lie side by side", () => {
    expect(products({ x: [64, 3, 32, 32], o: 64, k: [7, 7], s: [2, 2], p: [3, 3, 3, 3] })).toEqual(
      new Array(7).fill({ tiles: 64 * 2, terms: 256 }),
    );
  });

  test('a wide layer needs no sets, and no sum of them', () => {
    expect(products({ x: [8, 1024, 7, 7], o: 1024, k: [1, 1] })).toEqual([{ tiles: 1024, terms: 392 }]);
  });
});

test('a strided dX is a convolution, and not a transposed one', () => {
  const ops = (c: ConvCase): string[] =>
    lowerCases([convCase(c)], parallelLowering).model.graph.nodes.map((n) => n.opType);
  expect(ops({ x: [2, 4, 8, 8], o: 6, k: [3, 3], s: [2, 2], p: [1, 1, 1, 1] })).not.toContain(
    'ConvTranspose',
  );
  expect(ops({ x: [2, 4, 8, 8], o: 6, k: [3, 3], s: [2, 2], p: [1, 1, 1, 1] })).toContain('DepthToSpace');
  // Only zeros are put between the pixels, channel by channel.
  expect(
    ops({ x: [2, 4, 8, 8], o: 6, k: [1, 1], s: [2, 2] }).filter((op) => op === 'ConvTranspose'),
  ).toHaveLength(1);
});
