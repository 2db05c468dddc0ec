import { afterAll, beforeAll, describe } from 'vitest';
import { portableLowering } from '../../src/finetune/lowering/portable/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { goldenTest, haveGoldens } from '../support/goldens.js';
import { checkTrainSteps, TRAIN_STEP_NETS } from '../support/train-step-golden.js';

let engine: Engine;
if (haveGoldens) {
  beforeAll(async () => {
    engine = await createEngine({ engine: 'tfjs' });
  }, 60_000);
  afterAll(() => engine.close());
}

describe('a train step on TensorFlow.js against PyTorch', () => {
  for (const net of TRAIN_STEP_NETS)
    goldenTest(net, () => checkTrainSteps(net, engine, portableLowering), 180_000);
});
