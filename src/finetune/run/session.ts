import { join } from 'node:path';
import { writeFileAtomic } from '../../base/files.js';
import type { Preprocess } from '../../base/preprocess.js';
import type { TrainEval } from '../../data/index.js';
import type { Model } from '../../onnx/index.js';
import type { Listener } from '../events.js';
import type { DataOptions, OptimOptions, RunOptions } from '../options.js';
import { checkImages } from './check-images.js';
import { deviceEngine, hostEngine } from './engine.js';
import { openRunFolder } from './folder.js';
import { checkGroups } from './groups.js';
import { runRecord } from './record.js';
import { loadTeacher } from './teacher.js';
import { type RefocusingOptions, Workbench } from './workbench.js';

export interface RunInit {
  readonly command: string;
  readonly options: OptimOptions & DataOptions & RunOptions;
  /** What the run starts from. */
  readonly model: Model;
  /** What will be trained, as far as it is known before anything runs. */
  readonly trained: readonly { readonly model: Model; readonly refocusing?: RefocusingOptions }[];
  readonly sets: TrainEval;
  readonly preprocess: Preprocess;
  readonly listener: Listener;
  readonly signal: AbortSignal | undefined;
}

/**
 * Starts engines and a workbench, makes sure that what is to be trained can be, opens the run's folder, and closes all
 * whatever happens. What `work` returns is written as `report.json`, last: a folder without one holds an unfinished run.
 * @throws as {@link Workbench.check} and {@link openRunFolder}, before the folder has been touched
 */
export async function inRunFolder<Report>(
  { command, options, model, trained, sets, preprocess, listener, signal }: RunInit,
  work: (bench: Workbench) => Promise<Report>,
): Promise<Report> {
  await checkImages(sets.eval, preprocess);
  checkGroups(
    options.group,
    trained.map((t) => t.model),
  );
  const teacher = options.distill === undefined ? undefined : await loadTeacher(options.distill, preprocess);
  const host = await hostEngine(options);
  try {
    const bench = new Workbench({ host, sets, preprocess, teacher, options, listener, signal });
    try {
      const needs: number[] = [];
      for (const each of trained) needs.push(await bench.need(each.model, each.refocusing));
      const [{ model: last, refocusing }] = trained.slice(-1);
      // Blocked kernels are the CPU's.
      const asked = options.lowering === 'blocked' && options.device === 'auto' ? 'cpu' : options.device;
      const trial = bench.trialOf(last, refocusing);
      await bench.runOn(await deviceEngine(host, { ...options, device: asked }, trial, listener));
      for (const [i, each] of trained.entries()) await bench.check(each.model, each.refocusing, needs[i]);
      const { threads } = host;
      const record = await runRecord({
        command,
        options: { ...options },
        model,
        sets,
        preprocess,
        teacher: teacher?.model,
        threads,
      });
      bench.begin(await openRunFolder(options.out, record, options));
      const report = await work(bench);
      await writeFileAtomic(join(options.out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
      return report;
    } finally {
      await bench.close();
    }
  } finally {
    await host.close();
  }
}
