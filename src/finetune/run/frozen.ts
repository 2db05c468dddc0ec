import type { Model } from '../../onnx/index.js';
import { constantOf, frozenHashes, type TrainingForm, tensorSha256 } from '../../reparam/index.js';
import type { RefocusReport } from '../results.js';
import { digest } from './record.js';

export interface FrozenCheck {
  readonly report: RefocusReport['frozen'];
  /** One line for each kernel that is not the checkpoint's; empty when all are. */
  readonly problems: readonly string[];
}

/**
 * Whether the frozen kernels of a training form, as they stand in its file, are the checkpoint's, bit for bit.
 * @param checkpoint what the form was made from
 * @param written the form, read back from its file
 */
export function checkFrozen(checkpoint: Model, form: TrainingForm, written: Model): FrozenCheck {
  const before = kernelHashes(checkpoint, new Set(form.layers.map((l) => l.weight)));
  const after = frozenHashes(written);
  const names = new Set([...before.keys(), ...after.keys()]);
  return {
    report: { tensors: after.size, sha256Before: digest(before), sha256After: digest(after) },
    problems: [...names]
      .filter((name) => before.get(name) !== after.get(name))
      .map((name) => `frozen kernel '${name}' has changed`),
  };
}

/** SHA-256 of kernels as they stand in the checkpoint, by name. */
function kernelHashes(model: Model, wanted: ReadonlySet<string>): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const value of model.graph.values()) {
    const tensor = wanted.has(value.name) ? constantOf(value) : undefined;
    if (tensor) hashes.set(value.name, tensorSha256(tensor));
  }
  return hashes;
}

/** One line for each trained tensor that a file holds otherwise than the engine left it. */
export function checkWritten(file: string, trained: ReadonlyMap<string, string>, written: Model): string[] {
  const found = kernelHashes(written, new Set(trained.keys()));
  return [...trained]
    .filter(([name, sha]) => found.get(name) !== sha)
    .map(([name]) => `${file} does not hold '${name}' as the engine left it`);
}
