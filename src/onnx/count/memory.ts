import { byteSize } from '../ir/dtype.js';
import { readsOf } from '../ir/graph.js';
import type { Model } from '../ir/model.js';
import { sizeOf, type Tensor } from '../ir/tensor.js';
import type { Value } from '../ir/value.js';
import { constantValue } from '../ops/constant.js';
import type { Paths } from './paths.js';

/** Bytes. Values whose dims are not known count nothing. */
export interface MemoryCount {
  /** All constants; of a part of a model: those that it reads. */
  readonly constants: number;
  /** Outputs of all layers, for the counted batch: what training keeps. */
  readonly activations: number;
  /** Largest sum of values that a run must hold at once, for the counted batch, without reuse in place. */
  readonly peak: number;
}

/**
 * Memory of the layers of `paths`.
 * @param bytesOf bytes of a value on the data path
 * @param scale turns the batch of the shapes into the counted one
 */
export function memoryOf(
  model: Model,
  paths: Paths,
  bytesOf: (value: Value) => number,
  scale: number,
): MemoryCount {
  const { graph } = model;
  const lastRead = new Map<Value, number>();
  for (const [i, node] of graph.nodes.entries())
    if (paths.isLayer(node)) for (const value of readsOf(node)) lastRead.set(value, i);
  for (const output of paths.outputs) lastRead.set(output, graph.nodes.length);
  let live = paths.inputs.reduce((sum, v) => sum + bytesOf(v), 0);
  let peak = live;
  let activations = 0;
  for (const [i, node] of graph.nodes.entries()) {
    if (!paths.isLayer(node)) continue;
    for (const output of node.outputs) {
      live += bytesOf(output);
      activations += bytesOf(output);
    }
    peak = Math.max(peak, live);
    for (const value of new Set([...readsOf(node), ...node.outputs]))
      if (paths.isData(value) && (lastRead.get(value) ?? i) === i) live -= bytesOf(value);
  }
  return { constants: constantBytes(model, paths), activations: activations * scale, peak: peak * scale };
}

function constantBytes({ graph }: Model, paths: Paths): number {
  let bytes = 0;
  const seen = new Set<Value>();
  const add = (tensor: Tensor | undefined): void => {
    if (tensor) bytes += byteSize(tensor.dataType, sizeOf(tensor.dims));
  };
  if (paths.isWhole) {
    for (const value of graph.initializers) add(value.initializer);
    for (const node of graph.nodes) if (node.opType === 'Constant') add(constantValue(node));
    return bytes;
  }
  const waiting = graph.nodes.filter((node) => paths.isLayer(node));
  for (let node = waiting.pop(); node; node = waiting.pop()) {
    if (node.opType === 'Constant') add(constantValue(node));
    for (const value of readsOf(node)) {
      if (paths.isData(value) || seen.has(value)) continue;
      seen.add(value);
      add(value.initializer);
      if (value.producer) waiting.push(value.producer);
    }
  }
  return bytes;
}
