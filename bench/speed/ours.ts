// One process of the side `reparam`: `node ours.js FOLDER`. The step is built as src/finetune/run/workbench.ts builds it
// and fed as run/trainer.ts feeds it. Maps train at the published rate: the peer has no other.

import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { Tensor } from '../../src/onnx/index.js';
import { createEngine } from '../../src/runtime/index.js';
import { trainedForm } from './cases.js';
import { elsewhere, peakMemory } from './linux.js';
import type { ProcessReport } from './report.js';
import { readTask } from './task.js';

const [folder] = process.argv.slice(2);
const { task, images, labels } = readTask(folder);
const { batch, image, preprocess, momentum, weightDecay, threads } = task;

const engine = await createEngine({ device: 'cpu', threads });
const prepared = await prepareTraining(trainedForm(task.network, task.form), { batch, image, engine });
const step = buildTrainStep(prepared, {
  preprocess,
  optimizer: { kind: 'sgd', momentum, nesterov: false },
  weightDecay,
  decayAll: false,
  loss: { kind: 'cross-entropy', labelSmoothing: 0 },
  bn: 'train',
});
const session = await engine.stepSession(step.model, {
  state: step.state,
  initial: new Map(step.state.map((s) => [s.input, s.initial])),
  fetch: step.fetch,
});

const milliseconds: number[] = [];
const others: (number | null)[] = [];
const losses: (number | null)[] = [];
for (let i = 0; i < task.warmup + task.steps; i++) {
  const before = elsewhere();
  const start = performance.now();
  const out = await session.step(
    new Map([
      [step.image, Tensor.uint8([batch, ...image], images)],
      [step.label, Tensor.int32([batch], labels)],
      [step.lr, Tensor.float32([], [task.lr])],
    ]),
  );
  const loss = Number(out.get(step.loss)?.typed()[0]);
  const took = performance.now() - start;
  const after = elsewhere();
  losses.push(Number.isFinite(loss) ? loss : null);
  if (i < task.warmup) continue;
  milliseconds.push(took);
  others.push(before === undefined || after === undefined ? null : Math.max(0, after - before));
}

const report: ProcessReport = {
  milliseconds,
  elsewhere: others,
  losses,
  parameters: step.parameters.training,
  peak: peakMemory(),
  library: engine.name,
};
await session.release();
await engine.close();
process.stdout.write(`${JSON.stringify(report)}\n`);
