// One process of the side `reparam`: `node ours.js FOLDER ENGINE SPLIT`: JSON of where it runs, and 1 or 0.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { peakMemory } from '../speed/linux.js';
import { openStep, type TimedStep } from '../speed/our-step.js';
import { seriesOf } from '../speed/report.js';
import { readTask } from '../speed/task.js';
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
const engine = await createEngine(common);
const begun = performance.now();
const step = await openStep(engine, inputs, task.training, host);
const done: TimedStep[] = [await step.run()];
const start = (performance.now() - begun) / 1000;
while (done.length < task.warmup) done.push(await step.run());
const before = process.cpuUsage();
while (done.length < task.warmup + task.steps) done.push(await step.run());
const { user, system } = process.cpuUsage(before);
await step.release();
const peak = peakMemory();

const report: GpuReport = {
  ...seriesOf(done, task.warmup),
  parameters: step.parameters,
  peak,
  library: engine.name,
  how: [step.how],
  ...(splitting === '1' && {
    split: {
      kernels: device === 'webgpu' ? await profiled(host) : null,
      transfers: await transferTime(engine, { ...task, ...inputs }),
      host: (user + system) / 1000 / task.steps,
      start,
    },
  }),
};
await Promise.all([engine.close(), host.close()]);
process.stdout.write(`${JSON.stringify(report)}\n`);

/** The same step once more, on an engine that writes down what each kernel took. */
async function profiled(preparing: Engine): Promise<Split['kernels']> {
  const files = mkdtempSync(join(tmpdir(), 'reparam-profile-'));
  const profile = join(files, 'step');
  const watched = await createEngine({ ...common, profile });
  try {
    const again = await openStep(watched, inputs, task.training, preparing);
    for (let i = 0; i < PROFILED; i++) await again.run();
    await again.release();
    return kernelsOf(readProfile(profile), PROFILED);
  } finally {
    await watched.close();
    rmSync(files, { recursive: true, force: true });
  }
}
