/**
 * Which BatchNormalization nodes restoreBatchNorm put in: named in the model's metadata, and by the names of their
 * parameters, so that one of the two may be lost.
 */
import { z } from 'zod';
import { ModelError } from '../base/errors.js';
import type { Model, Node } from '../onnx/index.js';
import type { BatchNormFolding } from './fold-batchnorm.js';

export const RESTORED_KEY = 'reparam.restoredBatchNorm';
/** `<layer>/restored_bn/scale` and so on. */
export const RESTORED_MARK = '/restored_bn/';

const schema = z
  .object({
    version: z.literal(1),
    nodes: z.array(z.string()),
    /** The file's IR version, where inserting needed a later one. */
    irVersion: z.number().int().positive().optional(),
  })
  .strict();

type Restored = z.infer<typeof schema>;

export function writeRestored(model: Model, nodes: readonly string[], irVersion: number | undefined): void {
  const record: Restored = { version: 1, nodes: [...nodes], ...(irVersion !== undefined && { irVersion }) };
  model.metadata.set(RESTORED_KEY, JSON.stringify(record));
}

/** The inserted nodes that are still there. @throws ModelError when the metadata is damaged */
export function restoredBatchNorms(model: Model): Set<Node> {
  const names = new Set<string>(read(model)?.nodes);
  return new Set(
    model.graph.nodes.filter(
      (n) =>
        n.opType === 'BatchNormalization' &&
        ((n.name !== '' && names.has(n.name)) || n.inputs[1]?.name.includes(RESTORED_MARK) === true),
    ),
  );
}

/** Removes the mark once every inserted node is folded. Returns whether anything changed. */
export function clearRestored(model: Model, folding: BatchNormFolding): boolean {
  if (folding.kept.length > 0) return folding.folded.length > 0;
  const irVersion = read(model)?.irVersion;
  if (irVersion !== undefined) model.irVersion = irVersion;
  return model.metadata.delete(RESTORED_KEY) || folding.folded.length > 0;
}

function read(model: Model): Restored | undefined {
  const json = model.metadata.get(RESTORED_KEY);
  if (json === undefined) return undefined;
  try {
    return schema.parse(JSON.parse(json));
  } catch (cause) {
    throw new ModelError({ problem: `metadata ${RESTORED_KEY} is damaged`, cause });
  }
}
