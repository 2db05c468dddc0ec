import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { distillation } from '../../src/finetune/losses/distillation.js';
import { type LossOptions, lossOf } from '../../src/finetune/losses/table.js';
import { Graph, GraphBuilder, Model, sizeOf, tensorType } from '../../src/onnx/index.js';
import { evaluate, type RefTensor, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';

interface Judged {
  readonly loss: number;
  readonly gradient: number[];
  readonly correct: number;
}

const numbers = (t: RefTensor): number[] => Array.from(toNumbers(t));

/** A loss over double outputs, run by the float64 interpreter. */
function judge(
  options: LossOptions,
  dims: readonly number[],
  output: readonly number[],
  target: readonly number[],
  scale = 1,
): Judged {
  const graph = new Graph('loss');
  const loss = lossOf(options);
  const z = graph.addInput('output', tensorType('float64', dims));
  const label = graph.addInput('label', loss.target('float64', dims));
  const b = new GraphBuilder(graph, 20);
  const nodes = loss.emit({ b, output: z, shape: dims, target: label, scale });
  for (const v of [nodes.loss, nodes.gradient, nodes.correct]) graph.addOutput(v);
  const type = label.type?.kind === 'tensor' && label.type.dataType === 'int32' ? 'int32' : 'float64';
  const out = evaluate(
    new Model(graph, 20, 9),
    new Map([
      ['output', realTensor(dims, Float64Array.from(output))],
      ['label', realTensor(label.shape ?? [], target, type)],
    ]),
  );
  const [value, gradient, correct] = [...out.values()];
  expect(gradient.dims).toEqual(dims);
  return { loss: numbers(value)[0], gradient: numbers(gradient), correct: numbers(correct)[0] };
}

function distill(
  dims: readonly number[],
  student: readonly number[],
  teacher: readonly number[],
  temperature: number,
): Omit<Judged, 'correct'> {
  const graph = new Graph('loss');
  const z = graph.addInput('student', tensorType('float64', dims));
  const t = graph.addInput('teacher', tensorType('float64', dims));
  const b = new GraphBuilder(graph, 20);
  const init = { b, student: z, teacher: t, shape: dims, teacherShape: dims, temperature, scale: 1 };
  const nodes = distillation(init);
  for (const v of [nodes.loss, nodes.gradient]) graph.addOutput(v);
  const feeds = new Map([
    ['student', realTensor(dims, Float64Array.from(student))],
    ['teacher', realTensor(dims, Float64Array.from(teacher))],
  ]);
  const [value, gradient] = [...evaluate(new Model(graph, 20, 9), feeds).values()].map(numbers);
  return { loss: value[0], gradient };
}

interface Gold {
  readonly logits: number[][];
  readonly labels: number[];
  readonly soft: number[][];
  readonly teacher: number[][];
  readonly losses: Record<string, { readonly value: number; readonly grad: number[][] }>;
}

/** Central differences of the value, against the gradient. */
function expectGradient(
  at: readonly number[],
  gradient: readonly number[],
  value: (at: readonly number[]) => number,
): void {
  const h = 1e-5;
  const numeric = at.map((v, i) => (value(at.with(i, v + h)) - value(at.with(i, v - h))) / (2 * h));
  expectClose(gradient, numeric, { absolute: 1e-9 }, 'central differences');
}

describe('value and gradient as torch in float64', () => {
  const gold = (): Gold => JSON.parse(readFileSync(golden('optim/losses.json'), 'utf8'));
  const cases: readonly (readonly [string, LossOptions, (g: Gold) => readonly number[]])[] = [
    ['cross_entropy', { kind: 'cross-entropy', labelSmoothing: 0 }, (g) => g.labels],
    ['cross_entropy_ls0.1', { kind: 'cross-entropy', labelSmoothing: 0.1 }, (g) => g.labels],
    ['cross_entropy_soft', { kind: 'soft-cross-entropy', labelSmoothing: 0 }, (g) => g.soft.flat()],
    ['cross_entropy_soft_ls0.2', { kind: 'soft-cross-entropy', labelSmoothing: 0.2 }, (g) => g.soft.flat()],
    ['mse', { kind: 'mse' }, (g) => g.teacher.flat()],
    // Each row as one pixel of one image.
    ['cross_entropy', { kind: 'pixel-cross-entropy', labelSmoothing: 0, ignoreIndex: 255 }, (g) => g.labels],
  ];
  for (const [name, options, target] of cases)
    goldenTest(`${name} by ${options.kind}`, () => {
      const g = gold();
      const dims = [g.logits.length, g.logits[0].length];
      const { value, grad } = g.losses[name];
      const got = judge(options, dims, g.logits.flat(), target(g));
      expectClose([got.loss], [value], { absolute: 1e-12 }, 'loss');
      expectClose(got.gradient, grad.flat(), { absolute: 1e-12 }, 'gradient');
    });
  goldenTest('kd_kl_T4', () => {
    const g = gold();
    const { value, grad } = g.losses.kd_kl_T4;
    const got = distill([g.logits.length, g.logits[0].length], g.logits.flat(), g.teacher.flat(), 4);
    expectClose([got.loss], [value], { absolute: 1e-12 }, 'loss');
    expectClose(got.gradient, grad.flat(), { absolute: 1e-12 }, 'gradient');
  });
});

describe('against central differences', () => {
  const random = randomFor('losses');
  const draw = (dims: readonly number[]): number[] =>
    Array.from({ length: sizeOf(dims) }, () => random.normal());
  const pixels = [2, 3, 2, 4];
  const labels = [0, 2, 1, 255, 2, 255, 0, 1, 255, 255, 1, 0, 2, 1, 1, 255];
  const cases: readonly (readonly [LossOptions, readonly number[], readonly number[]])[] = [
    [{ kind: 'cross-entropy', labelSmoothing: 0.2 }, [3, 4, 1, 1], [3, 0, 2]],
    [{ kind: 'soft-cross-entropy', labelSmoothing: 0.1 }, [2, 3, 1, 1], [0.2, 0.9, 0.4, 0, 0, 1.5]],
    [{ kind: 'pixel-cross-entropy', labelSmoothing: 0.1, ignoreIndex: 255 }, pixels, labels],
    [{ kind: 'mse' }, pixels, draw(pixels)],
  ];
  for (const [options, dims, target] of cases)
    test(`${options.kind} over [${dims}]`, () => {
      const at = draw(dims);
      const value = (z: readonly number[]): number => judge(options, dims, z, target).loss;
      expectGradient(at, judge(options, dims, at, target).gradient, value);
      const scaled = judge(options, dims, at, target, 0.25);
      expectClose(
        scaled.gradient,
        judge(options, dims, at, target).gradient.map((v) => v / 4),
        { absolute: 1e-16, relative: 1e-14 },
        'scale',
      );
      expect(scaled.loss).toBe(value(at));
    });
  test('distillation', () => {
    const [at, teacher] = [draw([3, 4]), draw([3, 4])];
    const value = (z: readonly number[]): number => distill([3, 4], z, teacher, 2.5).loss;
    expectGradient(at, distill([3, 4], at, teacher, 2.5).gradient, value);
    expectClose([value(teacher)], [0], { absolute: 1e-15 });
  });
});

describe('cross-entropy', () => {
  test('three classes by hand, with smoothing', () => {
    const z = [1, 2, -1];
    const sum = z.reduce((s, v) => s + Math.exp(v), 0);
    const p = z.map((v) => Math.exp(v) / sum);
    const q = [0.1, 0.8, 0.1];
    const got = judge({ kind: 'cross-entropy', labelSmoothing: 0.3 }, [1, 3], z, [1]);
    expectClose([got.loss], [-q.reduce((s, v, i) => s + v * Math.log(p[i]), 0)], { absolute: 1e-14 });
    expectClose(
      got.gradient,
      p.map((v, i) => v - q[i]),
      { absolute: 1e-14 },
    );
    expect(got.correct).toBe(1);
  });

  test('large logits do not overflow', () => {
    const got = judge({ kind: 'cross-entropy', labelSmoothing: 0 }, [1, 2], [1000, 990], [1]);
    expectClose([got.loss], [10 + Math.log1p(Math.exp(-10))], { absolute: 1e-12 });
  });

  test('right answers are counted by the largest logit', () => {
    const logits = [1, 0, -1, 0, 2, 1, 0, 0, 3];
    expect(judge({ kind: 'cross-entropy', labelSmoothing: 0 }, [3, 3], logits, [0, 2, 2]).correct).toBe(2);
    const soft = [0.6, 0.3, 0.1, 0, 0.4, 0.6, 0.2, 0.2, 0.6];
    expect(judge({ kind: 'soft-cross-entropy', labelSmoothing: 0 }, [3, 3], logits, soft).correct).toBe(2);
  });
});

describe('per-pixel cross-entropy', () => {
  const options = { kind: 'pixel-cross-entropy', labelSmoothing: 0, ignoreIndex: 255 } as const;

  test('the mean is over the pixels that count', () => {
    const z = [1, 5, 0, 0, -5, 2];
    const got = judge(options, [1, 2, 1, 3], z, [0, 255, 0]);
    const at = (a: number, other: number): number => Math.log1p(Math.exp(other - a));
    expectClose([got.loss], [(at(1, 0) + at(0, 2)) / 2], { absolute: 1e-14 });
    expect([got.gradient[1], got.gradient[4]].map(Math.abs)).toEqual([0, 0]);
    expect(got.correct).toBe(1);
  });

  test('a batch in which no pixel counts has loss 0 and moves nothing', () => {
    const got = judge(options, [1, 2, 1, 2], [1, 2, 3, 4], [255, 255]);
    expect(Math.abs(got.loss)).toBe(0);
    expect(got.gradient.map(Math.abs)).toEqual([0, 0, 0, 0]);
    expect(got.correct).toBe(0);
  });

  test('another label can be ignored', () => {
    const got = judge({ ...options, ignoreIndex: -1 }, [1, 2, 1, 2], [1, 2, 3, 4], [-1, 1]);
    expectClose([got.loss], [Math.log1p(Math.exp(-2))], { absolute: 1e-14 });
  });
});
