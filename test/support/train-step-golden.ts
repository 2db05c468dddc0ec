import { readFileSync } from 'node:fs';
import { expect } from 'vitest';
import { lossOf } from '../../src/finetune/losses/table.js';
import type { Lowering } from '../../src/finetune/lowering/lowering.js';
import { buildTrainStep, type TrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { fromState, isWeight } from '../../src/finetune/step/state.js';
import { loadModel, Tensor } from '../../src/onnx/index.js';
import type { Engine } from '../../src/runtime/index.js';
import { type ArrayData, readSafetensors } from './arrays.js';
import { difference, expectClose, relativeL2 } from './close.js';
import { labelOf, lossOptionsOf, optimizerOf, type StepInfo } from './golden-step.js';
import { golden } from './goldens.js';

/** All networks of the goldens of train steps. */
export const TRAIN_STEP_NETS = [
  'convs',
  'mbv2_bn_relu6',
  'resnet_nesterov',
  'repvgg',
  'pools',
  'mbv3_label_smoothing',
  'activations',
  'layernorm_gemm',
  'lrn_dropout',
  'efficientnet_mixup',
  'mbv2_adamw',
  'convs_adam_l2',
  'repvgg_rmsprop_mse',
  'se_split_shuffle',
  'shared_weights',
  'segmentation',
];

function floats(a: ArrayData | undefined): Float32Array | Float64Array {
  if (a?.data instanceof Float32Array || a?.data instanceof Float64Array) return a.data;
  throw new Error('no such float tensor in the goldens');
}

/**
 * Five steps of a golden network on an engine, compared with PyTorch's.
 * @param factor how many times PyTorch's own distance to float64 that of the first step's gradients may be
 */
export async function checkTrainSteps(
  net: string,
  engine: Engine,
  lowering: Lowering,
  factor = 4,
): Promise<void> {
  const folder = (file: string): string => golden('train-step', net, file);
  const info: StepInfo = JSON.parse(readFileSync(folder('info.json'), 'utf8'));
  const gold = readSafetensors(folder('golden.safetensors'));
  const gold64 = readSafetensors(folder('golden64.safetensors'));
  const data = readSafetensors(folder('batch.safetensors'));
  const model = await loadModel(folder('forward_train.onnx'));
  const [batch, ...image] = info.input_shape;
  const mask = data.get('mask');
  const fixed = new Map(mask ? [['mask', Tensor.float32(mask.dims, Float32Array.from(floats(mask)))]] : []);
  const loss = lossOptionsOf(info);
  const prepared = await prepareTraining(model, {
    batch,
    image,
    engine,
    fixed,
    judges: lossOf(loss).judges,
  });
  const step = buildTrainStep(prepared, {
    optimizer: optimizerOf(info),
    weightDecay: info.optimizer.weight_decay ?? 0,
    decayAll: true,
    loss,
    bn: 'train',
    form: 'explicit',
    lowering,
    probes: true,
  });
  expect(step.lowering).toBe(lowering.name);
  const domains = new Set(step.model.graph.nodes.map((n) => n.domain));
  expect([...domains], 'operators that the runtime has').toEqual(
    lowering.name === 'blocked' ? expect.arrayContaining(['', 'com.microsoft.nchwc']) : [''],
  );
  expect(
    step.state
      .filter((s) => s.kind === 'parameter')
      .map((s) => s.name)
      .sort(),
  ).toEqual([...info.parameters].sort());
  const feeds = new Map([
    [step.image, Tensor.float32(info.input_shape, Float32Array.from(floats(data.get('input'))))],
    [step.label, labelOf(info, data)],
    [step.lr, Tensor.float32([], [info.optimizer.lr])],
  ]);
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: [...step.fetch, ...step.probes.values()],
  });
  const losses: number[] = [];
  for (let i = 0; i < 5; i++) {
    const out = await session.step(feeds);
    losses.push(Number(out.get(step.loss)?.typed()[0]));
    if (i === 0) checkFirst(step, out, gold, gold64, new Set(info.zero_gradients), factor);
  }
  expectClose(
    losses,
    Array.from(floats(gold.get('losses'))).slice(0, 5),
    { absolute: 1e-5, relative: 1e-5 },
    'losses',
  );
  const state = await session.readState();
  for (const s of step.state) {
    if (!isWeight(s)) continue;
    const tensor = state.get(s.input);
    const got = tensor && fromState(s, tensor).typed();
    if (!(got instanceof Float32Array)) throw new Error(s.name);
    // The README's bounds: for five SGD steps float32 against float64 is at most 6e-6; Adam makes a step of full size
    // of the rounding noise in a gradient that is 0 (the biases that a normalization removes).
    const absolute = net === 'mbv2_adamw' ? 5e-4 : 1e-5;
    expectClose(
      got,
      floats(gold.get(`after5.${s.name}`)),
      { absolute, relative: 1e-5 },
      `after 5 steps: ${s.name}`,
    );
  }
  await session.release();
}

function checkFirst(
  step: TrainStep,
  out: ReadonlyMap<string, Tensor>,
  gold: ReadonlyMap<string, ArrayData>,
  gold64: ReadonlyMap<string, ArrayData>,
  zero: ReadonlySet<string>,
  factor: number,
): void {
  for (const [name, output] of step.probes) {
    const key =
      name === 'logits' ? 'step1.logits' : name === step.image ? 'step1.grad_input' : `step1.grad.${name}`;
    const got = out.get(output)?.typed();
    if (!(got instanceof Float32Array)) throw new Error(name);
    const torch = floats(gold.get(key));
    expectClose(got, torch, { absolute: 2e-5, relative: 1e-4 }, key);
    const exact = gold64.get(key);
    if (!exact || zero.has(name)) continue;
    const ours = relativeL2(got, floats(exact));
    const theirs = relativeL2(torch, floats(exact));
    // With a floor of 1e-6.
    expect(ours, `${key}: relative L2 distance to float64 (PyTorch: ${theirs})`).toBeLessThanOrEqual(
      Math.max(factor * theirs, 1e-6),
    );
    expect(Number.isFinite(difference(got, torch).max)).toBe(true);
  }
}
