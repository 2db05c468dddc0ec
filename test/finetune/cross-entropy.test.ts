import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { crossEntropy } from '../../src/finetune/losses/cross-entropy.js';
import { Graph, GraphBuilder, Model, tensorType } from '../../src/onnx/index.js';
import { evaluate, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';

interface Loss {
  readonly loss: number;
  readonly gradient: number[];
  readonly correct: number;
}

/** The loss graph over double logits, run by the float64 interpreter. */
function run(
  dims: readonly number[],
  logits: readonly number[],
  labels: readonly number[],
  smoothing = 0,
): Loss {
  const graph = new Graph('loss');
  const z = graph.addInput('logits', tensorType('float64', dims));
  const loss = crossEntropy({ labelSmoothing: smoothing });
  const label = graph.addInput('label', loss.target(dims));
  const b = new GraphBuilder(graph, 20);
  const nodes = loss.emit({ b, output: z, shape: dims, target: label, scale: 1 });
  for (const v of [nodes.loss, nodes.gradient, nodes.correct]) graph.addOutput(v);
  const out = evaluate(
    new Model(graph, 20, 9),
    new Map([
      ['logits', realTensor(dims, Float64Array.from(logits))],
      ['label', realTensor([dims[0]], labels, 'int32')],
    ]),
  );
  const [value, gradient, correct] = [...out.values()].map((t) => Array.from(toNumbers(t)));
  return { loss: value[0], gradient, correct: correct[0] };
}

interface Gold {
  readonly logits: number[][];
  readonly labels: number[];
  readonly losses: Record<string, { readonly value: number; readonly grad: number[][] }>;
}

describe('cross-entropy', () => {
  for (const [name, smoothing] of [
    ['cross_entropy', 0],
    ['cross_entropy_ls0.1', 0.1],
  ] as const)
    goldenTest(`${name}: value and gradient as torch in float64`, () => {
      const gold: Gold = JSON.parse(readFileSync(golden('optim/losses.json'), 'utf8'));
      const { value, grad } = gold.losses[name];
      const [n, k] = [gold.logits.length, gold.logits[0].length];
      const got = run([n, k], gold.logits.flat(), gold.labels, smoothing);
      expectClose([got.loss], [value], { absolute: 1e-12 }, 'loss');
      expectClose(got.gradient, grad.flat(), { absolute: 1e-12 }, 'gradient');
    });

  test('three classes by hand, with smoothing', () => {
    const z = [1, 2, -1];
    const sum = z.reduce((s, v) => s + Math.exp(v), 0);
    const p = z.map((v) => Math.exp(v) / sum);
    const q = [0.1, 0.8, 0.1];
    const got = run([1, 3], z, [1], 0.3);
    expectClose([got.loss], [-q.reduce((s, v, i) => s + v * Math.log(p[i]), 0)], { absolute: 1e-14 });
    expectClose(
      got.gradient,
      p.map((v, i) => v - q[i]),
      { absolute: 1e-14 },
    );
    expect(got.correct).toBe(1);
  });

  test('logits of [N,K,1,1] give the gradient in their shape', () => {
    const flat = run([2, 3], [1, 0, -1, 0, 2, 1], [0, 2]);
    expect(run([2, 3, 1, 1], [1, 0, -1, 0, 2, 1], [0, 2])).toEqual(flat);
    expect(flat.correct).toBe(1);
  });

  test('large logits do not overflow', () => {
    const got = run([1, 2], [1000, 990], [1]);
    expectClose([got.loss], [10 + Math.log1p(Math.exp(-10))], { absolute: 1e-12 });
  });
});
