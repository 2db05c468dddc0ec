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
  readonly set: Dataset;
  readonly preprocess: Preprocess;
  readonly batch: number;
  readonly strict: boolean;
  readonly workers: number;
  readonly threads?: number;
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
      for (const [i, sum] of sums.entries()) sum.add(outputs[i].logits, batch.labels, batch.count);
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
    for (const e of evaluators) await e.release();
    await loader.close();
  }
}

async function evaluatorFor(model: Model, loader: Loader, options: EvaluateSetOptions): Promise<Evaluator> {
  const [batch, ...image] = loader.shape;
  const { engine, preprocess, threads } = options;
  const evaluator = await createEvaluator(model, {
    engine,
    batch,
    image,
    preprocess,
    ...(threads === undefined ? {} : { threads }),
  });
  checkClasses(options.set, evaluator.classes, preprocess);
  return evaluator;
}
