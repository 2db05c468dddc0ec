/** Zoo networks through the whole path: a training step, RefConv's expansion, fusing. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { presetPreprocess } from '../../src/base/preprocess.js';
import { randomFor } from '../../src/base/random.js';
import { chooseLowering, type LoweringChoice } from '../../src/finetune/lowering/choose.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { type Model, Tensor } from '../../src/onnx/index.js';
import { expand, fuse, verify } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel, type ZooOptions } from '../../src/zoo/index.js';

const SIZE = 32;
const BATCH = 8;

const CASES: readonly (readonly [string, ZooOptions])[] = [
  ['resnet18', { width: 0.125 }],
  ['resnet18', { width: 0.125, zeroGamma: true }],
  ['resnet34', { width: 0.125 }],
  ['resnet50', { width: 0.125 }],
  ['resnet50', { width: 0.125, variant: 'v1' }],
  ['mobilenetv3large', { width: 0.25 }],
  ['mobilenetv3small', { width: 0.25 }],
];

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

/** Losses of a fixed batch: before the first step, before the second. */
async function losses(model: Model, lowering: LoweringChoice): Promise<number[]> {
  const prepared = await prepareTraining(model, { batch: BATCH, image: [3, SIZE, SIZE], engine });
  const step = buildTrainStep(prepared, {
    preprocess: presetPreprocess('imagenet', SIZE),
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
    weightDecay: 0,
    decayAll: false,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn: 'train',
    lowering: await chooseLowering(engine, lowering),
  });
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  const random = randomFor(0, 'test batch');
  const images = Uint8Array.from({ length: BATCH * 3 * SIZE * SIZE }, () => random.int(256));
  const labels = Int32Array.from({ length: BATCH }, () => random.int(10));
  const found: number[] = [];
  try {
    for (let i = 0; i < 2; i++) {
      const out = await session.step(
        new Map([
          [step.image, Tensor.uint8([BATCH, 3, SIZE, SIZE], images)],
          [step.label, Tensor.int32([BATCH], labels)],
          [step.lr, Tensor.float32([], [0.02])],
        ]),
      );
      found.push(Number(out.get(step.loss)?.typed()[0]));
    }
  } finally {
    await session.release();
  }
  return found;
}

describe.each(CASES)('%s %j', (name, options) => {
  const model = buildModel(name, { ...options, size: SIZE, classes: 10 });

  test('a training step lowers the loss of its batch', async () => {
    const [before, after] = await losses(model, 'portable');
    expect(before).toBeGreaterThan(0);
    expect(after).toBeLessThan(before);
    // The engine's own layout, where it has one.
    const [same, lower] = await losses(model, 'auto');
    expect(Math.abs(same - before)).toBeLessThan(1e-4 * before);
    expect(lower).toBeLessThan(same);
  });

  test('expanded from zero it is the same function, and fused it is the expanded one', async () => {
    const zero = expand(model, { init: 'zero' });
    expect(zero.refused).toEqual([]);
    expect((await verify(model, zero.model, engine)).equivalent).toBe(true);
    const { model: training } = expand(model, { init: 'xavier' });
    const report = await verify(training, fuse(training).model, engine);
    expect(report).toMatchObject({ equivalent: true });
    expect(report.maxRelative).toBeLessThan(1e-5);
    expect((await verify(model, training, engine)).equivalent).toBe(false);
  });
});
