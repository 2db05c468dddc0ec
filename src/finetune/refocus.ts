import { join } from 'node:path';
import { CheckFailedError, UsageError } from '../base/errors.js';
import { writeFileAtomic } from '../base/files.js';
import { PREPROCESS_KEY } from '../base/preprocess.js';
import { openTrainEval } from '../data/index.js';
import { cloneModel, countModel, loadModel, type Model, saveModel } from '../onnx/index.js';
import { constantOf, expand, frozenHashes, fuse, tensorSha256 } from '../reparam/index.js';
import { createEngine } from '../runtime/index.js';
import { buildModel, isUntrained, markTrained, plainName, ZOO } from '../zoo/index.js';
import type { Listener } from './events.js';
import type { RefocusOptions } from './options.js';
import type { RefocusReport } from './results.js';
import { openRunFolder } from './run/folder.js';
import { digest, runRecord, versions } from './run/record.js';
import { type ResolvedModel, resolveModel, resolvePreprocess } from './run/resolve.js';
import { restoreFoldedNorms } from './run/restore.js';
import { median } from './run/trainer.js';
import { verifyOn } from './run/verify-run.js';
import { Workbench } from './run/workbench.js';

/**
 * The main job: evaluate the checkpoint, train an equal-budget control and the refocused form, fuse, and prove on the
 * whole evaluation set that the fused model is what was trained. Writes baseline.onnx, control.onnx, training.onnx,
 * fused.onnx and report.json into the run folder.
 * @throws ReparamError with what to do; CheckFailedError when there is nothing to refocus
 */
export async function runRefocus(
  options: RefocusOptions,
  listener: Listener,
  signal?: AbortSignal,
): Promise<RefocusReport> {
  const { data, train, eval: evaluation } = options;
  const resolved = await resolveBase(options);
  // A set named apart needs the other one too; --data, or the checkpoint's own set, names both.
  const spec = data ?? (train === undefined || evaluation === undefined ? resolved.dataset : undefined);
  if (spec === undefined && (train === undefined || evaluation === undefined))
    throw new UsageError({
      problem: `refocus of ${resolved.title} needs labelled images`,
      expected: '--data SPEC, or --train SPEC and --eval SPEC',
    });
  const sets = await openTrainEval({
    ...(spec === undefined ? {} : { data: spec }),
    ...(train === undefined ? {} : { train }),
    ...(evaluation === undefined ? {} : { eval: evaluation }),
  });
  const start =
    resolved.model ?? buildModel(resolved.title, { seed: options.seed, classes: sets.train.classes });
  if (isUntrained(start) && options.baselineEpochs === 0)
    throw new CheckFailedError({
      problem: `${resolved.title} is untrained: its weights are random, and refocusing starts from trained ones`,
      hint: 'train it first (reparam train), or give --baseline-epochs N',
    });
  const preprocess = await resolvePreprocess(start, options.preprocess);
  // Before any work: what cannot be expanded is refused at once.
  expand(start, expandOptions(options));
  await openRunFolder(options.out, await runRecord('refocus', { ...options }, start, sets), options.resume);
  const engine = await createEngine({ device: options.device });
  const notes: string[] = [];
  try {
    const bench = new Workbench({ engine, sets, preprocess, options, listener, signal });
    try {
      const baseline = await trainedBase(start, bench, options);
      baseline.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess));
      const files = filesOf(options.out);
      await saveModel(baseline, files.baseline);
      const before = await bench.evaluate({ baseline });
      const base = await restoreFoldedNorms(baseline, bench, listener);

      const control = options.control
        ? fuse((await bench.train('control', base, options.epochs)).model).model
        : undefined;
      if (control) await saveModel(control, files.control);

      const expanded = expand(base, expandOptions(options));
      for (const r of expanded.refused)
        listener({
          type: 'log',
          level: 'warning',
          message: `${r.node} trains as a plain convolution: ${r.reason}`,
        });
      const refocused = await bench.train('refocus', expanded.model, options.epochs);
      const training = refocused.model;
      await saveModel(training, files.training);
      const { model: fused } = fuse(training);
      await saveModel(fused, files.fused);

      // Judged is what stands in the files, against the state as it left the engine.
      const written = { training: await loadModel(files.training), fused: await loadModel(files.fused) };
      const verified = await verifyOn(bench, training, written.fused, options.tolerance, control);
      const frozen = {
        before: kernelHashes(
          baseline,
          expanded.form.layers.map((l) => l.weight),
        ),
        after: frozenHashes(written.training),
      };
      const moved = [...frozen.before]
        .filter(([name, sha]) => frozen.after.get(name) !== sha)
        .map(([name]) => name);
      const counts = { deployed: countModel(written.fused), training: countModel(written.training) };
      if (sets.coincide)
        notes.push('training and evaluation images coincide: the accuracies say nothing about new images');
      else if (sets.shared > 0)
        notes.push(`${sets.shared} of ${sets.eval.length} evaluation images are training images too`);
      if (spec?.split(':')[0] === 'shapes')
        notes.push('generated images: this run proves the pipeline, not what RefConv gains');
      const report: RefocusReport = {
        model: resolved.title,
        data: {
          train: sets.train.name,
          eval: sets.eval.name,
          how: sets.how,
          coincide: sets.coincide,
          skipped: [...bench.skipped],
        },
        method: options.method,
        init: options.init,
        mapKernel: options.mapKernel,
        seed: options.seed,
        epochs: options.epochs,
        device: engine.device,
        engine: engine.name,
        lowering: refocused.step.lowering,
        versions: versions(engine.name),
        preprocess,
        options: { ...options },
        results: {
          baseline: before.baseline,
          control: verified.control,
          training: verified.training,
          fused: verified.fused,
        },
        verify: {
          ...verified.summary,
          equivalent: verified.summary.equivalent && moved.length === 0,
          problems: [
            ...verified.summary.problems,
            ...moved.map((name) => `frozen kernel '${name}' has changed`),
          ],
        },
        parameters: {
          deployed: counts.deployed.parameters,
          training: trainedValues(refocused.step.state, 'parameter'),
          storedState: trainedValues(refocused.step.state, 'parameter'),
          frozen: expanded.form.layers.reduce(
            (n, l) => n + (l.base.shape ?? []).reduce((a, d) => a * d, 1),
            0,
          ),
        },
        multAdds: {
          deployed: counts.deployed.multAdds,
          training: counts.training.multAdds + counts.training.weightMultAdds,
        },
        stepMilliseconds: { median: median(refocused.milliseconds), count: refocused.milliseconds.length },
        frozen: {
          tensors: frozen.after.size,
          sha256Before: digest(frozen.before),
          sha256After: digest(frozen.after),
        },
        files: { baseline: files.baseline, training: files.training, fused: files.fused },
        notes,
      };
      await writeFileAtomic(join(options.out, 'report.json'), `${JSON.stringify(report, null, 2)}\n`);
      return report;
    } finally {
      await bench.close();
    }
  } finally {
    await engine.close();
  }
}

function expandOptions({
  method,
  mapKernel,
  init,
  include,
  exclude,
  seed,
}: RefocusOptions): Parameters<typeof expand>[1] {
  return { method, mapKernel, init, include, exclude, seed };
}

function filesOf(folder: string): Readonly<Record<'baseline' | 'control' | 'training' | 'fused', string>> {
  const file = (name: string): string => join(folder, `${name}.onnx`);
  return {
    baseline: file('baseline'),
    control: file('control'),
    training: file('training'),
    fused: file('fused'),
  };
}

/** SHA-256 of kernels as they stand in the checkpoint, by name. */
function kernelHashes(model: Model, names: readonly string[]): Map<string, string> {
  const wanted = new Set(names);
  const hashes = new Map<string, string>();
  for (const value of model.graph.values()) {
    const tensor = wanted.has(value.name) ? constantOf(value) : undefined;
    if (tensor) hashes.set(value.name, tensorSha256(tensor));
  }
  return hashes;
}

type Base = Omit<ResolvedModel, 'model'> & { readonly model: Model | undefined };

/** The checkpoint, or with `--baseline-epochs` the bare architecture of a zoo name (undefined until the classes are known). */
async function resolveBase(options: RefocusOptions): Promise<Base> {
  const name = plainName(options.model);
  if (options.baselineEpochs > 0 && ZOO.some((e) => e.name === name))
    return { model: undefined, title: name, dataset: undefined, command: undefined };
  return resolveModel(options.model);
}

/** The base that refocusing starts from: as given, or trained here first. */
async function trainedBase(start: Model, bench: Workbench, options: RefocusOptions): Promise<Model> {
  if (options.baselineEpochs === 0) return cloneModel(start);
  const { model } = await bench.train('baseline', start, options.baselineEpochs);
  if (isUntrained(model)) markTrained(model);
  return model;
}

function trainedValues(
  state: readonly { readonly kind: string; readonly dims: readonly number[] }[],
  kind: string,
): number {
  return state.filter((s) => s.kind === kind).reduce((n, s) => n + s.dims.reduce((a, d) => a * d, 1), 0);
}
