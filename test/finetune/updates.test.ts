import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { OptimizerOptions } from '../../src/finetune/optim/table.js';
import { clip } from '../../src/finetune/step/clip.js';
import { flatGradients, flattenParameter } from '../../src/finetune/step/parameters.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../src/onnx/index.js';
import { evaluate, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';
import { runUpdates, type State, updateGraph } from '../support/updates.js';

const PLAIN: OptimizerOptions = { kind: 'sgd', momentum: 0, nesterov: false, dampening: 0 };
const EVERY: readonly OptimizerOptions[] = [
  { kind: 'sgd', momentum: 0.9, nesterov: true, dampening: 0 },
  { kind: 'sgd', momentum: 0.9, nesterov: false, dampening: 0.5 },
  { kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8 },
  { kind: 'adamw', betas: [0.9, 0.999], epsilon: 1e-8 },
  { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-3, momentum: 0.9, style: 'torch' },
  { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-3, momentum: 0, style: 'tensorflow' },
  { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-3, momentum: 0.9, style: 'tensorflow' },
];

describe('accumulation', () => {
  const W = { w: { dims: [3], start: [0.5, -1, 2] } };
  /** Gradients of nine steps, already divided by three. */
  const parts = Array.from({ length: 9 }, (_, t) => [t + 1, 2 - t, 0.5 * t].map((v) => v / 3));

  test.each(EVERY.map((o) => [JSON.stringify(o), o] as const))(
    '%s: one update in three steps',
    (_, optimizer) => {
      const options = {
        optimizer,
        weightDecay: 0.01,
        decayAll: true,
        average: { decay: 0.5, warmup: false },
      };
      const rates = [7, 7, 0.1, 7, 7, 0.05, 7, 7, 0.02];
      const many = runUpdates(updateGraph(W, { ...options, accumulate: 3 }), rates, (_, t) => ({
        w: parts[t],
      }));
      const sums = [0, 3, 6].map((t) => parts[t].map((v, i) => v + parts[t + 1][i] + parts[t + 2][i]));
      const once = runUpdates(updateGraph(W, options), [0.1, 0.05, 0.02], (_, t) => ({ w: sums[t] }));
      let before: State | undefined;
      many.forEach((state, t) => {
        const own = [...state].filter(([key]) => !key.includes('accumulated'));
        if ((t + 1) % 3 === 0) {
          for (const [key, values] of once[(t - 2) / 3])
            expectClose(
              state.get(key) ?? [],
              values,
              { absolute: 1e-15, relative: 1e-14 },
              `${key}, step ${t}`,
            );
          expectClose(state.get('w/accumulated') ?? [], [0, 0, 0], { absolute: 0 });
        } else if (before)
          for (const [key, values] of own) expect(before.get(key), `${key}, step ${t}`).toEqual(values);
        before = state;
      });
    },
  );

  test('one step adds no node', () => {
    const options = { optimizer: EVERY[0], weightDecay: 0.01, decayAll: true };
    const names = (o: typeof options & { accumulate?: number }): string[] =>
      updateGraph(W, o).model.graph.nodes.map((n) => `${n.opType} ${n.name}`);
    expect(names({ ...options, accumulate: 1 })).toEqual(names(options));
    expect(names({ ...options, accumulate: 2 }).length).toBeGreaterThan(names(options).length);
  });
});

/** Gradients after clipping, by the interpreter. */
function clipped(
  gradients: readonly { readonly dims: readonly number[]; readonly values: readonly number[] }[],
  options: Parameters<typeof clip>[2],
  squaredNorm?: number,
): number[][] {
  const graph = new Graph('clip');
  const b = new GraphBuilder(graph, 20);
  const feeds = new Map<string, ReturnType<typeof realTensor>>();
  const flat = gradients.flatMap(({ dims, values }, i) => {
    const value = graph.addInput(`w${i}`, tensorType('float32', dims));
    const gradient = graph.addInput(`g${i}`, tensorType('float32', dims));
    feeds.set(`g${i}`, realTensor(dims, values));
    const parameter = flattenParameter(b, { value, initial: Tensor.float32(dims, values) });
    feeds.set(parameter.state.input, realTensor([values.length], values));
    const own = squaredNorm === undefined ? {} : { squaredNorm: () => b.f32(squaredNorm) };
    return flatGradients(b, [{ parameter: { ...parameter, ...own }, gradient }]);
  });
  for (const { value } of clip(b, flat, options)) graph.addOutput(b.op('Identity', [value]));
  return [...evaluate(new Model(graph, 20, 9), feeds).values()].map((t) => Array.from(toNumbers(t)));
}

interface Gold {
  readonly ema: { readonly decay: number; readonly values: number[][]; readonly ema: number[][] };
  readonly clip_grad_norm: {
    readonly max_norm: number;
    readonly grads: [number[][], number[]];
    readonly clipped: [number[][], number[]];
  };
}

const gold = (): Gold => JSON.parse(readFileSync(golden('optim/ema_clip.json'), 'utf8'));

describe('clipping', () => {
  goldenTest('by norm, as clip_grad_norm_', () => {
    const { max_norm: norm, grads, clipped: expected } = gold().clip_grad_norm;
    const got = clipped(
      [
        { dims: [4, 3], values: grads[0].flat() },
        { dims: [7], values: grads[1] },
      ],
      { norm },
    );
    // torch computed in float32.
    expectClose(got[0], expected[0].flat(), { absolute: 1e-7, relative: 1e-6 });
    expectClose(got[1], expected[1], { absolute: 1e-7, relative: 1e-6 });
  });

  test('by norm leaves what is small enough', () => {
    expect(clipped([{ dims: [2], values: [0.3, 0.4] }], { norm: 0.75 })).toEqual([[0.3, 0.4]]);
    const [[a, b]] = clipped([{ dims: [2], values: [3, 4] }], { norm: 0.5 });
    expectClose([a, b], [1.5 / 5.000001, 2 / 5.000001], { absolute: 1e-12 });
  });

  test('by value, before the norm is taken', () => {
    const g = { dims: [3], values: [-5, 0.25, 2] };
    expect(clipped([g], { value: 1 })).toEqual([[-1, 0.25, 1]]);
    const n = Math.sqrt(2 + 1 / 16) + 1e-6;
    expectClose(clipped([g], { value: 1, norm: 1 })[0], [-1 / n, 0.25 / n, 1 / n], { absolute: 1e-12 });
  });

  test('a parameter may say what its gradient counts', () => {
    const [[a, b]] = clipped([{ dims: [2], values: [3, 4] }], { norm: 1 }, 16);
    expectClose([a, b], [3 / 4.000001, 4 / 4.000001], { absolute: 1e-7 });
  });
});

describe('average of the weights', () => {
  goldenTest('starts as the first value, then decays', () => {
    const { decay, values, ema } = gold().ema;
    const graph = updateGraph(
      { w: { dims: [5], start: [9, 9, 9, 9, 9] } },
      { optimizer: PLAIN, weightDecay: 0, decayAll: false, average: { decay, warmup: false } },
    );
    // With rate 1 the step from p by p − v ends at v.
    const states = runUpdates(
      graph,
      values.map(() => 1),
      (state, t) => ({ w: (state.get('w/parameter') ?? []).map((p, i) => p - values[t][i]) }),
    );
    // The graph stores the decay as float32: 2e-8 off, on differences of at most 3, a few times.
    for (const [t, s] of states.entries())
      expectClose(s.get('w/average') ?? [], ema[t], { absolute: 3e-7 }, `step ${t}`);
  });

  test('the decay of a warmed-up average grows as 1 − t^(−2/3)', () => {
    const graph = updateGraph(
      { w: { dims: [1], start: [0] } },
      { optimizer: PLAIN, weightDecay: 0, decayAll: false, average: { decay: 0.5, warmup: true } },
    );
    const states = runUpdates(graph, [1, 1, 1, 1, 1], (_, t) => ({ w: [-(t + 1)] }));
    let [p, e] = [0, 0];
    states.forEach((state, t) => {
      p += t + 1;
      const d = Math.min(0.5, 1 - (t + 1) ** (-2 / 3));
      e = d * e + (1 - d) * p;
      expectClose(state.get('w/average') ?? [], [e], { absolute: 1e-6 });
    });
  });
});
