import { createHash } from 'node:crypto';
import { packageVersion } from '../../base/package.js';
import type { TrainEval } from '../../data/index.js';
import { encodeModel, type Model } from '../../onnx/index.js';
import type { RunRecord } from './folder.js';

/** Options that may differ between a run and its resumption without changing a result. */
const FREE = new Set(['resume', 'out', 'workers', 'checkpointEvery', 'verbose', 'json']);

/** What run.json holds: the options, and what identifies the model and the data. */
export async function runRecord(
  command: string,
  options: Readonly<Record<string, unknown>>,
  model: Model,
  sets: TrainEval,
): Promise<RunRecord> {
  return {
    command,
    options: Object.fromEntries(Object.entries(options).filter(([k, v]) => !FREE.has(k) && v !== undefined)),
    modelSha256: createHash('sha256').update(encodeModel(model)).digest('hex'),
    trainSha256: await sets.train.fingerprint(),
    evalSha256: await sets.eval.fingerprint(),
  };
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
