import { afterAll, beforeAll, describe } from 'vitest';
import { portableLowering } from '../../src/finetune/lowering/portable/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { goldenTest, haveGoldens } from '../support/goldens.js';
import { checkRefconvSteps } from '../support/refconv-steps.js';
import { checkTrainSteps, TRAIN_STEP_NETS } from '../support/train-step-golden.js';

let [host, engine]: Engine[] = [];
if (haveGoldens) {
  beforeAll(async () => {
    [host, engine] = await Promise.all([createEngine({ threads: 1 }), createEngine({ engine: 'tfjs' })]);
  }, 60_000);
  afterAll(() => Promise.all([host.close(), engine.close()]));
}

/**
 * The plain backend, which CI has, keeps to the bound of every engine. TensorFlow's kernels (2.21 on the CPU, with oneDNN
 * and without) made gradients of `pools` up to 5.5 times as inexact as PyTorch's, all others up to 4 times.
 */
const factor = (): number => (engine.name.startsWith('@tensorflow/tfjs ') ? 4 : 8);

describe('a train step on TensorFlow.js against PyTorch', () => {
  for (const net of TRAIN_STEP_NETS)
    goldenTest(net, () => checkTrainSteps(net, engine, portableLowering, factor()), 180_000);
});

/** As for other engines that sum in another order, with the kinks of ReLU6 in between. */
const RELATIVE = 1e-3;

describe('refocusing for ten steps on TensorFlow.js against PyTorch', () => {
  // Depthwise in the Gram form, and dense.
  for (const net of ['mobilenet_v2_narrow', 'resnet_narrow'])
    goldenTest(net, () => checkRefconvSteps(net, host, engine, RELATIVE), 180_000);
});
