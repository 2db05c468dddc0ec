import { createHash } from 'node:crypto';
import { packageVersion } from '../../base/package.js';
import type { Preprocess } from '../../base/preprocess.js';
import type { TrainEval } from '../../data/index.js';
import { encodeModel, type Model } from '../../onnx/index.js';
import type { RunRecord } from './folder.js';

/**
 * Options that may differ between a run and its resumption without changing a result. `strict` is one: a run that
 * stopped at a corrupt image saw none before it. `preprocess` and `distill` may name files, so their content is recorded.
 * `form`
 * and `lowering` say how the same numbers are computed; a run that changes one goes on from converted state, and rounds
 * otherwise: the checkpoint holds which lowering made it, and a change is told. A run may go on on another device.
 */
const FREE = new Set([
  'resume',
  'out',
  'workers',
  'strict',
  'checkpointEvery',
  'preprocess',
  'threads',
  'device',
  'allowSoftware',
  'distill',
  'form',
  'lowering',
  'switchOptimizer',
  'memoryCheck',
]);

export interface Recorded {
  readonly command: string;
  readonly options: Readonly<Record<string, unknown>>;
  readonly model: Model;
  readonly sets: TrainEval;
  readonly preprocess: Preprocess;
  /** What `distill` names. */
  readonly teacher: Model | undefined;
  /** In use, given or not: sums may round differently between thread counts. */
  readonly threads: number;
}

/** What run.json holds: the options, and what identifies the model, the data and the arithmetic. */
export async function runRecord({
  command,
  options,
  model,
  sets,
  preprocess,
  teacher,
  threads,
}: Recorded): Promise<RunRecord> {
  const kept = Object.entries(options).filter(([k, v]) => !FREE.has(k) && v !== undefined);
  return {
    command,
    options: { ...Object.fromEntries(kept), threads },
    preprocess,
    modelSha256: modelSha256(model),
    ...(teacher && { teacherSha256: modelSha256(teacher) }),
    trainSha256: await sets.train.fingerprint(),
    evalSha256: await sets.eval.fingerprint(),
  };
}

function modelSha256(model: Model): string {
  return createHash('sha256').update(encodeModel(model)).digest('hex');
}

/** One hash over named hashes, in the order of the names. */
export function digest(hashes: ReadonlyMap<string, string>): string {
  const hash = createHash('sha256');
  for (const [name, sha] of [...hashes].sort(([a], [b]) => (a < b ? -1 : 1))) hash.update(`${name} ${sha}\n`);
  return hash.digest('hex');
}

/** What made a result: this package, the engine, Node. */
export function versions(engine: string): Readonly<Record<string, string>> {
  return {
    reparam: packageVersion(),
    engine,
    node: process.version,
    platform: `${process.platform} ${process.arch}`,
  };
}
