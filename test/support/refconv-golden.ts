import { readFileSync } from 'node:fs';
import type { Lowering } from '../../src/finetune/lowering/lowering.js';
import { explicitWeights } from '../../src/finetune/run/gram-weights.js';
import { withWeights } from '../../src/finetune/run/weights.js';
import { buildTrainStep, type TrainStep } from '../../src/finetune/step/build.js';
import type { FormChoice } from '../../src/finetune/step/forms.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { fromState, isWeight } from '../../src/finetune/step/state.js';
import { loadModel, type Model, Tensor } from '../../src/onnx/index.js';
import { constantOf, expand } from '../../src/reparam/index.js';
import type { Engine, StepSession } from '../../src/runtime/index.js';
import { type ArrayData, readSafetensors } from './arrays.js';
import { golden } from './goldens.js';

/** The networks of the refconv goldens that train. */
export const REFCONV_NETS = ['mobilenet_v2_narrow', 'mobilenet_v2_zero_map5', 'resnet_narrow'];

export const REFCONV_STEPS = 10;

interface Info {
  readonly map_kernel: number;
  readonly input_shape: number[];
  readonly replaced: string[];
  readonly optimizer: { lr: number; momentum: number; weight_decay: number };
}

export type Arrays = ReadonlyMap<string, ArrayData>;

export function floats(a: ArrayData | undefined, what: string): Float32Array {
  if (a?.data instanceof Float32Array) return a.data;
  throw new Error(`no float tensor '${what}' in the goldens`);
}

/** Where a parameter stands in the goldens: maps as `<layer>.w_r`. */
export const keyOf = (name: string, maps: ReadonlyMap<string, string>): string =>
  maps.has(name) ? `${maps.get(name)}.w_r` : name;

/** A network of the goldens with its RefConv layers and PyTorch's first maps. */
export async function refconvGolden(net: string) {
  const folder = (file: string): string => golden('refconv', net, file);
  const info: Info = JSON.parse(readFileSync(folder('info.json'), 'utf8'));
  const gold: Arrays = readSafetensors(folder('golden.safetensors'));
  const data: Arrays = readSafetensors(folder('batches.safetensors'));
  const base = await loadModel(folder('forward_eval.onnx'));
  const expanded = expand(base, { mapKernel: info.map_kernel, init: 'zero' });
  /** Layer by the name of its map. */
  const maps = new Map(expanded.form.layers.map((l) => [l.map.name, l.layer]));
  const training = withWeights(expanded.model, startingMaps(expanded.model, maps, gold));
  return { info, gold, data, expanded, maps, training };
}

export type RefconvGolden = Awaited<ReturnType<typeof refconvGolden>>;

/** The step that PyTorch ran, with probes. @param host prepares the network */
export async function refconvStep(
  { info, training }: RefconvGolden,
  host: Engine,
  lowering: Lowering,
  form: FormChoice,
): Promise<TrainStep> {
  const [batch, ...image] = info.input_shape;
  const prepared = await prepareTraining(training, { batch, image, engine: host });
  return buildTrainStep(prepared, {
    optimizer: { kind: 'sgd', momentum: info.optimizer.momentum, nesterov: false },
    weightDecay: info.optimizer.weight_decay,
    decayAll: true,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn: 'train',
    lowering,
    form,
    probes: true,
  });
}

/** What step `i`, from 0, is fed. */
export function refconvFeeds({ info, data }: RefconvGolden, step: TrainStep, i: number): Map<string, Tensor> {
  const images = floats(data.get('batches'), 'batches');
  const labels = data.get('labels')?.data;
  if (!(labels instanceof BigInt64Array)) throw new Error('labels');
  const [batch] = info.input_shape;
  const pixels = images.length / REFCONV_STEPS;
  return new Map([
    [step.image, Tensor.float32(info.input_shape, images.slice(i * pixels, (i + 1) * pixels))],
    [step.label, Tensor.int32([batch], Array.from(labels.slice(i * batch, (i + 1) * batch), Number))],
    [step.lr, Tensor.float32([], [info.optimizer.lr])],
  ]);
}

function startingMaps(model: Model, maps: ReadonlyMap<string, string>, gold: Arrays): Map<string, Tensor> {
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

/** The training form with the weights as the session holds them, maps of the Gram form written out. */
export async function trainedForm(training: Model, step: TrainStep, session: StepSession): Promise<Model> {
  const state = await session.readState();
  const trained = new Map<string, Tensor>();
  for (const s of step.state) {
    const tensor = state.get(s.input);
    if (tensor && isWeight(s)) trained.set(s.name, fromState(s, tensor));
  }
  return withWeights(training, explicitWeights(step.gram, trained).weights);
}

/** By their key in the goldens after a step: every parameter, map and statistic of the training form. */
export function trainedValues(
  model: Model,
  step: TrainStep,
  maps: ReadonlyMap<string, string>,
): Map<string, Float32Array> {
  const values = new Map([...model.graph.initializers].map((v) => [v.name, v]));
  const inGramForm = new Set(step.gram.flatMap((l) => [l.z, l.alpha]));
  const names = step.state.filter((s) => isWeight(s) && !inGramForm.has(s.name)).map((s) => s.name);
  return new Map(
    [...names, ...step.gram.map((l) => l.map)].map((name): [string, Float32Array] => {
      const value = values.get(name);
      const got = value && constantOf(value)?.typed();
      if (!(got instanceof Float32Array)) throw new Error(name);
      return [keyOf(name, maps), got];
    }),
  );
}

/** Keys of a moment (`after10`) that {@link trainedValues} has. */
export function keysAt(gold: Arrays, when: string): string[] {
  return [...gold.keys()].filter(
    (k) => k.startsWith(`${when}.`) && !k.endsWith('.w_t') && !k.endsWith('logits'),
  );
}
