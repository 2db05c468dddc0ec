import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PREPROCESS_PRESETS } from '../../src/base/preprocess.js';
import { createEvaluator } from '../../src/finetune/evaluate/evaluator.js';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import type { Lowering } from '../../src/finetune/lowering/lowering.js';
import type { OptimizerOptions } from '../../src/finetune/optim/table.js';
import { buildTrainStep, type TrainStep, type TrainStepOptions } from '../../src/finetune/step/build.js';
import { type PrepareOptions, prepareTraining } from '../../src/finetune/step/prepare.js';
import { fromState, type StateTensor } from '../../src/finetune/step/state.js';
import { prepareTeacher } from '../../src/finetune/step/teacher.js';
import { GraphBuilder, type Model, sizeOf, Tensor } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { expectClose } from '../support/close.js';
import { smallNetwork } from '../support/small-network.js';

const [BATCH, SIDE, CLASSES] = [4, 6, 3];
const IMAGE = [3, SIDE, SIDE];
const LABELS = [2, 0, 1, 2];
const SIZE = { side: SIDE, classes: CLASSES };

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const pixels = Uint8Array.from({ length: BATCH * sizeOf(IMAGE) }, (_, i) => (i * 37 + (i % 11) * 19) % 256);
const preprocess = { ...PREPROCESS_PRESETS.imagenet, size: SIDE, resize: null, crop: 'none' } as const;

async function stepOf(
  model: Model,
  options: Partial<TrainStepOptions>,
  prepare: Partial<PrepareOptions> = {},
): Promise<TrainStep> {
  const prepared = await prepareTraining(model, { batch: BATCH, image: IMAGE, engine, ...prepare });
  return buildTrainStep(prepared, {
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
    weightDecay: 0.01,
    decayAll: true,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn: 'train',
    preprocess,
    probes: true,
    ...options,
  });
}

/** Runs steps on one batch; what came out of each, and the state after it. */
async function runSteps(
  step: TrainStep,
  count: number,
): Promise<{ readonly out: Map<string, number[]>; readonly state: Map<string, number[]> }[]> {
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: [...step.fetch, ...step.probes.values()],
  });
  const feeds = new Map([
    [step.image, Tensor.uint8([BATCH, ...IMAGE], pixels)],
    [step.label, Tensor.int32([BATCH], LABELS)],
    [step.lr, Tensor.float32([], [0.1])],
  ]);
  const steps = [];
  const numbers = (t: Tensor | undefined): number[] => Array.from(t?.typed() ?? [], Number);
  for (let i = 0; i < count; i++) {
    const fetched = await session.step(feeds);
    const state = await session.readState();
    const probes = [...step.probes].map(([name, output]): [string, number[]] => [
      name,
      numbers(fetched.get(output)),
    ]);
    steps.push({
      out: new Map([['loss', numbers(fetched.get(step.loss))], ...probes]),
      state: new Map(step.state.map((s) => [`${s.name}/${s.kind}`, numbers(stateOf(s, state))])),
    });
  }
  await session.release();
  return steps;
}

function stateOf(s: StateTensor, state: ReadonlyMap<string, Tensor>): Tensor | undefined {
  const tensor = state.get(s.input);
  return tensor && fromState(s, tensor);
}

/** Rows of softmax(z / T). */
function softmaxRows(z: readonly number[], temperature = 1): number[][] {
  return Array.from({ length: BATCH }, (_, n) => {
    const e = z.slice(n * CLASSES, (n + 1) * CLASSES).map((v) => Math.exp(v / temperature));
    const sum = e.reduce((s, v) => s + v, 0);
    return e.map((v) => v / sum);
  });
}

const mean = (rows: readonly number[]): number => rows.reduce((s, v) => s + v, 0) / rows.length;
const crossEntropy = (p: readonly number[][]): number => mean(p.map((row, n) => -Math.log(row[LABELS[n]])));
/** The gradient of a bias of the class scores: Σ over the batch of d loss / d score. */
const biasGradient = (each: (n: number, k: number) => number): number[] =>
  Array.from({ length: CLASSES }, (_, k) => LABELS.reduce((s, _, n) => s + each(n, k), 0) / BATCH);
const onehot = (n: number, k: number): number => (LABELS[n] === k ? 1 : 0);

describe('a teacher', () => {
  const [temperature, weight] = [2, 0.7];

  test.each([
    ['that reads what the network reads', preprocess],
    [
      'that normalizes the same pixels in its own way',
      { ...preprocess, mean: [0.1, 0.2, 0.3], std: [1, 2, 0.5] },
    ],
  ])('%s', async (_, own) => {
    const [student, model] = [
      smallNetwork('student', { ...SIZE, width: 4 }),
      smallNetwork('teacher', { ...SIZE, width: 7 }),
    ];
    const fixed = { batch: BATCH, image: IMAGE, engine };
    const teacher = await prepareTeacher({ model, preprocess: own }, fixed);
    const step = await stepOf(student, { distill: { teacher, temperature, weight } });
    expect(step.state.some((s) => s.name.includes('teacher'))).toBe(false);
    const [{ out }] = await runSteps(step, 1);

    const evaluator = await createEvaluator(model, { ...fixed, preprocess: own });
    const { logits } = await evaluator.run(pixels);
    await evaluator.release();
    const z = out.get('logits') ?? [];
    const [p, pT, qT] = [softmaxRows(z), softmaxRows(z, temperature), softmaxRows([...logits], temperature)];
    const apart = mean(qT.map((row, n) => row.reduce((s, q, k) => s + q * Math.log(q / pT[n][k]), 0)));
    const loss = (1 - weight) * crossEntropy(p) + weight * temperature ** 2 * apart;
    // Float32, through a network.
    const tolerance = { absolute: 2e-6, relative: 2e-6 };
    expectClose(out.get('loss') ?? [], [loss], tolerance, 'loss');
    expectClose(
      out.get('scores.bias') ?? [],
      biasGradient(
        (n, k) => (1 - weight) * (p[n][k] - onehot(n, k)) + weight * temperature * (pT[n][k] - qT[n][k]),
      ),
      tolerance,
      'gradient of the bias',
    );
  });

  test('of other classes is refused', async () => {
    const model = smallNetwork('teacher', { ...SIZE, width: 4 });
    const { graph } = model;
    const b = new GraphBuilder(graph, 17);
    const [scores] = graph.outputs;
    graph.removeOutput(scores);
    graph.addOutput(b.op('Concat', [scores, scores], { axis: 1 }, { outputs: ['twice'] }));
    const teacher = await prepareTeacher({ model }, { batch: BATCH, image: IMAGE, engine });
    await expect(
      stepOf(smallNetwork('student', { ...SIZE, width: 4 }), { distill: { teacher, temperature, weight } }),
    ).rejects.toThrow(/other classes; expected 3; found 6/);
  });
});

describe('auxiliary outputs', () => {
  const auxiliary = new Map([['aux', 0.3]]);

  test('add their loss by weight', async () => {
    const step = await stepOf(smallNetwork('two heads', { ...SIZE, width: 4, aux: true }), {}, { auxiliary });
    const [{ out, state }] = await runSteps(step, 1);
    const p = softmaxRows(out.get('logits') ?? []);
    const tolerance = { absolute: 1e-6, relative: 1e-5 };
    expectClose(
      out.get('scores.bias') ?? [],
      biasGradient((n, k) => p[n][k] - onehot(n, k)),
      tolerance,
    );
    // The same step with the auxiliary head as main output has the other gradient, unweighted.
    const swapped = smallNetwork('two heads', { ...SIZE, width: 4, aux: true });
    const main = swapped.graph.outputs[0];
    swapped.graph.removeOutput(main);
    const [other] = await runSteps(
      await stepOf(swapped, {}, { freeze: new Set(['scores.weight', 'scores.bias']) }),
      1,
    );
    const ofAux = other.out.get('aux.bias') ?? [];
    expect(ofAux.some((v) => Math.abs(v) > 0.01)).toBe(true);
    expectClose(
      out.get('aux.bias') ?? [],
      ofAux.map((v) => 0.3 * v),
      tolerance,
    );
    const total = crossEntropy(p) + 0.3 * (other.out.get('loss')?.[0] ?? Number.NaN);
    expectClose(out.get('loss') ?? [], [total], tolerance);
    expect(state.has('aux.weight/parameter')).toBe(true);
  });

  test('are named, or the model is refused', async () => {
    const model = smallNetwork('two heads', { ...SIZE, width: 4, aux: true });
    await expect(stepOf(model, {})).rejects.toThrow(/2 outputs.*--aux NAME=WEIGHT/s);
    const wrong = { auxiliary: new Map([['auxx', 1]]) };
    await expect(stepOf(model, {}, wrong)).rejects.toThrow(
      /--aux: .*no output 'auxx'; expected one of 'scores', 'aux'/,
    );
  });

  test('are left out of evaluation', async () => {
    const options = { engine, batch: BATCH, image: IMAGE, preprocess };
    const two = await createEvaluator(smallNetwork('two heads', { ...SIZE, width: 4, aux: true }), {
      ...options,
      auxiliary: ['aux'],
    });
    const one = await createEvaluator(smallNetwork('two heads', { ...SIZE, width: 4 }), options);
    expect((await two.run(pixels)).logits).toEqual((await one.run(pixels)).logits);
    await Promise.all([two.release(), one.release()]);
  });
});

test('parameters that are frozen stay constants of the step', async () => {
  const freeze = new Set(['conv.weight', 'bn.bias']);
  const step = await stepOf(smallNetwork('frozen', { ...SIZE, width: 4 }), {}, { freeze });
  const names = step.state.map((s) => s.name);
  for (const name of freeze) expect(names).not.toContain(name);
  expect(names).toContain('bn.weight');
  expect(names).toContain('bn.mean');
});

test('the average takes in parameters and running statistics, once per update', async () => {
  const step = await stepOf(smallNetwork('average', { ...SIZE, width: 4 }), {
    accumulate: 2,
    average: { decay: 0.75, warmup: false },
  });
  const steps = await runSteps(step, 6);
  const kept = ['conv.weight/parameter', 'scores.bias/parameter', 'bn.mean/running', 'bn.variance/running'];
  for (const key of kept) {
    let e: number[] = [];
    for (const [i, { state }] of steps.entries()) {
      const now = state.get(key) ?? [];
      if (i === 1) e = now;
      else if (i % 2 === 1) e = e.map((v, k) => 0.75 * v + 0.25 * now[k]);
      const average = state.get(key.replace(/\/\w+$/, '/average')) ?? [];
      if (i > 0) expectClose(average, e, { absolute: 1e-6, relative: 1e-6 }, `${key}, step ${i}`);
    }
    // Parameters stand still where gradients are only added up, statistics move with every batch.
    const moved = (a: number, b: number): boolean =>
      `${steps[a].state.get(key)}` !== `${steps[b].state.get(key)}`;
    expect([moved(1, 2), moved(2, 3)], key).toEqual([key.endsWith('running'), true]);
  }
});

test('accumulated gradients of one batch make the step that the batch makes alone', async () => {
  // Batch statistics are those of the batch, so the mean of the gradients is the gradient.
  const once = await runSteps(await stepOf(smallNetwork('accumulate', { ...SIZE, width: 4 }), {}), 1);
  const three = await runSteps(
    await stepOf(smallNetwork('accumulate', { ...SIZE, width: 4 }), { accumulate: 3 }),
    3,
  );
  for (const [key, values] of once[0].state)
    if (!key.endsWith('/running'))
      expectClose(three[2].state.get(key) ?? [], values, { absolute: 1e-6, relative: 1e-6 }, key);
  expect(three[1].state.get('scores.bias/momentum')).toEqual([0, 0, 0]);
});

describe('with everything, the blocked lowering keeps what the portable one keeps', () => {
  const optimizers: readonly OptimizerOptions[] = [
    { kind: 'sgd', momentum: 0.9, nesterov: false, dampening: 0.5 },
    { kind: 'adam', betas: [0.9, 0.99], epsilon: 1e-3 },
    { kind: 'adamw', betas: [0.9, 0.99], epsilon: 1e-3 },
    { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-2, momentum: 0.9, style: 'torch' },
    { kind: 'rmsprop', alpha: 0.9, epsilon: 1e-2, momentum: 0.9, style: 'tensorflow' },
  ];
  test.each(optimizers.map((o) => [`${o.kind} ${'style' in o ? o.style : ''}`, o] as const))(
    '%s',
    async (_, optimizer) => {
      const run = async (lowering: Lowering): ReturnType<typeof runSteps> => {
        const teacher = await prepareTeacher(
          { model: smallNetwork('teacher', { ...SIZE, width: 7 }) },
          { batch: BATCH, image: IMAGE, engine },
        );
        const options = {
          optimizer,
          lowering,
          accumulate: 2,
          clip: { value: 0.05, norm: 0.1 },
          average: { decay: 0.5, warmup: false },
          distill: { teacher, temperature: 2, weight: 0.5 },
        };
        const model = smallNetwork('packed', { ...SIZE, width: 5, aux: true });
        const step = await stepOf(model, options, { auxiliary: new Map([['aux', 0.3]]) });
        // Five channels in blocks: the rest is padding, which every rule has to leave at 0.
        expect(step.state.filter((s) => s.layout).length > 0).toBe(lowering.name === 'blocked');
        return runSteps(step, 6);
      };
      const lowerings = [await chooseLowering(engine, 'portable'), await chooseLowering(engine, 'blocked')];
      expect(lowerings[1].name).toBe('blocked');
      const [portable, blocked] = [await run(lowerings[0]), await run(lowerings[1])];
      expect([...blocked[5].state.keys()].sort()).toEqual([...portable[5].state.keys()].sort());
      for (const [key, values] of portable[5].state) {
        const got = blocked[5].state.get(key) ?? [];
        // Float32 sums in another order, over three updates; a slot is at most a few units, a rate 0.1.
        expectClose(got, values, { absolute: 2e-5, relative: 1e-4 }, key);
      }
    },
  );
});
