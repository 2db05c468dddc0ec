import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import { explicitWeights } from '../../src/finetune/run/gram-weights.js';
import { withWeights } from '../../src/finetune/run/weights.js';
import { buildTrainStep, type TrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { fromState, isWeight } from '../../src/finetune/step/state.js';
import { loadModel, type Model, Tensor } from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  type FormLayer,
  frozenHashes,
  fuse,
  mapGradient,
  readForm,
  type TrainingForm,
  toFloat64,
} from '../../src/reparam/index.js';
import { createEngine, type Engine, type StepSession } from '../../src/runtime/index.js';
import { type ArrayData, readSafetensors } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest, haveGoldens } from '../support/goldens.js';

interface Info {
  readonly map_kernel: number;
  readonly input_shape: number[];
  readonly replaced: string[];
  readonly optimizer: { lr: number; momentum: number; weight_decay: number };
}

function floats(a: ArrayData | undefined, what: string): Float32Array {
  if (a?.data instanceof Float32Array) return a.data;
  throw new Error(`no float tensor '${what}' in the goldens`);
}

let engine: Engine;
if (haveGoldens) {
  beforeAll(async () => {
    engine = await createEngine();
  });
  afterAll(() => engine.close());
}

const NETS = ['mobilenet_v2_narrow', 'mobilenet_v2_zero_map5', 'resnet_narrow'];
const FORMS = ['explicit', 'gram', 'auto'] as const;

describe.each(['portable', 'blocked'] as const)('refocusing for ten steps against PyTorch, %s', (choice) => {
  for (const [net, form] of NETS.flatMap((n) => FORMS.map((f) => [n, f] as const)))
    goldenTest(`${net}, ${form}`, async () => {
      const folder = (file: string): string => golden('refconv', net, file);
      const info: Info = JSON.parse(readFileSync(folder('info.json'), 'utf8'));
      const gold = readSafetensors(folder('golden.safetensors'));
      const data = readSafetensors(folder('batches.safetensors'));
      const base = await loadModel(folder('forward_eval.onnx'));
      const expanded = expand(base, { mapKernel: info.map_kernel, init: 'zero' });
      expect(expanded.form.layers.map((l) => l.layer).sort()).toEqual([...info.replaced].sort());
      const maps = new Map(expanded.form.layers.map((l) => [l.map.name, l.layer]));
      const training = withWeights(expanded.model, startingMaps(expanded.model, maps, gold));
      checkKernels(training, gold, 'start');

      const [batch, ...image] = info.input_shape;
      const prepared = await prepareTraining(training, { batch, image, engine });
      const step = buildTrainStep(prepared, {
        optimizer: { kind: 'sgd', momentum: info.optimizer.momentum, nesterov: false },
        weightDecay: info.optimizer.weight_decay,
        decayAll: true,
        loss: { kind: 'cross-entropy', labelSmoothing: 0 },
        bn: 'train',
        lowering: await chooseLowering(engine, choice),
        form,
        probes: true,
      });
      const gram = form === 'explicit' ? 0 : form === 'gram' ? maps.size : depthwise(expanded.form).length;
      expect(step.gram).toHaveLength(gram);
      const session = await engine.stepSession(step.model, {
        state: step.state,
        initial: new Map(step.state.map((s) => [s.input, s.initial])),
        fetch: [...step.fetch, ...step.probes.values()],
      });
      const images = floats(data.get('batches'), 'batches');
      const labels = data.get('labels')?.data;
      if (!(labels instanceof BigInt64Array)) throw new Error('labels');
      const pixels = images.length / 10;
      const apart = choice === 'blocked' ? (KINK[net] ?? 10) : 10;
      const losses: number[] = [];
      for (let i = 0; i < 10; i++) {
        const out = await session.step(
          new Map([
            [step.image, Tensor.float32(info.input_shape, images.slice(i * pixels, (i + 1) * pixels))],
            [step.label, Tensor.int32([batch], Array.from(labels.slice(i * batch, (i + 1) * batch), Number))],
            [step.lr, Tensor.float32([], [info.optimizer.lr])],
          ]),
        );
        losses.push(Number(out.get(step.loss)?.typed()[0]));
        if (i === 0) checkGradients(step, out, maps, gold);
        if (i < apart && (i === 0 || i === 4 || i === 9)) {
          const now = await stateOf(training, step, session);
          checkState(now, step, maps, gold, `after${i + 1}`);
          checkKernels(now, gold, `after${i + 1}`);
        }
      }
      // The loss of a step is that of the weights before it.
      const goldLosses = Array.from(floats(gold.get('losses'), 'losses'));
      const together = Math.min(apart + 1, 10);
      expectClose(
        losses.slice(0, together),
        goldLosses.slice(0, together),
        { absolute: 1e-5, relative: 1e-5 },
        'losses',
      );
      expect(losses.every(Number.isFinite)).toBe(true);

      const trained = await stateOf(training, step, session);
      expect(frozenHashes(trained)).toEqual(frozenHashes(expanded.model));
      await session.release();
      const input = Tensor.float32(info.input_shape, floats(data.get('input'), 'input'));
      const [own, fused] = await Promise.all(
        [trained, fuse(trained).model].map((model) => logitsOf(model, input)),
      );
      // The README's bound on logits after ten steps.
      const expected = apart < 10 ? own : floats(gold.get('after10.eval_logits'), 'logits');
      expectClose(own, expected, { absolute: 1e-4 }, 'eval logits');
      expectClose(fused, expected, { absolute: 1e-4 }, 'eval logits, fused');
    });
});

async function logitsOf(model: Model, input: Tensor): Promise<Float32Array> {
  const run = await engine.session(model);
  const out = await run.run(new Map([['input', input]]));
  await run.release();
  const logits = out.get('logits')?.typed();
  if (!(logits instanceof Float32Array)) throw new Error('logits');
  return logits;
}

/** Where a parameter stands in the goldens: maps as `<layer>.w_r`. */
const keyOf = (name: string, maps: ReadonlyMap<string, string>): string =>
  maps.has(name) ? `${maps.get(name)}.w_r` : name;

function startingMaps(
  model: Model,
  maps: ReadonlyMap<string, string>,
  gold: ReadonlyMap<string, ArrayData>,
): Map<string, Tensor> {
  return new Map(
    [...model.graph.initializers].flatMap((v): [string, Tensor][] => {
      const layer = maps.get(v.name);
      const dims = constantOf(v)?.dims;
      return layer && dims
        ? [[v.name, Tensor.float32(dims, floats(gold.get(`start.${layer}.w_r`), layer))]]
        : [];
    }),
  );
}

/** Layers that the Gram form makes smaller: all of these nets' depthwise ones. */
const depthwise = ({ layers }: TrainingForm): readonly FormLayer[] => layers.filter((l) => l.groups > 4);

async function stateOf(training: Model, step: TrainStep, session: StepSession): Promise<Model> {
  const state = await session.readState();
  const trained = new Map<string, Tensor>();
  for (const s of step.state) {
    const tensor = state.get(s.input);
    if (tensor && isWeight(s)) trained.set(s.name, fromState(s, tensor));
  }
  return withWeights(training, explicitWeights(step.gram, trained).weights);
}

/** The README's bound on parameters and kernels. */
const BOUND = { absolute: 2e-5 };

/**
 * The step (from 0) in which, evaluated in float64, a pre-activation lies nearer to the 0 or 6 of a ReLU6 than float32
 * tells apart: 5.1e-7 (at 6) and 1.4e-7. On which side a run comes out depends on its rounding, and the runs part there.
 * The goldens were chosen so that PyTorch's side is that of float64; the blocked lowering sums in another order and falls
 * on the other side: it is compared up to there.
 */
const KINK: Readonly<Record<string, number>> = { mobilenet_v2_narrow: 3, mobilenet_v2_zero_map5: 9 };

function checkState(
  model: Model,
  step: TrainStep,
  maps: ReadonlyMap<string, string>,
  gold: ReadonlyMap<string, ArrayData>,
  when: string,
): void {
  const values = new Map([...model.graph.initializers].map((v) => [v.name, v]));
  const inGramForm = new Set(step.gram.flatMap((l) => [l.z, l.alpha]));
  const names = step.state.filter((s) => isWeight(s) && !inGramForm.has(s.name)).map((s) => s.name);
  let compared = 0;
  for (const name of [...names, ...step.gram.map((l) => l.map)]) {
    const value = values.get(name);
    const got = value && constantOf(value)?.typed();
    if (!(got instanceof Float32Array)) throw new Error(name);
    const key = `${when}.${keyOf(name, maps)}`;
    expectClose(got, floats(gold.get(key), key), BOUND, key);
    compared++;
  }
  const expected = [...gold.keys()].filter(
    (k) => k.startsWith(`${when}.`) && !k.endsWith('.w_t') && !k.endsWith('logits'),
  );
  expect(compared, 'every parameter and statistic').toBe(expected.length);
}

function checkKernels(training: Model, gold: ReadonlyMap<string, ArrayData>, when: string): void {
  const fused = fuse(training).model;
  const values = new Map([...fused.graph.initializers].map((v) => [v.name, v]));
  const layers = readForm(training)?.layers ?? [];
  expect(layers.length).toBeGreaterThan(0);
  for (const l of layers) {
    const value = values.get(l.weight);
    const got = value && constantOf(value)?.typed();
    if (!(got instanceof Float32Array)) throw new Error(l.weight);
    expectClose(got, floats(gold.get(`${when}.${l.layer}.w_t`), l.layer), BOUND, `${when} W_t of ${l.layer}`);
  }
}

function checkGradients(
  step: TrainStep,
  out: ReadonlyMap<string, Tensor>,
  maps: ReadonlyMap<string, string>,
  gold: ReadonlyMap<string, ArrayData>,
): void {
  for (const [name, output] of step.probes) {
    // Z's gradient is that of W_t; the map's is D·Uᵀ.
    const layer = step.gram.find((l) => l.z === name);
    const key = name === 'logits' ? 'step1.logits' : `step1.grad.${keyOf(layer?.map ?? name, maps)}`;
    const expected = gold.get(key);
    if (!expected && name === step.image) continue;
    const probe = out.get(output);
    if (!probe) throw new Error(name);
    const got = layer ? mapGradient(toFloat64(layer.base), toFloat64(probe), layer.shape) : toFloat64(probe);
    expectClose(got, floats(expected, key), { absolute: 2e-5, relative: 1e-4 }, key);
  }
}
