import { byteSize, type DataType } from '../ir/dtype.js';
import { readsOf } from '../ir/graph.js';
import type { Model } from '../ir/model.js';
import { sizeOf, type Tensor } from '../ir/tensor.js';
import type { Value } from '../ir/value.js';
import { constantValue } from '../ops/constant.js';
import type { Paths } from './paths.js';

/** Bytes. Values whose dims are not known count nothing. */
export interface MemoryCount {
  /** All constants. */
  readonly constants: number;
  /** Outputs of all layers, for the counted batch: what training keeps. */
  readonly activations: number;
  /** Largest sum of values that a run must hold at once, for the counted batch, without reuse in place. */
  readonly peak: number;
}

export interface ValueFacts {
  shape(value: Value): readonly number[] | undefined;
  dataType(value: Value): DataType | undefined;
}

/** Counts a model's memory; `scale` turns the batch of the shapes into the counted one. */
export function memoryOf(model: Model, paths: Paths, facts: ValueFacts, scale: number): MemoryCount {
  const { graph } = model;
  let constants = 0;
  for (const value of graph.initializers) constants += tensorBytes(value.initializer);
  for (const node of graph.nodes)
    if (node.opType === 'Constant') constants += tensorBytes(constantValue(node));
  const bytes = (value: Value): number => {
    const dims = facts.shape(value);
    const type = facts.dataType(value);
    return dims && type ? byteSize(type, sizeOf(dims)) : 0;
  };
  const lastRead = new Map<Value, number>();
  for (const [i, node] of graph.nodes.entries()) for (const value of readsOf(node)) lastRead.set(value, i);
  for (const output of graph.outputs) lastRead.set(output, graph.nodes.length);
  let live = 0;
  for (const input of graph.requiredInputs) live += bytes(input);
  let peak = live;
  let activations = 0;
  for (const [i, node] of graph.nodes.entries()) {
    if (!paths.isLayer(node)) continue;
    for (const output of node.outputs) {
      live += bytes(output);
      activations += bytes(output);
    }
    peak = Math.max(peak, live);
    for (const value of new Set([...readsOf(node), ...node.outputs]))
      if (paths.isData(value) && (lastRead.get(value) ?? i) === i) live -= bytes(value);
  }
  return { constants, activations: activations * scale, peak: peak * scale };
}

function tensorBytes(tensor: Tensor | undefined): number {
  return tensor ? byteSize(tensor.dataType, sizeOf(tensor.dims)) : 0;
}
