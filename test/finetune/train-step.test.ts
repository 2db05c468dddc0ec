import { afterAll, beforeAll, describe } from 'vitest';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { goldenTest, haveGoldens } from '../support/goldens.js';
import { checkTrainSteps, TRAIN_STEP_NETS } from '../support/train-step-golden.js';

let engine: Engine;
if (haveGoldens) {
  beforeAll(async () => {
    engine = await createEngine();
  });
  afterAll(() => engine.close());
}

describe.each(['portable', 'parallel', 'blocked'] as const)('a train step against PyTorch, %s', (choice) => {
  for (const net of TRAIN_STEP_NETS)
    goldenTest(net, async () => checkTrainSteps(net, engine, await chooseLowering(engine, choice)));
});
