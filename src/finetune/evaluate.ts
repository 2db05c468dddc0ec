import { UsageError } from '../base/errors.js';
import type { Preprocess } from '../base/preprocess.js';
import { openDataset } from '../data/index.js';
import { createEngine } from '../runtime/index.js';
import type { Listener } from './events.js';
import type { EvalOptions } from './options.js';
import type { Evaluation } from './results.js';
import { engineOf } from './run/engine.js';
import { evaluateSet } from './run/evaluate-set.js';
import { resolveModel, resolvePreprocess } from './run/resolve.js';

export interface EvaluateReport extends Evaluation {
  readonly model: string;
  readonly data: string;
  readonly preprocess: Preprocess;
}

/** Top-1, top-5 and loss of a model on the evaluation images of a data set. What `reparam eval` does. */
export async function runEvaluate(
  options: EvalOptions,
  listener: Listener,
  signal?: AbortSignal,
): Promise<EvaluateReport> {
  const resolved = await resolveModel(options.model);
  const preprocess = await resolvePreprocess(resolved.model, options.preprocess);
  const spec = options.eval ?? options.data ?? resolved.dataset;
  if (spec === undefined)
    throw new UsageError({ problem: 'eval needs labelled images', expected: '--data SPEC' });
  const set = await openDataset(spec, { role: 'eval' });
  const engine = await createEngine(engineOf(options));
  try {
    const { model } = await evaluateSet(
      { model: resolved.model },
      {
        engine,
        set,
        preprocess,
        batch: options.batch,
        strict: options.strict,
        workers: options.workers,
        listener,
        ...(signal ? { signal } : {}),
      },
    );
    return { ...model, model: resolved.title, data: set.name, preprocess };
  } finally {
    await engine.close();
  }
}
