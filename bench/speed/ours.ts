// One process of the side `reparam`: `node ours.js FOLDER`.
import { createEngine } from '../../src/runtime/index.js';
import { peakMemory } from './linux.js';
import { openStep, type TimedStep } from './our-step.js';
import { type ProcessReport, seriesOf } from './report.js';
import { readTask } from './task.js';

const inputs = readTask(process.argv[2]);
const { task } = inputs;
const engine = await createEngine({ device: 'cpu', threads: task.threads });
const step = await openStep(engine, inputs, task.training);
const done: TimedStep[] = [];
for (let i = 0; i < task.warmup + task.steps; i++) done.push(await step.run());
const report: ProcessReport = {
  ...seriesOf(done, task.warmup),
  parameters: step.parameters,
  peak: peakMemory(),
  library: engine.name,
  how: [step.how],
};
await step.release();
await engine.close();
process.stdout.write(`${JSON.stringify(report)}\n`);
