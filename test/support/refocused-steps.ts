import { randomFor } from '../../src/base/random.js';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import type { Lowering } from '../../src/finetune/lowering/lowering.js';
import { withWeights } from '../../src/finetune/run/weights.js';
import { buildTrainStep, type TrainStep, type TrainStepOptions } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { fromState, isWeight, type StateTensor } from '../../src/finetune/step/state.js';
import { type Model, sizeOf, Tensor } from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  gramMatrices,
  gramTransform,
  readForm,
  refConvDelta,
  refConvShape,
  refConvTransform,
  toFloat64,
} from '../../src/reparam/index.js';
import type { Engine } from '../../src/runtime/index.js';
import { evaluate, type RefTensor, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { coarse, smoothNet } from './smooth-net.js';

const BATCH = 3;
const IMAGE = [2, 4, 4];
const CLASSES = 3;

const random = randomFor('refocused steps');

function training(): Model {
  const { model, form } = expand(smoothNet('gram step', IMAGE, CLASSES), { init: 'xavier', seed: 1 });
  return withWeights(
    model,
    new Map(form.layers.map((l) => [l.map.name, coarse(random, constantOf(l.map)?.dims ?? [], 1 / 16)])),
  );
}

/** A training form with a dense, a depthwise and a grouped layer, whose K and P₀ are exact in float32. */
export const form = training();
const images = Tensor.float32(
  [BATCH, ...IMAGE],
  Float32Array.from({ length: BATCH * sizeOf(IMAGE) }, () => random.normal()),
);
const labels = Array.from({ length: BATCH }, (_, i) => i % CLASSES);

export type Setting = Pick<
  TrainStepOptions,
  'optimizer' | 'weightDecay' | 'clip' | 'average' | 'accumulate'
> & {
  readonly lr: number;
};

/** The rate is such that a step with momentum is no longer than one without: a run thrown about amplifies every rounding. */
export const sgd = (
  momentum: number,
  weightDecay: number,
  change: { readonly nesterov?: boolean; readonly dampening?: number } = {},
): Setting => ({
  optimizer: { kind: 'sgd', momentum, nesterov: false, ...change },
  weightDecay,
  lr: 0.05 * (1 - momentum),
});

export const settings: Record<string, Setting> = {
  plain: sgd(0, 0),
  momentum: sgd(0.9, 0),
  'weight decay': sgd(0.9, 0.01),
  Nesterov: sgd(0.9, 0.01, { nesterov: true }),
  dampening: sgd(0.9, 0.01, { dampening: 0.25 }),
  'clipping by norm': { ...sgd(0.9, 0.01), clip: { norm: 0.5 } },
  accumulation: { ...sgd(0.9, 0.01), accumulate: 2 },
  'average of the weights': { ...sgd(0.9, 0.01), average: { decay: 0.9, warmup: false } },
};

/** The step of the training form; every map has a rate of its own. */
export async function stepOf(
  engine: Engine,
  choice: 'explicit' | 'gram' | 'auto',
  { lr: _, ...options }: Setting,
  {
    model = form,
    lowering = 'portable',
  }: { readonly model?: Model; readonly lowering?: Lowering['name'] } = {},
): Promise<TrainStep> {
  const prepared = await prepareTraining(model, { batch: BATCH, image: IMAGE, engine });
  const layers = readForm(form)?.layers ?? [];
  return buildTrainStep(prepared, {
    ...options,
    loss: { kind: 'cross-entropy', labelSmoothing: 0.1 },
    decayAll: false,
    bn: 'train',
    form: choice,
    lowering: await chooseLowering(engine, lowering),
    lrFactors: new Map(layers.map((l, i) => [l.map.name, 0.1 * (i + 1)])),
  });
}

/** Each kernel after the steps, in float64, from what the step holds. */
export function kernels(
  step: TrainStep,
  state: ReadonlyMap<string, Float64Array>,
): Map<string, Float64Array> {
  const at = (name: string): Float64Array => {
    const found = state.get(name);
    if (!found) throw new Error(name);
    return found;
  };
  return new Map(
    (readForm(form)?.layers ?? []).map((l): [string, Float64Array] => {
      const tensor = constantOf(l.base);
      if (!tensor) throw new Error(l.layer);
      const base = toFloat64(tensor);
      const shape = refConvShape(tensor.dims, l.groups, l.mapKernel);
      const gram = step.gram.find((g) => g.map === l.map.name);
      if (!gram) return [l.layer, refConvTransform(base, at(l.map.name), shape)];
      const p0 = refConvDelta(base, toFloat64(gram.r0), shape);
      const point = { alpha: at(gram.alpha)[0], z: at(gram.z) };
      return [l.layer, gramTransform(base, p0, point, gramMatrices(base, shape), shape)];
    }),
  );
}

/** Weights, or their average, by name. */
export function ofKind<T>(
  step: TrainStep,
  setting: Setting,
  read: (s: StateTensor) => T | undefined,
): Map<string, T> {
  const wanted = step.state.filter((s) => (setting.average ? s.kind === 'average' : isWeight(s)));
  return new Map(
    wanted.flatMap((s): [string, T][] => {
      const value = read(s);
      return value === undefined ? [] : [[s.name, value]];
    }),
  );
}

/** What the steps make of the weights in the float64 interpreter. */
export function interpreted(step: TrainStep, setting: Setting, steps: number): Map<string, Float64Array> {
  let state = new Map(step.state.map((s) => [s.input, toFloat64(s.initial)]));
  const inputs: [string, RefTensor][] = [
    [step.image, realTensor(images.dims, toFloat64(images))],
    [step.label, realTensor([BATCH], Float64Array.from(labels), 'int32')],
    [step.lr, realTensor([], Float64Array.of(setting.lr))],
  ];
  const outputs = new Map(step.model.graph.outputs.map((v) => [v.name, v]));
  const fetch = step.state.flatMap((s) => outputs.get(s.output) ?? []);
  for (let i = 0; i < steps; i++) {
    const feeds = new Map(inputs);
    for (const s of step.state)
      feeds.set(s.input, realTensor(s.initial.dims, state.get(s.input) ?? new Float64Array()));
    const out = evaluate(step.model, feeds, { fetch });
    state = new Map(
      step.state.map((s) => {
        const tensor = out.get(s.output);
        if (!tensor) throw new Error(s.output);
        return [s.input, Float64Array.from(toNumbers(tensor))];
      }),
    );
  }
  return ofKind(step, setting, (s) => state.get(s.input));
}

/** The same in the engine; state by its inputs' names. */
export async function run(
  engine: Engine,
  step: TrainStep,
  setting: Setting,
  steps: number,
  initial?: ReadonlyMap<string, Tensor>,
): Promise<Map<string, Tensor>> {
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: initial ?? new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  for (let i = 0; i < steps; i++)
    await session.step(
      new Map([
        [step.image, images],
        [step.label, Tensor.int32([BATCH], labels)],
        [step.lr, Tensor.float32([], [setting.lr])],
      ]),
    );
  const state = await session.readState();
  await session.release();
  return state;
}

/** Weights, or their average, in the dims of what they are named after. */
export function weightsOf(
  step: TrainStep,
  setting: Setting,
  state: ReadonlyMap<string, Tensor>,
): Map<string, Tensor> {
  return ofKind(step, setting, (s) => {
    const tensor = state.get(s.input);
    return tensor && fromState(s, tensor);
  });
}

export const float64 = (tensors: ReadonlyMap<string, Tensor>): Map<string, Float64Array> =>
  new Map(Array.from(tensors, ([key, t]) => [key, toFloat64(t)]));
