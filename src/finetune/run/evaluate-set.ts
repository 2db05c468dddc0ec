import { CheckFailedError } from '../../base/errors.js';
import type { Preprocess } from '../../base/preprocess.js';
import { type Dataset, Loader } from '../../data/index.js';
import type { Model } from '../../onnx/index.js';
import type { Engine } from '../../runtime/index.js';
import { Accuracy } from '../evaluate/accuracy.js';
import { createEvaluator, type Evaluator } from '../evaluate/evaluator.js';
import type { Listener } from '../events.js';
import type { Evaluation } from '../results.js';
import { checkClasses } from './resolve.js';

export interface EvaluateSetOptions {
  readonly engine: Engine;
  /** What prepares graphs. Default: the engine. */
  readonly host?: Engine;
  readonly set: Dataset;
  readonly preprocess: Preprocess;
  readonly batch: number;
  readonly strict: boolean;
  readonly workers: number;
  /** Names of outputs that are not judged, where a model has them. */
  readonly auxiliary?: readonly string[];
  readonly listener: Listener;
  readonly signal?: AbortSignal;
}

/** What the same images gave to several models. */
export interface BatchOutputs {
  /** Rows that are images; the rest is filler. */
  readonly count: number;
  /** Per model, in the order given: logits and, after a trailing Softmax, the output. */
  readonly outputs: readonly {
    readonly logits: Float32Array;
    readonly output: Float32Array;
    readonly classes: number;
  }[];
}

/**
 * Evaluates models in one pass over a set, single crop, no augmentation.
 * @param each called with every batch's outputs
 * @throws CheckFailedError when a model's scores are not finite; InputError when a label is no output of a model
 */
export async function evaluateSet<Name extends string>(
  models: Readonly<Record<Name, Model>>,
  options: EvaluateSetOptions,
  each?: (batch: BatchOutputs) => void,
): Promise<Readonly<Record<Name, Evaluation>>> {
  const { set, listener, signal } = options;
  const names = Object.keys(models).filter((n): n is Name => n in models);
  const loader = new Loader(set, {
    preprocess: options.preprocess,
    seed: 0,
    strict: options.strict,
    batch: Math.min(options.batch, set.length),
    ...(set.storage === 'files' ? { workers: options.workers } : {}),
  });
  const evaluators: Evaluator[] = [];
  try {
    for (const name of names) evaluators.push(await evaluatorFor(models[name], loader, options));
    const sums = evaluators.map((e) => new Accuracy(e.classes));
    const skipped = new Set<string>();
    let done = 0;
    for await (const batch of loader.epoch(0)) {
      signal?.throwIfAborted();
      for (const s of batch.skipped) {
        if (!skipped.has(s.name)) listener({ type: 'skipped', file: s.name, reason: s.reason });
        skipped.add(s.name);
      }
      const outputs: BatchOutputs['outputs'][number][] = [];
      for (const e of evaluators) outputs.push({ ...(await e.run(batch.images)), classes: e.classes });
      for (const [i, sum] of sums.entries()) {
        const { logits, classes } = outputs[i];
        requireFinite(names[i], logits.subarray(0, batch.count * classes), classes, (row) =>
          set.sampleName(batch.indices[row]),
        );
        sum.add(logits, batch.labels, batch.count);
      }
      each?.({ count: batch.count, outputs });
      done += batch.count + batch.skipped.length;
      listener({ type: 'evaluating', what: names.join(', '), done, total: set.length });
    }
    const entries = names.map((name, i): [Name, Evaluation] => [
      name,
      { ...sums[i].result(), skipped: skipped.size },
    ]);
    for (const [what, result] of entries) listener({ type: 'evaluation', what, epoch: null, result });
    return Object.fromEntries(entries) as Record<Name, Evaluation>;
  } finally {
    await Promise.allSettled([...evaluators.map((e) => e.release()), loader.close()]);
  }
}

async function evaluatorFor(model: Model, loader: Loader, options: EvaluateSetOptions): Promise<Evaluator> {
  const [batch, ...image] = loader.shape;
  const { engine, host = engine, preprocess, set, auxiliary = [] } = options;
  const evaluator = await createEvaluator(model, { engine, host, batch, image, preprocess, auxiliary });
  try {
    checkClasses(set, evaluator.classes, preprocess);
  } catch (error) {
    await evaluator.release();
    throw error;
  }
  return evaluator;
}

/** NaN has no rank and no loss: a mean over it would say nothing of the other images. */
function requireFinite(
  what: string,
  logits: Float32Array,
  classes: number,
  nameOf: (row: number) => string,
): void {
  const bad = logits.findIndex((v) => !Number.isFinite(v));
  if (bad < 0) return;
  throw new CheckFailedError({
    problem: `${what}: class score ${bad % classes} of ${nameOf(Math.floor(bad / classes))} is ${logits[bad]}`,
    expected: 'finite scores',
    hint: 'the weights have diverged (lower --lr), or the preprocessing is another one than the network was trained with',
  });
}
