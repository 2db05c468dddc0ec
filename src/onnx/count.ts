/**
 * Parameters, multiply-adds and memory of a model, without touching a weight's elements.
 *
 * Nodes that depend on an input's elements are the data path: its nodes are the layers, and their multiply-adds grow with
 * the batch. What does not depend on them (a weight computed by a sub-graph, as in re-parameterized training forms) is the
 * weight path: its constants are parameters, and its multiply-adds `weightMultAdds`, of the layer that uses the result.
 * Arithmetic on shapes is on neither path.
 */
import { UsageError } from '../base/errors.js';
import { type MemoryCount, memoryOf } from './count/memory.js';
import { multAddsOf, type ShapeOf } from './count/mult-adds.js';
import { findPaths, nameOf, withInner } from './count/paths.js';
import { type Role, roleOnDataPath, roleOnWeightPath } from './count/roles.js';
import { countUnusedParameters } from './count/unused.js';
import { inferTypes } from './infer/graph.js';
import type { DataType } from './ir/dtype.js';
import type { Model } from './ir/model.js';
import type { Node } from './ir/node.js';
import { sizeOf, type Tensor } from './ir/tensor.js';
import type { Dim } from './ir/types.js';
import type { Value } from './ir/value.js';
import { constantValue } from './ops/constant.js';

export type { MemoryCount } from './count/memory.js';
export type { Role } from './count/roles.js';
export { UNUSED_PARAMETERS_KEY } from './count/unused.js';

export interface CountOptions {
  /** Images that multiply-adds and activations are counted for. Default: 1. */
  readonly batch?: number;
  /** Dims of inputs by name, where the file leaves some open beside the batch (the first). */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** What a constant is, where the caller knows (a frozen base, say); undefined: as the operators tell. */
  readonly role?: (constant: Value) => Role | undefined;
}

export interface LayerCount {
  /** The node's name, or its first output's. */
  readonly name: string;
  readonly op: string;
  /** Dims of the first output, for the batch that shapes were computed with; null where they are not known. */
  readonly outputShape: readonly Dim[] | null;
  /** As torch counts them; a tensor that several layers share belongs to the first. */
  readonly parameters: number;
  /** Multiply-adds on the data path, for `batch` images; null where they cannot be counted. */
  readonly multAdds: number | null;
  /** Multiply-adds that compute this layer's weights; they do not grow with the batch. */
  readonly weightMultAdds: number;
  /** Layers and inputs whose result this layer reads. */
  readonly connections: readonly string[];
}

export interface ModelCount {
  readonly batch: number;
  /** Weights, biases, BatchNormalization scale and bias; not its running statistics, not constants of shapes. */
  readonly parameters: number;
  /** Parameters that the network has but never applies (metadata `reparam.unused-parameters`); not in `parameters`. */
  readonly unusedParameters: number;
  /** Elements that `role` calls frozen; not in `parameters`. */
  readonly frozen: number;
  /** Elements of running statistics. */
  readonly buffers: number;
  /** Multiply-adds of convolutions and matrix products on the data path, for `batch` images, biases not counted. */
  readonly multAdds: number;
  readonly weightMultAdds: number;
  /** In the order of the graph. */
  readonly layers: readonly LayerCount[];
  /** Layers whose multiply-adds are missing in the sum: an unknown shape, or an operator without a counting rule. */
  readonly uncounted: readonly string[];
  readonly memory: MemoryCount;
}

/**
 * Counts a model. The graph must be in a topological order.
 * @throws UsageError for an input that does not exist or a batch below 1; ModelError where shapes contradict each other
 */
export function countModel(model: Model, options: CountOptions = {}): ModelCount {
  const { batch = 1 } = options;
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new UsageError({ problem: 'the batch to count for', expected: 'at least 1', found: `${batch}` });
  const { types, builtBatch } = inferFor(model, batch, options.inputShapes);
  const shapeOf: ShapeOf = (value) => staticDims(dimsOf(value));
  const scale = batch / builtBatch;
  const paths = findPaths(model);
  const owned = new Set<Value | Node>();
  const totals = { parameter: 0, buffer: 0, frozen: 0 };
  const layers: LayerCount[] = [];
  const uncounted: string[] = [];
  for (const node of model.graph.nodes) {
    if (!paths.isLayer(node)) continue;
    const weights = countWeights(node);
    for (const role of ROLE_NAMES) totals[role] += weights[role];
    const multAdds = countedMultAdds(node, weights.parameter + weights.frozen > 0);
    if (multAdds === undefined) uncounted.push(nameOf(node));
    layers.push({
      name: nameOf(node),
      op: node.opType,
      outputShape: node.outputs[0] ? (dimsOf(node.outputs[0]) ?? null) : null,
      parameters: weights.parameter,
      multAdds: multAdds === undefined ? null : multAdds * scale,
      weightMultAdds: weights.multAdds,
      connections: paths.sourcesOf(node),
    });
  }
  return {
    batch,
    parameters: totals.parameter,
    unusedParameters: countUnusedParameters(model),
    frozen: totals.frozen,
    buffers: totals.buffer,
    multAdds: layers.reduce((sum, l) => sum + (l.multAdds ?? 0), 0),
    weightMultAdds: layers.reduce((sum, l) => sum + l.weightMultAdds, 0),
    layers,
    uncounted,
    memory: memoryOf(model, paths, { shape: shapeOf, dataType: dataTypeOf }, scale),
  };

  function dimsOf(value: Value): readonly Dim[] | undefined {
    const type = types.get(value) ?? value.type;
    if (type?.kind === 'tensor' && type.shape) return type.shape;
    return value.initializer?.dims;
  }

  function countedMultAdds(node: Node, hasWeights: boolean): number | undefined {
    const count = multAddsOf(node, shapeOf);
    // An operator of another domain that has weights surely multiplies with them.
    return count === 0 && hasWeights && node.domain !== '' ? undefined : count;
  }

  /** What the layer's inputs outside the data path hold that no layer before it has. */
  function countWeights(layer: Node): Record<Role, number> & { multAdds: number } {
    const found = { parameter: 0, buffer: 0, frozen: 0, multAdds: 0 };
    const waiting: { readonly value: Value; readonly role: Role }[] = [];
    for (const node of withInner(layer))
      for (const [i, value] of node.inputs.entries()) {
        if (!value || paths.isData(value)) continue;
        const outputRank = node.outputs[0] && dimsOf(node.outputs[0])?.length;
        const role = roleOnDataPath(node, i, dataTypeOf(value), shapeOf(value), outputRank);
        if (role) waiting.push({ value, role });
      }
    for (let next = waiting.pop(); next; next = waiting.pop()) {
      const { value, role } = next;
      const constant = constantOf(value);
      if (constant) {
        if (owned.has(value)) continue;
        owned.add(value);
        found[options.role?.(value) ?? role] += sizeOf(constant.dims);
        continue;
      }
      const node = value.producer;
      if (!node || owned.has(node)) continue;
      owned.add(node);
      found.multAdds += multAddsOf(node, shapeOf) ?? 0;
      for (const [i, source] of node.inputs.entries()) {
        // A weight may take its dims from the data (Shape), never its elements.
        if (!source || paths.isData(source)) continue;
        const leaf = constantOf(source);
        const next = leaf ? roleOnWeightPath(node, i, role, leaf.dataType, leaf.dims) : role;
        if (next) waiting.push({ value: source, role: next });
      }
    }
    return found;
  }

  function dataTypeOf(value: Value): DataType | undefined {
    const type = types.get(value) ?? value.type;
    return type?.kind === 'tensor' ? type.dataType : value.initializer?.dataType;
  }
}

const ROLE_NAMES = ['parameter', 'buffer', 'frozen'] as const satisfies readonly Role[];

/** Types with the batch put in where it is open, and the batch they hold for. */
function inferFor(model: Model, batch: number, given: CountOptions['inputShapes'] = {}) {
  for (const name of Object.keys(given))
    if (!model.graph.requiredInputs.some((v) => v.name === name))
      throw new UsageError({
        problem: `the model has no input '${name}'`,
        expected: model.graph.requiredInputs.map((v) => v.name).join(', '),
      });
  const shapes = new Map<string, readonly Dim[]>();
  const open = new Map<string, number>();
  let builtBatch = 1;
  for (const [i, input] of model.graph.requiredInputs.entries()) {
    const declared = input.type?.kind === 'tensor' ? input.type.shape : undefined;
    const dims = given[input.name] ?? declared;
    const first = dims?.[0];
    if (typeof first === 'string') open.set(first, batch);
    if (i === 0 && first !== undefined) builtBatch = typeof first === 'number' ? Math.max(1, first) : batch;
    if (dims) shapes.set(input.name, first === null ? [batch, ...dims.slice(1)] : dims);
  }
  for (const [name, dims] of shapes)
    shapes.set(
      name,
      dims.map((d) => (typeof d === 'string' ? (open.get(d) ?? d) : d)),
    );
  return { types: inferTypes(model, { inputShapes: shapes }).types, builtBatch };
}

function constantOf(value: Value): Tensor | undefined {
  if (value.initializer) return value.initializer;
  return value.producer?.opType === 'Constant' ? constantValue(value.producer) : undefined;
}

function staticDims(dims: readonly Dim[] | undefined): readonly number[] | undefined {
  return dims?.every((d) => typeof d === 'number') ? dims : undefined;
}
