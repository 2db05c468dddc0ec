import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomBits } from '../../src/finetune/step/random-bits.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../src/onnx/index.js';
import { createEngine, type Engine, type Session } from '../../src/runtime/index.js';
import { evaluate } from '../../src/runtime/reference/index.js';

const SHAPES = [[64, 512], [16, 8, 7, 9], [512, 64], [33], [5, 1, 1, 1], []];

function model(shapes: readonly (readonly number[])[]): Model {
  const graph = new Graph('bits');
  const b = new GraphBuilder(graph, 20);
  const seed = graph.addInput('seed', tensorType('int32', []));
  for (const bits of randomBits(b, seed, shapes)) graph.addOutput(bits);
  return new Model(graph, 20, 9);
}

let engine: Engine;
let session: Session;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
  session = await engine.session(model(SHAPES));
});
afterAll(() => engine.close());

async function bits(seed: number): Promise<Int32Array[]> {
  const out = await session.run(new Map([['seed', Tensor.int32([], [seed])]]));
  return [...out.values()].map((t) => {
    const data = t.typed();
    if (!(data instanceof Int32Array)) throw new Error(t.dataType);
    return data;
  });
}

/** 1 below the quantile p of int32, else 0. */
const below = (data: Int32Array, p: number): Uint8Array =>
  Uint8Array.from(data, (v) => (v < p * 2 ** 32 - 2 ** 31 ? 1 : 0));
const sum = (data: Uint8Array): number => data.reduce((a, v) => a + v, 0);

/** How many standard deviations a count of n draws of probability p is off. */
const deviations = (count: number, n: number, p: number): number =>
  Math.abs(count - n * p) / Math.sqrt(n * p * (1 - p));

/** Of many counts, the worst is about 3.5 to 4.5 off when they are random; beyond 6 by chance once in 10⁹. */
const LIMIT = 6;

describe('random bits of a graph', () => {
  test('the runtime and exact integer arithmetic agree in every bit', async () => {
    for (const seed of [0, 1, -1, 2 ** 31 - 1, -(2 ** 31), 123456789]) {
      const feeds = new Map([
        ['seed', { dataType: 'int32' as const, dims: [], data: Float64Array.of(seed) }],
      ]);
      const exact = [...evaluate(model(SHAPES), feeds).values()];
      const got = await bits(seed);
      exact.forEach((t, i) => {
        expect(t.dims).toEqual(SHAPES[i]);
        expect(Array.from(got[i])).toEqual(Array.from<number | bigint, number>(t.data, Number));
      });
    }
  });

  test('only operators that run on every device', () => {
    const used = new Set(model(SHAPES).graph.nodes.map((n) => `${n.domain}${n.opType}`));
    expect([...used].sort()).toEqual(['Add', 'Div', 'Mul', 'Reshape', 'Slice']);
  });

  for (const p of [0.02, 0.1, 0.5, 0.8])
    test(`a share of ${p} lies below the quantile ${p}: in all, per row, per column, per step`, async () => {
      const [rows, columns] = SHAPES[0];
      let total = 0;
      let worst = 0;
      const perElement = new Float64Array(rows * columns);
      const steps = 100;
      for (let seed = 0; seed < steps; seed++) {
        const [m] = (await bits(seed)).map((d) => below(d, p));
        const inStep = sum(m);
        total += inStep;
        worst = Math.max(worst, deviations(inStep, m.length, p));
        for (let i = 0; i < rows; i++) {
          const row = sum(m.subarray(i * columns, (i + 1) * columns));
          worst = Math.max(worst, deviations(row, columns, p));
        }
        for (let i = 0; i < m.length; i++) perElement[i] += m[i];
      }
      worst = Math.max(worst, deviations(total, steps * rows * columns, p));
      for (const count of perElement) worst = Math.max(worst, deviations(count, steps, p));
      // A share of 0.02 is skewed: its counts stray further above.
      expect(worst, 'standard deviations of the worst count').toBeLessThan(p < 0.1 ? 8 : LIMIT);
    });

  test('counts spread as they do for independent draws', async () => {
    const [rows, columns] = SHAPES[0];
    const rowCounts: number[] = [];
    const columnCounts: number[] = [];
    for (let seed = 0; seed < 100; seed++) {
      const [m] = (await bits(seed)).map((d) => below(d, 0.5));
      const perColumn = new Array<number>(columns).fill(0);
      for (let i = 0; i < rows; i++) {
        const row = m.subarray(i * columns, (i + 1) * columns);
        rowCounts.push(sum(row));
        row.forEach((v, j) => {
          perColumn[j] += v;
        });
      }
      columnCounts.push(...perColumn);
    }
    for (const [counts, n] of [
      [rowCounts, columns],
      [columnCounts, rows],
    ] as const) {
      const variance = counts.reduce((a, c) => a + (c - n / 2) ** 2, 0) / counts.length;
      // The variance of N counts is itself known to 1 ± √(2/N).
      expect(Math.abs(variance / (n / 4) - 1)).toBeLessThan(LIMIT * Math.sqrt(2 / counts.length));
    }
  });

  test('tensors, steps, neighbours and rectangles of elements are independent', async () => {
    const p = 0.5;
    const [rows, columns] = SHAPES[0];
    let worst = 0;
    /** Two masks of fair draws agree in half of the places. */
    const agree = (a: Uint8Array, b: Uint8Array): void => {
      const same = a.reduce((n, v, i) => n + (v === b[i] ? 1 : 0), 0);
      worst = Math.max(worst, deviations(same, a.length, 0.5));
    };
    let before: Uint8Array | undefined;
    for (let seed = 1000; seed < 1020; seed++) {
      const [m, , other] = (await bits(seed)).map((d) => below(d, p));
      agree(m, other);
      if (before) agree(m, before);
      before = m;
      for (const lag of [1, 2, columns, columns + 1]) agree(m.subarray(lag), m.subarray(0, m.length - lag));
      // Sums of a row key and a column key would repeat themselves over rectangles; products must not.
      for (const [down, right] of [
        [1, 1],
        [3, 17],
        [32, 256],
      ]) {
        let even = 0;
        let n = 0;
        for (let i = 0; i + down < rows; i++)
          for (let j = 0; j + right < columns; j++, n++) {
            const at = i * columns + j;
            const corners = m[at] + m[at + right] + m[at + down * columns] + m[at + down * columns + right];
            if (corners % 2 === 0) even++;
          }
        worst = Math.max(worst, deviations(even, n, 0.5));
      }
    }
    expect(worst, 'standard deviations of the worst count').toBeLessThan(LIMIT);
  });
});
