import { describe, expect, test } from 'vitest';
import type { OptimizerOptions } from '../../src/finetune/optim/table.js';
import { apart, endToEnd, mapTogether } from '../../src/finetune/step/together.js';
import type { UpdatesOptions } from '../../src/finetune/step/updates.js';
import { Graph, GraphBuilder, Model, tensorType } from '../../src/onnx/index.js';
import { evaluate, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { runUpdates, updateGraph } from '../support/updates.js';

const EVERY: readonly OptimizerOptions[] = [
  { kind: 'sgd', momentum: 0, nesterov: false, dampening: 0 },
  { kind: 'sgd', momentum: 0.9, nesterov: true, dampening: 0 },
  { kind: 'sgd', momentum: 0.9, nesterov: false, dampening: 0.5 },
  { kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8 },
  { kind: 'adamw', betas: [0.9, 0.999], epsilon: 1e-8 },
  { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-3, momentum: 0.9, style: 'torch' },
  { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-3, momentum: 0.9, style: 'tensorflow' },
];

describe('parameters that are updated together', () => {
  /** Twelve of one to three values, a kernel among them; one that is too large, one with a rate and one with a decay of its own. */
  const parameters = Object.fromEntries([
    ...Array.from({ length: 12 }, (_, i) => {
      const size = 1 + (i % 3);
      return [`p${i}`, { dims: i === 5 ? [1, size] : [size], start: new Array(size).fill(i - 4.5) }] as const;
    }),
    ['large', { dims: [5], start: [1, 2, 3, 4, 5] }],
    ['fast', { dims: [2], start: [1, -1] }],
    ['bare', { dims: [2], start: [3, -3] }],
  ]);
  const own = { lrFactors: new Map([['fast', 3]]), decays: new Map([['bare', 0]]) };
  const gradients = (_: unknown, t: number): Record<string, number[]> =>
    Object.fromEntries(
      Object.entries(parameters).map(([name, { start }], i) => [
        name,
        start.map((v, j) => Math.sin(i + 3 * j + 7 * t) - v / 10),
      ]),
    );

  test.each(EVERY.map((o) => [JSON.stringify(o), o] as const))(
    '%s: are what they are alone',
    (_, optimizer) => {
      for (const accumulate of [1, 2]) {
        const options: UpdatesOptions = {
          optimizer,
          weightDecay: 0.01,
          decayAll: true,
          average: { decay: 0.5, warmup: true },
          accumulate,
          ...own,
        };
        const alone = updateGraph(parameters, options);
        const together = updateGraph(parameters, { ...options, lowering: { together: 4 } });
        expect(together.state.map((s) => [s.name, s.kind])).toEqual(alone.state.map((s) => [s.name, s.kind]));
        expect(together.model.graph.nodes.length).toBeLessThan(alone.model.graph.nodes.length);
        const rates = [0.1, 0.05, 0.02, 0.01];
        const [mine, theirs] = [together, alone].map((g) => runUpdates(g, rates, gradients));
        expect(mine).toEqual(theirs);
      }
    },
  );

  test('are those of equal rate and decay that are small enough', () => {
    const options = { optimizer: EVERY[0], weightDecay: 0.01, decayAll: true, ...own };
    const graph = updateGraph(parameters, { ...options, lowering: { together: 4 } }).model.graph;
    const joined = graph.nodes.filter((n) => n.opType === 'Concat').map((n) => n.inputs.length);
    expect(joined).toEqual([12, 12]);
    expect(updateGraph(parameters, options).model.graph.nodes.some((n) => n.opType === 'Concat')).toBe(false);
  });
});

test('results come in the order of the items', () => {
  const about = (n: number) => ({ size: n, key: n % 2 === 0 ? 'even' : 'odd' });
  const groups: number[][] = [];
  const results = mapTogether([3, 50, 2, 1, 60, 4], 10, about, (group) => {
    groups.push([...group]);
    return group.map((n) => n * 10);
  });
  expect(results).toEqual([30, 500, 20, 10, 600, 40]);
  expect(groups).toEqual([[3, 1], [50], [2, 4], [60]]);
});

test.each([1, 2, 7, 8, 50, 120])(
  '%i values end to end come apart again, by Splits of at most 7 results',
  (count) => {
    const graph = new Graph('pieces');
    const b = new GraphBuilder(graph, 20);
    const sizes = Array.from({ length: count }, (_, i) => 1 + (i % 4));
    const inputs = sizes.map((n, i) => graph.addInput(`v${i}`, tensorType('float32', [n])));
    for (const v of apart(
      b,
      endToEnd(b, inputs, (v) => v),
      sizes,
    ))
      graph.addOutput(b.op('Identity', [v]));
    const feeds = new Map(sizes.map((n, i) => [`v${i}`, realTensor([n], new Array(n).fill(i))]));
    const out = [...evaluate(new Model(graph, 20), feeds).values()];
    expect(out.map((t) => Array.from(toNumbers(t)))).toEqual(sizes.map((n, i) => new Array(n).fill(i)));
    for (const n of graph.nodes) if (n.opType === 'Split') expect(n.outputs.length).toBeLessThanOrEqual(7);
  },
);
