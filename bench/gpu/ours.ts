// One process of the side `reparam`: `node ours.js FOLDER ENGINE SPLIT`: JSON of where it runs, and 1 or 0.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine } from '../../src/runtime/index.js';
import { peakMemory } from '../speed/linux.js';
import { openStep, type TimedStep } from '../speed/our-step.js';
import { seriesOf } from '../speed/report.js';
import { readTask } from '../speed/task.js';
import { watchMemory } from './device-memory.js';
import { enginePlace } from './place.js';
import { kernelsOf, readProfile } from './profile.js';
import type { GpuReport, Split } from './report.js';
import { transferTime } from './transfers.js';

/** Runs of a profiled step; the first is left out. */
const PROFILED = 4;

const [folder, place, splitting] = process.argv.slice(2);
const { device, ...how } = enginePlace.parse(JSON.parse(place));
const inputs = readTask(folder);
const { task } = inputs;
const common = { device, ...how, threads: task.threads };

const host = await createEngine({ threads: task.threads });
// The card's memory is that of training alone: what follows would come on top.
const {
  result: { spent, ...trained },
  mebibytes: card,
} = await watchMemory(train);
const report: GpuReport = { ...trained, card, ...(splitting === '1' && { split: await splitOf(spent) }) };
await host.close();
process.stdout.write(`${JSON.stringify(report)}\n`);

interface Trained extends Omit<GpuReport, 'split' | 'card'> {
  readonly spent: Pick<Split, 'host' | 'start'>;
}

async function train(): Promise<Trained> {
  const engine = await createEngine(common);
  try {
    const begun = performance.now();
    const step = await openStep(engine, inputs, task.training, host);
    const done: TimedStep[] = [await step.run()];
    const start = (performance.now() - begun) / 1000;
    while (done.length < task.warmup) done.push(await step.run());
    const before = process.cpuUsage();
    while (done.length < task.warmup + task.steps) done.push(await step.run());
    const { user, system } = process.cpuUsage(before);
    await step.release();
    return {
      ...seriesOf(done, task.warmup),
      parameters: step.parameters,
      peak: peakMemory(),
      library: engine.name,
      how: [step.how],
      spent: { host: (user + system) / 1000 / task.steps, start },
    };
  } finally {
    await engine.close();
  }
}

async function splitOf(spent: Trained['spent']): Promise<Split> {
  const engine = await createEngine(common);
  try {
    const transfers = await transferTime(engine, { ...task, ...inputs });
    return { ...spent, transfers, kernels: device === 'webgpu' ? await profiled() : null };
  } finally {
    await engine.close();
  }
}

/** The same step once more, on an engine that writes down what each kernel took. */
async function profiled(): Promise<Split['kernels']> {
  const files = mkdtempSync(join(tmpdir(), 'reparam-profile-'));
  const profile = join(files, 'step');
  const engine = await createEngine({ ...common, profile });
  try {
    const step = await openStep(engine, inputs, task.training, host);
    for (let i = 0; i < PROFILED; i++) await step.run();
    await step.release();
    return kernelsOf(readProfile(profile), PROFILED);
  } finally {
    await engine.close();
    rmSync(files, { recursive: true, force: true });
  }
}
