import fc from 'fast-check';
import { test } from 'vitest';
import { blockedCheck } from '../support/blocked-engine.js';
import { type ConvCase, convCase } from '../support/conv-case.js';

const check = blockedCheck();

/** Printed by fast-check beside what fails. */
const SEED = 20231;

interface Axis {
  readonly size: number;
  readonly k: number;
  readonly s: number;
  readonly d: number;
  readonly begin: number;
  readonly end: number;
}

const axis: fc.Arbitrary<Axis> = fc
  .record({
    k: fc.integer({ min: 1, max: 5 }),
    s: fc.integer({ min: 1, max: 3 }),
    d: fc.constantFrom(1, 1, 1, 2),
    begin: fc.integer({ min: 0, max: 3 }),
    end: fc.integer({ min: 0, max: 3 }),
    more: fc.integer({ min: 0, max: 8 }),
  })
  // At least one window.
  .map(({ more, ...a }) => ({ ...a, size: Math.max(1, (a.k - 1) * a.d + 1 - a.begin - a.end) + more }));

const count = fc.constantFrom(1, 3, 4, 6, 8, 12, 16, 17, 24, 32, 34);

const geometry: fc.Arbitrary<readonly [ConvCase, boolean]> = fc
  .record({
    rows: axis,
    columns: axis,
    n: fc.integer({ min: 1, max: 3 }),
    kind: fc.constantFrom('dense', 'dense', 'depthwise', 'grouped'),
    c: count,
    o: count,
    first: fc.boolean(),
    bias: fc.boolean(),
  })
  .map(({ rows, columns, n, kind, c, o, first, bias }) => {
    const g = kind === 'depthwise' ? c : kind === 'grouped' ? (c % 2 === 0 ? 2 : c) : 1;
    const window = {
      k: [rows.k, columns.k],
      s: [rows.s, columns.s],
      d: [rows.d, columns.d],
      p: [rows.begin, columns.begin, rows.end, columns.end],
    };
    const outputs = kind === 'depthwise' ? c : Math.ceil(o / g) * g;
    return [{ x: [n, c, rows.size, columns.size], o: outputs, g, bias, ...window }, first];
  });

test('convolutions of random geometry', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(geometry, { minLength: 12, maxLength: 12 }), (list) =>
      check(
        list.map(([c, first], i) => {
          const one = convCase(c, first);
          return { ...one, name: `${i}: ${one.name}` };
        }),
      ),
    ),
    { seed: SEED, numRuns: 10, interruptAfterTimeLimit: 50_000, markInterruptAsFailure: false },
  );
}, 120_000);
