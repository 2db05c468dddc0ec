import { afterAll, beforeAll, expect, test } from 'vitest';
import { parallelLowering } from '../../src/finetune/lowering/parallel/index.js';
import { buildTrainStep, type TrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { expand } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { matrixProducts } from '../support/products.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
});
afterAll(() => engine.close());

/** Steps that are built, and never run: what WebGPU starts for a graph is known without one. */
async function stepOf(name: string, batch: number, refocused: boolean): Promise<TrainStep> {
  const model = buildModel(name, { seed: 1 });
  const form = refocused ? expand(model, { init: 'xavier' }).model : model;
  const prepared = await prepareTraining(form, { batch, image: [3, 224, 224], engine });
  return buildTrainStep(prepared, {
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
    weightDecay: 1e-4,
    decayAll: false,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn: 'train',
    lowering: parallelLowering,
  });
}

/** Pixels of one image in the largest maps of these networks after their first stride: the longest sum that a product keeps. */
const IMAGE = 112 * 112;

test.each([
  ['resnet50', 64, false],
  ['resnet18', 256, true],
  ['mobilenetv2', 64, true],
] as const)(
  'sums of %s, %i images (refocused: %s), are of one image, or fill a card with tiles',
  async (name, batch, refocused) => {
    const step = await stepOf(name, batch, refocused);
    const products = matrixProducts(step.model.graph);
    expect(products.filter(({ tiles, terms }) => terms > IMAGE && tiles < 512)).toEqual([]);
    expect(step.model.graph.nodes.filter((n) => n.opType === 'MatMul').length).toBeGreaterThan(30);
  },
);

test('a step of MobileNetV2 has an update for its small parameters, and not one for each', async () => {
  const step = await stepOf('mobilenetv2', 2, false);
  const small = step.state.filter((s) => s.kind === 'parameter' && s.initial.size <= 1 << 14);
  const updates = step.model.graph.nodes.filter((n) => /(^|\/)next(_\d+)?$/.test(n.name));
  const parameters = step.state.filter((s) => s.kind === 'parameter');
  expect(small.length).toBeGreaterThan(100);
  // Of those with weight decay, of those without, and of each large one.
  expect(updates.length).toBe(parameters.length - small.length + 2);
});
