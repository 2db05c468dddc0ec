/** Steps of the zoo's networks hold nothing that the engine refuses; nothing runs here. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildTrainStep } from '../../../src/finetune/step/build.js';
import { prepareTraining } from '../../../src/finetune/step/prepare.js';
import { expand } from '../../../src/reparam/index.js';
import { createEngine, type Engine } from '../../../src/runtime/index.js';
import { checkSupported } from '../../../src/runtime/tfjs/check.js';
import { buildModel, type ZooOptions } from '../../../src/zoo/index.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 1 });
}, 60_000);
afterAll(() => engine.close());

/** Families whose operators are their own: layer scale and normalization, gates, partial convolutions, shuffles. */
const NETS: readonly (readonly [string, ZooOptions & { readonly size: number }])[] = [
  ['convnexttiny', { width: 0.06, size: 32 }],
  ['efficientnetb0', { width: 0.1, size: 32 }],
  ['fasternett0', { width: 0.2, size: 64 }],
  ['mobilenetv3small', { width: 0.25, size: 32 }],
  ['shufflenetv1g3', { size: 32 }],
];

test.each(NETS)(
  '%s',
  async (name, options) => {
    const plain = buildModel(name, options);
    checkSupported(plain);
    const { model } = expand(plain, { init: 'zero' });
    const prepared = await prepareTraining(model, {
      batch: 2,
      image: [3, options.size, options.size],
      engine,
    });
    const step = buildTrainStep(prepared, {
      optimizer: { kind: 'adamw', betas: [0.9, 0.999], epsilon: 1e-8 },
      weightDecay: 1e-4,
      decayAll: false,
      loss: { kind: 'cross-entropy', labelSmoothing: 0.1 },
      bn: 'train',
      dropout: 'train',
      clip: { norm: 1, value: 1 },
      average: { decay: 0.9, warmup: true },
      accumulate: 2,
    });
    expect(step.lowering).toBe('portable');
    checkSupported(step.model);
  },
  60_000,
);
