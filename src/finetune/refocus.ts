import { join } from 'node:path';
import { CheckFailedError, UsageError } from '../base/errors.js';
import { PREPROCESS_KEY } from '../base/preprocess.js';
import { openTrainEval, type TrainEvalOptions } from '../data/index.js';
import { cloneModel, loadModel, type Model, saveModel } from '../onnx/index.js';
import { expand, tensorSha256 } from '../reparam/index.js';
import { buildModel, isUntrained, markTrained, plainName, ZOO, zooProvenance } from '../zoo/index.js';
import type { Listener } from './events.js';
import type { RefocusOptions } from './options.js';
import type { RefocusReport } from './results.js';
import { checkOptions } from './run/check-options.js';
import { deployed } from './run/deployed.js';
import { checkFrozen, checkWritten } from './run/frozen.js';
import { checkKernels } from './run/gram-weights.js';
import { mapRates } from './run/map-rates.js';
import { type RefocusOutcome, refocusReport } from './run/refocus-report.js';
import { type ResolvedModel, resolveModel, resolvePreprocess } from './run/resolve.js';
import { restoreFoldedNorms } from './run/restore.js';
import { inRunFolder } from './run/session.js';
import { verifyOn } from './run/verify-run.js';
import type { Workbench } from './run/workbench.js';

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
  checkOptions(options);
  const resolved = await resolveBase(options);
  const spec = setsSpec(options, resolved);
  const sets = await openTrainEval(spec);
  const start =
    resolved.model ?? buildModel(resolved.title, { seed: options.seed, classes: sets.train.classes });
  if (isUntrained(start) && options.baselineEpochs === 0)
    throw new CheckFailedError({
      problem: `${resolved.title} is untrained: its weights are random, and refocusing starts from trained ones`,
      hint: 'train it first (reparam train), or give --baseline-epochs N',
    });
  const preprocess = await resolvePreprocess(start, options.preprocess);
  // Before any work: what cannot be expanded is refused at once.
  const { model: form } = expand(start, options);
  const plain = options.control || options.baselineEpochs > 0 ? [{ model: start }] : [];
  const init = {
    command: 'refocus',
    options,
    model: start,
    trained: [...plain, { model: form, refocusing: { form: options.form } }],
    sets,
    preprocess,
    listener,
    signal,
  };
  return inRunFolder(init, async (bench) => {
    const outcome = await refocusWith(bench, start, resolved, options);
    return refocusReport({ title: resolved.title, spec: spec.data, bench, options, outcome });
  });
}

async function refocusWith(
  bench: Workbench,
  start: Model,
  resolved: Base,
  options: RefocusOptions,
): Promise<RefocusOutcome> {
  const { preprocess, listener } = bench.init;
  const files = filesOf(options.out);
  const baseline = await trainedBase(start, bench, options);
  baseline.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess));
  await saveModel(baseline, files.baseline);
  const before = await bench.evaluate({ baseline });
  const base = await restoreFoldedNorms(baseline, bench);

  const control = options.control
    ? deployed((await bench.train('control', base, options.epochs)).model)
    : undefined;
  if (control) await saveModel(control, files.control);

  const { model: form, refused, form: structure } = expand(base, options);
  for (const r of refused)
    listener({
      type: 'log',
      level: 'warning',
      message: `${r.node} trains as a plain convolution: ${r.reason}`,
    });
  const rates = mapRates(structure, options.mapLr, options.optimizer);
  const trained = await bench.train('refocus', form, options.epochs, {
    lrFactors: rates,
    form: options.form,
  });
  const training = trained.model;
  await saveModel(training, files.training);
  await saveModel(deployed(training), files.fused);

  // Judged is what stands in the files, against the state as it left the engine.
  const written = { training: await loadModel(files.training), fused: await loadModel(files.fused) };
  const forms = { trained: trained.asTrained, written: written.training };
  const verified = await verifyOn(bench, forms, written.fused, options.tolerance, control);
  const frozen = checkFrozen(baseline, structure, written.training);
  const hashes = new Map([...trained.weights].map(([name, tensor]) => [name, tensorSha256(tensor)]));
  const problems = [
    ...frozen.problems,
    ...checkWritten(files.training, hashes, written.training),
    ...checkKernels(files.training, trained, written.training),
  ];
  return {
    files: { baseline: files.baseline, training: files.training, fused: files.fused },
    baseline: before.baseline,
    base: describeBase(baseline, resolved, options),
    form: structure,
    trained,
    rates,
    written,
    verified,
    frozen,
    problems,
  };
}

/** `--data`, `--train` and `--eval`, or the set that comes with a built-in checkpoint. */
function setsSpec(options: RefocusOptions, resolved: Base): TrainEvalOptions {
  const { train, eval: evaluation } = options;
  // A set named apart needs the other one too; --data, or the checkpoint's own set, names both.
  const data =
    options.data ?? (train === undefined || evaluation === undefined ? resolved.dataset : undefined);
  if (data === undefined && (train === undefined || evaluation === undefined))
    throw new UsageError({
      problem: `refocus of ${resolved.title} needs labelled images`,
      expected: '--data SPEC, or --train SPEC and --eval SPEC',
    });
  return {
    ...(data === undefined ? {} : { data }),
    ...(train === undefined ? {} : { train }),
    ...(evaluation === undefined ? {} : { eval: evaluation }),
  };
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

type Base = Omit<ResolvedModel, 'model'> & { readonly model: Model | undefined };

/** The checkpoint, or with `--baseline-epochs` the bare architecture of a zoo name (undefined until the classes are known). */
async function resolveBase(options: RefocusOptions): Promise<Base> {
  const name = plainName(options.model);
  if (options.baselineEpochs > 0 && ZOO.some((e) => e.name === name))
    return { model: undefined, title: name, dataset: undefined, command: undefined };
  return resolveModel(options.model);
}

/** `width 0.25, 32×32, 10 classes` and `the built-in checkpoint for shapes`. */
function describeBase(
  model: Model,
  { dataset }: Base,
  { baselineEpochs }: RefocusOptions,
): RefocusReport['base'] {
  const zoo = zooProvenance(model);
  const network = zoo ? `width ${zoo.width}, ${zoo.size}×${zoo.size}, ${zoo.classes} classes` : null;
  if (baselineEpochs > 0) return { network, origin: `trained here, ${baselineEpochs} epochs` };
  return {
    network,
    origin: dataset === undefined ? 'the checkpoint' : `the built-in checkpoint for ${dataset}`,
  };
}

/** The base that refocusing starts from: as given, or trained here first. */
async function trainedBase(start: Model, bench: Workbench, options: RefocusOptions): Promise<Model> {
  if (options.baselineEpochs === 0) return cloneModel(start);
  const { model } = await bench.train('baseline', start, options.baselineEpochs);
  if (isUntrained(model)) markTrained(model);
  return model;
}
