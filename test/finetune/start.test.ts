import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { createEvaluator } from '../../src/finetune/evaluate/evaluator.js';
import { resolvePreprocess } from '../../src/finetune/run/resolve.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { normalize } from '../../src/finetune/step/input.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { type Model, Tensor } from '../../src/onnx/index.js';
import { constantOf, expand, setConstant, trainables } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { difference } from '../support/close.js';

const BATCH = 3;
const IMAGE = [3, 32, 32] as const;
const random = randomFor('start of refocusing');

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

/** A network as if trained: running statistics, scales and shifts away from their start. */
function checkpoint(name: string): Model {
  const model = buildModel(name, {
    size: 32,
    classes: 10,
    seed: 5,
    ...(name === 'mobilenetv2' && { width: 0.35 }),
  });
  const { trainable, buffers } = trainables(model);
  for (const value of [...trainable, ...buffers]) {
    const tensor = constantOf(value);
    if (tensor?.dims.length !== 1) continue;
    const positive = /var|weight|gamma|scale/.test(value.name);
    const data = Float32Array.from({ length: tensor.size }, () =>
      positive ? 0.7 + 0.6 * random.next() : 0.2 * random.normal(),
    );
    setConstant(value, Tensor.float32(tensor.dims, data));
  }
  return model;
}

const pixels = Uint8Array.from({ length: BATCH * IMAGE[0] * IMAGE[1] * IMAGE[2] }, () => random.int(256));

function floats(t: Tensor | undefined): Float32Array {
  const data = t?.typed();
  if (data instanceof Float32Array) return data;
  throw new Error('no float32 output');
}

/** The file as any runtime runs it. */
async function plainLogits(model: Model): Promise<Float32Array> {
  const session = await engine.session(model);
  const preprocess = await resolvePreprocess(model, undefined);
  const input = normalize(pixels, [BATCH, ...IMAGE], preprocess);
  const out = await session.run(new Map([[session.inputNames[0], input]]));
  await session.release();
  return floats(out.get(session.outputNames[0]));
}

/** Before the first update, through the train step with the checkpoint's BatchNormalization. */
async function stepLogits(model: Model): Promise<Float32Array> {
  const prepared = await prepareTraining(model, { batch: BATCH, image: IMAGE, engine });
  const step = buildTrainStep(prepared, {
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
    weightDecay: 0,
    decayAll: false,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn: 'frozen',
    preprocess: await resolvePreprocess(model, undefined),
    probes: true,
  });
  const logits = step.probes.get('logits') ?? '';
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: [logits],
  });
  const out = await session.step(
    new Map([
      [step.image, Tensor.uint8([BATCH, ...IMAGE], pixels)],
      [step.label, Tensor.int32([BATCH], [1, 0, 7])],
      [step.lr, Tensor.float32([], [0.1])],
    ]),
  );
  await session.release();
  return floats(out.get(logits));
}

async function evaluatorLogits(model: Model): Promise<Float32Array> {
  const preprocess = await resolvePreprocess(model, undefined);
  const evaluator = await createEvaluator(model, { engine, batch: BATCH, image: IMAGE, preprocess });
  const { logits } = await evaluator.run(pixels);
  await evaluator.release();
  return logits;
}

/** Largest difference ÷ largest logit. */
function relative(actual: Float32Array, expected: Float32Array): number {
  const { max, scale } = difference(actual, expected);
  return max / scale;
}

for (const name of ['resnet20', 'mobilenetv2'])
  describe(`the start of refocusing ${name}`, () => {
    const base = checkpoint(name);

    test('zero maps: the step and the evaluator give the logits of the checkpoint', async () => {
      const expected = await plainLogits(base);
      const { model, form } = expand(base, { method: 'refconv', init: 'zero' });
      expect(form.layers.length).toBeGreaterThan(10);
      expect(relative(await stepLogits(model), expected)).toBeLessThanOrEqual(1e-6);
      expect(relative(await evaluatorLogits(model), expected)).toBeLessThanOrEqual(1e-6);
    });

    test('Xavier maps do not, and step and evaluator agree on what they give', async () => {
      const expected = await plainLogits(base);
      const { model } = expand(base, { method: 'refconv', init: 'xavier', seed: 1 });
      const evaluated = await evaluatorLogits(model);
      expect(relative(evaluated, expected)).toBeGreaterThan(1e-3);
      expect(relative(await stepLogits(model), evaluated)).toBeLessThanOrEqual(1e-6);
    });
  });
