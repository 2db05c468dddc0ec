import { afterAll, beforeAll, expect, test } from 'vitest';
import { presetPreprocess } from '../../src/base/preprocess.js';
import { parallelLowering } from '../../src/finetune/lowering/parallel/index.js';
import { buildTrainStep, type TrainStepOptions } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { prepareTeacher } from '../../src/finetune/step/teacher.js';
import { Graph, GraphBuilder, Model, tensorType } from '../../src/onnx/index.js';
import { expand } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { misplacedNodes } from '../../src/runtime/ort/placement.js';
import { buildModel } from '../../src/zoo/index.js';
import { describeWebgpu } from '../support/webgpu/test.js';

const BATCH = 4;

const PLAIN = {
  optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
  weightDecay: 1e-4,
  decayAll: false,
  loss: { kind: 'cross-entropy', labelSmoothing: 0.1 },
  bn: 'train',
  lowering: parallelLowering,
} as const satisfies TrainStepOptions;

const ADAM = {
  ...PLAIN,
  optimizer: { kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8 },
  clip: { value: 1, norm: 1 },
  average: { decay: 0.999, warmup: true },
  accumulate: 2,
} as const satisfies TrainStepOptions;

/** Network, side of its images, whether it is refocused, options. MobileNetV3 has dropout. */
const STEPS: readonly (readonly [string, number, boolean, TrainStepOptions])[] = [
  ['mobilenetv2', 32, true, PLAIN],
  ['mobilenetv3large', 64, true, PLAIN],
  ['mobilenetv3small', 64, false, ADAM],
  ['resnet18', 64, true, PLAIN],
  ['resnet50', 64, false, PLAIN],
  ['resnet20', 32, true, ADAM],
];

describeWebgpu('placement on WebGPU', () => {
  let host: Engine;
  beforeAll(async () => {
    host = await createEngine({ threads: 1 });
  });
  afterAll(() => host.close());

  test('a node that the provider does not take is named', async () => {
    const graph = new Graph('sign');
    const b = new GraphBuilder(graph, 20);
    const x = graph.addInput('x', tensorType('float32', [4]));
    graph.addOutput(b.op('Add', [b.op('Sign', [x], {}, { name: 'the sign' }), x]));
    expect(await misplacedNodes(new Model(graph, 20), 'webgpu')).toEqual([{ op: 'Sign', node: 'the sign' }]);
  });

  test.each(STEPS)(
    'the provider takes every node of a step of %s at %d pixels (refocused: %s)',
    async (...at) => {
      const [name, side, refocused, options] = at;
      const model = buildModel(name, { width: 0.25, size: side, classes: 10, seed: 1 });
      const fixed = { batch: BATCH, image: [3, side, side], engine: host };
      const prepared = await prepareTraining(
        refocused ? expand(model, { init: 'xavier' }).model : model,
        fixed,
      );
      const teacher = await prepareTeacher(
        { model: buildModel('resnet20', { width: 0.25, size: side, classes: 10, seed: 2 }) },
        fixed,
      );
      const step = buildTrainStep(prepared, {
        ...options,
        preprocess: presetPreprocess('cifar10', side),
        ...(options === ADAM && { distill: { teacher, temperature: 4, weight: 0.5 } }),
      });
      expect(await misplacedNodes(step.model, 'webgpu')).toEqual([]);
    },
  );
});
