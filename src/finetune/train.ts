import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { UsageError } from '../base/errors.js';
import { PREPROCESS_KEY } from '../base/preprocess.js';
import { openTrainEval, type TrainEval } from '../data/index.js';
import { type Model, saveModel } from '../onnx/index.js';
import type { StepMemory } from '../runtime/index.js';
import { buildModel, findEntry, isUntrained, markTrained, plainName, ZOO } from '../zoo/index.js';
import type { Listener } from './events.js';
import type { TrainOptions } from './options.js';
import type { DataSummary, Evaluation } from './results.js';
import { checkOptions } from './run/check-options.js';
import { deployed } from './run/deployed.js';
import type { GroupSummary } from './run/groups.js';
import { loadChecked, resolvePreprocess } from './run/resolve.js';
import { restoreFoldedNorms } from './run/restore.js';
import { inRunFolder } from './run/session.js';
import { median } from './run/trainer.js';
import type { Workbench } from './run/workbench.js';

export interface TrainReport {
  readonly model: string;
  readonly data: DataSummary;
  readonly seed: number;
  readonly epochs: number;
  readonly device: string;
  readonly engine: string;
  /** Why this device, and why not others; empty where the CPU was asked for. */
  readonly why: readonly string[];
  readonly lowering: string;
  readonly results: { readonly trained: Evaluation };
  /** What `--group` took hold of. */
  readonly groups: readonly GroupSummary[];
  readonly stepMilliseconds: { readonly median: number; readonly count: number };
  /** What a step was expected to need, before the first one ran. */
  readonly stepMemory: StepMemory;
  readonly files: { readonly trained: string };
}

/**
 * Trains a network as it is: a zoo architecture from random weights, or an ONNX file from its own.
 * What `reparam train` does; writes `trained.onnx` and `report.json` into the run folder.
 * @throws ReparamError with what to do
 */
export async function runTrain(
  options: TrainOptions,
  listener: Listener,
  signal?: AbortSignal,
): Promise<TrainReport> {
  checkOptions(options);
  const sets = await openTrainEval(dataOf(options));
  const model = await startingModel(options, sets);
  const preprocess = await resolvePreprocess(model, options.preprocess);
  const init = { command: 'train', options, model, trained: [{ model }], sets, preprocess, listener, signal };
  return inRunFolder(init, (bench) => trainWith(bench, model, options));
}

async function trainWith(bench: Workbench, model: Model, options: TrainOptions): Promise<TrainReport> {
  const { preprocess } = bench.init;
  const base = await restoreFoldedNorms(model, bench);
  const trained = await bench.train('train', base, options.epochs);
  const result = deployed(trained.model);
  result.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess));
  if (isUntrained(result)) markTrained(result);
  const { model: accuracy } = await bench.evaluate({ model: result });
  const path = join(options.out, 'trained.onnx');
  await saveModel(result, path);
  return {
    model: options.model,
    data: bench.summary,
    seed: options.seed,
    epochs: options.epochs,
    ...bench.device,
    lowering: trained.step.lowering,
    results: { trained: accuracy },
    groups: trained.groups,
    stepMilliseconds: { median: median(trained.milliseconds), count: trained.milliseconds.length },
    stepMemory: trained.memory,
    files: { trained: path },
  };
}

function dataOf(options: TrainOptions): { data?: string; train?: string; eval?: string } {
  const { data, train, eval: evaluation } = options;
  if (data === undefined && train === undefined)
    throw new UsageError({
      problem: 'train needs labelled images',
      expected: '--data SPEC, or --train SPEC and --eval SPEC',
    });
  return { ...(data && { data }), ...(train && { train }), ...(evaluation && { eval: evaluation }) };
}

/** A zoo architecture built for the data, or the file. */
async function startingModel(options: TrainOptions, sets: TrainEval): Promise<Model> {
  const name = plainName(options.model);
  if (!ZOO.some((e) => e.name === name)) {
    if (!existsSync(options.model) && !/[./\\]/.test(options.model)) findEntry(options.model);
    if ([options.width, options.size, options.classes, options.stem].some((o) => o !== undefined))
      throw new UsageError({
        problem: '--width, --size, --classes and --stem are for zoo names',
        found: `--model ${options.model}`,
      });
    return loadChecked(options.model);
  }
  return buildModel(name, {
    seed: options.seed,
    classes: options.classes ?? sets.train.classes,
    ...(options.width === undefined ? {} : { width: options.width }),
    ...(options.size === undefined ? {} : { size: options.size }),
    ...(options.stem === undefined ? {} : { stem: options.stem }),
  });
}
