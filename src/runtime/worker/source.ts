import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';
import { allGraphs } from '../../onnx/codec/names.js';
import {
  byteSize,
  cloneModel,
  encodeModel,
  type Graph,
  type Model,
  type Node,
  saveModel,
} from '../../onnx/index.js';
import type { ModelSource } from './protocol.js';

/** A protobuf message ends at 2 GiB; what is not weights gets 16 MiB of it. */
const MESSAGE = 2 ** 31 - 2 ** 24;
/**
 * From here on a file: the runtime reads weights out of it straight to their place. From a message it copies them twice,
 * and what it frees is not given back (72 MiB at the peak of a step with 44 MiB of weights).
 */
const FILE = 2 ** 24;

/** A model as the worker loads it. */
export interface HeldSource {
  readonly source: ModelSource;
  readonly transfer: readonly ArrayBuffer[];
  /** Removes what was put on disk; call it when the session has been made. */
  dispose(): Promise<void>;
}

/** Bytes of weights; others than the usual ones only to test what they do. */
interface Limits {
  /** From here on a temporary file is used where there is room for one. */
  readonly file?: number;
  /** From here on there is no other way. */
  readonly message?: number;
}

/**
 * Encodes a model. A large one goes through a temporary file with external data.
 * @throws ModelError the model cannot be encoded; others no place for a temporary file that has to be
 */
export async function holdSource(given: Model, limits: Limits = {}): Promise<HeldSource> {
  const { file = FILE, message = MESSAGE } = limits;
  const model = withUniqueNodeNames(given);
  const bytes = weightBytes(model);
  if (bytes < file) return inMessage(model);
  try {
    return await inFile(model);
  } catch (error) {
    if (bytes < message && !(error instanceof ModelError)) return inMessage(model);
    throw error;
  }
}

function inMessage(model: Model): HeldSource {
  const bytes = encodeModel(model);
  const transfer = bytes.buffer instanceof ArrayBuffer ? [bytes.buffer] : [];
  return { source: { kind: 'bytes', bytes }, transfer, dispose: () => Promise.resolve() };
}

async function inFile(model: Model): Promise<HeldSource> {
  const folder = await mkdtemp(join(tmpdir(), 'reparam-')).catch((cause: unknown) => {
    throw fileError(tmpdir(), 'writing a temporary model to', cause);
  });
  const dispose = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const path = join(folder, 'model.onnx');
  try {
    await saveModel(model, path, { externalData: 'always' });
  } catch (error) {
    await dispose();
    throw error;
  }
  return { source: { kind: 'file', path }, transfer: [], dispose };
}

/** ONNX lets nodes share a name, the runtime does not: the second `a` becomes `a_1` in what it is given. */
function withUniqueNodeNames(model: Model): Model {
  if (!allGraphs(model.graph).some((g) => clashing(g).length > 0)) return model;
  const copy = cloneModel(model);
  for (const graph of allGraphs(copy.graph)) {
    const taken = new Set(graph.nodes.map((n) => n.name));
    const next = new Map<string, number>();
    for (const node of clashing(graph)) {
      let i = next.get(node.name) ?? 1;
      while (taken.has(`${node.name}_${i}`)) i++;
      next.set(node.name, i + 1);
      node.name = `${node.name}_${i}`;
      taken.add(node.name);
    }
  }
  return copy;
}

/** Nodes with the name of an earlier one of their graph. */
function clashing(graph: Graph): Node[] {
  const seen = new Set<string>();
  return graph.nodes.filter((n) => n.name !== '' && seen.size === seen.add(n.name).size);
}

function weightBytes(model: Model): number {
  let bytes = 0;
  for (const { initializer: t } of model.graph.initializers)
    if (t && t.dataType !== 'string') bytes += byteSize(t.dataType, t.size);
  return bytes;
}
