import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { OptimizerOptions } from '../../src/finetune/optim/table.js';
import { Tensor } from '../../src/onnx/index.js';
import { expectClose } from '../support/close.js';
import { runUpdates, updateGraph } from '../support/updates.js';

/** Written by scripts/make-optimizer-fixtures.py. */
interface Fixtures {
  readonly start: number[];
  readonly rates: number[];
  readonly torch: Run[];
  readonly tensorflow: Run[];
}

interface Run {
  readonly optimizer: OptimizerOptions;
  readonly weightDecay: number;
  /** The parameter after each step. */
  readonly after: number[][];
}

const file = new URL('../fixtures/optim/optimizers.json', import.meta.url);
const { start, rates, ...peers }: Fixtures = JSON.parse(readFileSync(file, 'utf8'));

/** Gradient of a quartic bowl: it changes with the parameter, so that an error in one step shows in the next. */
const gradientAt = (p: readonly number[]): number[] => p.map((v, i) => v ** 3 - 0.3 * (i + 1));

describe.each(['torch', 'tensorflow'] as const)('ten steps as %s makes them in float64', (peer) => {
  test.each(
    peers[peer].map(
      (run) => [`${JSON.stringify(run.optimizer)}, weight decay ${run.weightDecay}`, run] as const,
    ),
  )('%s', (_, { optimizer, weightDecay, after }) => {
    const graph = updateGraph(
      { p: { dims: [start.length], start } },
      { optimizer, weightDecay, decayAll: true },
    );
    const states = runUpdates(graph, rates, (state) => ({ p: gradientAt(state.get('p/parameter') ?? []) }));
    expect(states.length).toBe(after.length);
    // Both are float64; Adam's corrections are summed up here and powers there.
    for (const [t, state] of states.entries())
      expectClose(
        state.get('p/parameter') ?? [],
        after[t],
        { absolute: 1e-13, relative: 1e-12 },
        `after step ${t + 1}`,
      );
  });
});

const EVERY: readonly OptimizerOptions[] = [
  { kind: 'sgd', momentum: 0.9, nesterov: true, dampening: 0 },
  { kind: 'sgd', momentum: 0.9, nesterov: false, dampening: 0.5 },
  { kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8 },
  { kind: 'adamw', betas: [0.9, 0.999], epsilon: 1e-8 },
  { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-3, momentum: 0.9, style: 'torch' },
  { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-3, momentum: 0.9, style: 'tensorflow' },
];

describe.each(EVERY.map((o) => [JSON.stringify(o), o] as const))('%s', (_, optimizer) => {
  const everything = {
    optimizer,
    weightDecay: 0.01,
    decayAll: true,
    accumulate: 2,
    clip: { value: 1, norm: 0.5 },
    average: { decay: 0.9, warmup: false },
  };

  test('entries that are 0 stay 0, and no entry depends on its place', () => {
    const run = (order: readonly number[]): (readonly number[])[] => {
      const at = (values: readonly number[]): number[] => order.map((i) => values[i]);
      const dims = [order.length];
      const graph = updateGraph({ w: { dims, start: at([0, 0.5, -1, 2, 0]) } }, everything);
      // A lowering packs a slot as it packs the parameter, with zeros where there is nothing.
      const packed = graph.state.map((s) => {
        if (s.initial.size === 1) return s;
        const values = Array.from(s.initial.typed(), Number);
        const padded = values.map((v, k) => ([0, 4].includes(order[k]) ? 0 : v));
        return { ...s, initial: Tensor.float32(s.initial.dims, padded) };
      });
      const states = runUpdates({ ...graph, state: packed }, [0.1, 0.1, 0.1, 0.1], (_, t) => ({
        w: at([0, 3, -0.25, 1 - t, 0]),
      }));
      return [...(states.at(-1)?.values() ?? [])].filter((v) => v.length > 1);
    };
    const [plain, moved] = [run([0, 1, 2, 3, 4]), run([4, 2, 0, 1, 3])];
    for (const values of plain) expect([values[0], values[4]]).toEqual([0, 0]);
    plain.forEach((values, k) => {
      const [, a, b, c] = values;
      expect(moved[k]).toEqual([0, b, 0, a, c].map((v) => expect.closeTo(v, 14)));
    });
  });
});
