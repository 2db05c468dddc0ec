// One process of `--paired`: `node paired.js FOLDER`. Plain training and refocusing, a step of each in turn, so that whatever
// slows the machine or this process slows both. The order within a pair alternates.
import { setTimeout } from 'node:timers/promises';
import { createEngine } from '../../src/runtime/index.js';
import { TRAININGS, type Training } from './cases.js';
import { peakMemory } from './linux.js';
import { openStep, type TimedStep } from './our-step.js';
import { type PairReport, seriesOf } from './report.js';
import { readTask } from './task.js';

/**
 * Milliseconds before each step. A session's idle threads spin for some tens of milliseconds after a step, and would take a
 * core from the other session's.
 */
const REST = 100;

const inputs = readTask(process.argv[2]);
const { task } = inputs;
const engine = await createEngine({ device: 'cpu', threads: task.threads });
const plain = await openStep(engine, inputs, 'plain');
const refocus = await openStep(engine, inputs, 'refocus');
const steps = { plain, refocus };
const done: Record<Training, TimedStep[]> = { plain: [], refocus: [] };
for (let i = 0; i < task.warmup + task.steps; i++)
  for (const training of i % 2 === 0 ? TRAININGS : TRAININGS.toReversed()) {
    await setTimeout(REST);
    done[training].push(await steps[training].run());
  }
const report: PairReport = {
  plain: seriesOf(done.plain, task.warmup),
  refocus: seriesOf(done.refocus, task.warmup),
  peak: peakMemory(),
  library: engine.name,
  how: [plain.how, refocus.how],
};
await plain.release();
await refocus.release();
await engine.close();
process.stdout.write(`${JSON.stringify(report)}\n`);
