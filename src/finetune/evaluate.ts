import { UsageError } from '../base/errors.js';
import type { Preprocess } from '../base/preprocess.js';
import { openDataset } from '../data/index.js';
import type { Engine } from '../runtime/index.js';
import type { Listener } from './events.js';
import type { EvalOptions } from './options.js';
import type { Evaluation } from './results.js';
import { deviceEngine, hostEngine } from './run/engine.js';
import { evaluateSet } from './run/evaluate-set.js';
import { resolveModel, resolvePreprocess } from './run/resolve.js';
import { imageTrial } from './run/trial.js';

export interface EvaluateReport extends Evaluation {
  readonly model: string;
  readonly data: string;
  readonly preprocess: Preprocess;
  readonly device: string;
  readonly engine: string;
  /** Why this device, and why not others; empty where the CPU was asked for. */
  readonly why: readonly string[];
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
  const closing: Engine[] = [];
  const host = await hostEngine(options);
  try {
    const trial = () => imageTrial(resolved.model, host, preprocess);
    const { engine, reasons } = await deviceEngine(host, options, { trial }, listener);
    closing.push(engine);
    const { model } = await evaluateSet(
      { model: resolved.model },
      {
        engine,
        host,
        set,
        preprocess,
        batch: options.batch,
        strict: options.strict,
        workers: options.workers,
        listener,
        ...(signal ? { signal } : {}),
      },
    );
    const { title } = resolved;
    return {
      ...model,
      model: title,
      data: set.name,
      preprocess,
      device: engine.device,
      engine: engine.name,
      why: reasons,
    };
  } finally {
    for (const engine of new Set([host, ...closing])) await engine.close();
  }
}
