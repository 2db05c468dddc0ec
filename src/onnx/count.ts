/**
 * Parameters, multiply-adds and memory of a model, without touching a weight's elements.
 *
 * Nodes that depend on an input's elements are the data path: its nodes are the layers, and their multiply-adds grow with
 * the batch. What does not depend on them (a weight computed by a sub-graph, as in re-parameterized training forms) is the
 * weight path: its constants are parameters, and its multiply-adds `weightMultAdds`, of the layer that uses the result.
 * Arithmetic on shapes is on neither path.
 */
import { UsageError } from '../base/errors.js';
import { connectionsOf } from './count/connections.js';
import { type MemoryCount, memoryOf } from './count/memory.js';
import { multAddsOf, type ShapeOf } from './count/mult-adds.js';
import { findPaths, nameOf } from './count/paths.js';
import type { Role } from './count/roles.js';
import { moduleMultAdds, type TorchinfoCount } from './count/torchinfo.js';
import { countUnusedParameters } from './count/unused.js';
import { weightCounter } from './count/weights.js';
import { inferTypes } from './infer/graph.js';
import { byteSize, type DataType } from './ir/dtype.js';
import type { Model } from './ir/model.js';
import type { Node } from './ir/node.js';
import { sizeOf } from './ir/tensor.js';
import type { Dim } from './ir/types.js';
import type { Value } from './ir/value.js';

export type { MemoryCount } from './count/memory.js';
export { nameOf as layerName } from './count/paths.js';
export type { Role } from './count/roles.js';
export type { TorchinfoCount } from './count/torchinfo.js';
export { UNUSED_PARAMETERS_KEY } from './count/unused.js';

export interface CountOptions {
  /** Images that multiply-adds and activations are counted for. Default: 1. */
  readonly batch?: number;
  /** Dims of inputs by name, where the file leaves some open beside the batch (the first). */
  readonly inputShapes?: Readonly<Record<string, readonly number[]>>;
  /** What a constant is, where the caller knows (a frozen base, say); undefined: as the operators tell. */
  readonly role?: (constant: Value) => Role | undefined;
  /** Names of the layers, and of unused parameters, to count. Default: all. */
  readonly layers?: (name: string) => boolean;
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
  /** Of output values to input values and biases through weights, for one image; null where they cannot be counted. */
  readonly connections: number | null;
  /** Layers and inputs whose result this layer reads. */
  readonly reads: readonly string[];
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
  /** For one image. */
  readonly connections: number;
  /** In the order of the graph. */
  readonly layers: readonly LayerCount[];
  /** Layers whose multiply-adds are missing in the sum: an unknown shape, or an operator without a counting rule. */
  readonly uncounted: readonly string[];
  readonly memory: MemoryCount;
  /** The same model by the rules of torchinfo, whose multiply-adds include biases and normalizations. */
  readonly torchinfo: TorchinfoCount;
}

/**
 * Counts a model, or the part of it that `layers` names. The graph must be in a topological order.
 * @throws UsageError for an input that does not exist, a batch below 1 or names of no layer; ModelError where shapes
 *   contradict each other
 */
export function countModel(model: Model, options: CountOptions = {}): ModelCount {
  const { batch = 1 } = options;
  if (!Number.isSafeInteger(batch) || batch < 1)
    throw new UsageError({ problem: 'the batch to count for', expected: 'at least 1', found: `${batch}` });
  const { types, builtBatch } = inferFor(model, batch, options.inputShapes);
  const shapeOf: ShapeOf = (value) => staticDims(dimsOf(value));
  const scale = batch / builtBatch;
  const paths = findPaths(model, options.layers);
  const countWeights = weightCounter({
    paths,
    shapeOf,
    rankOf: (value) => dimsOf(value)?.length,
    dataTypeOf,
    role: (value) => options.role?.(value),
  });
  const totals = { parameter: 0, buffer: 0, frozen: 0, bytes: 0 };
  const torchinfo = { multAdds: 0, passBytes: 0 };
  const layers: LayerCount[] = [];
  const uncounted: string[] = [];
  for (const node of model.graph.nodes) {
    if (!paths.isLayer(node)) continue;
    const weights = countWeights(node);
    for (const key of TOTALS) totals[key] += weights[key];
    const multAdds = countedMultAdds(node, weights.parameter + weights.frozen > 0);
    if (multAdds === undefined) uncounted.push(nameOf(node));
    const ofModule = moduleMultAdds(node, shapeOf, paths);
    if (ofModule !== undefined) {
      torchinfo.multAdds += ofModule * scale;
      torchinfo.passBytes += 2 * bytesOf(node.output()) * scale;
    }
    const connections = connectionsOf(node, multAdds, shapeOf, paths);
    layers.push({
      name: nameOf(node),
      op: node.opType,
      outputShape: node.outputs[0] ? (dimsOf(node.outputs[0]) ?? null) : null,
      parameters: weights.parameter,
      multAdds: multAdds === undefined ? null : multAdds * scale,
      weightMultAdds: weights.multAdds,
      connections: connections === undefined ? null : connections / builtBatch,
      reads: paths.sourcesOf(node),
    });
  }
  if (layers.length === 0 && options.layers)
    throw new UsageError({
      problem: 'no layer has a name that was asked for',
      hint: 'reparam inspect shows the names of all layers, without --layers',
    });
  const unusedParameters = countUnusedParameters(model, options.layers);
  const memory = memoryOf(model, paths, bytesOf, scale);
  const trainable = totals.parameter + unusedParameters;
  const inputBytes = paths.inputs.reduce((sum, v) => sum + bytesOf(v), 0) * scale;
  return {
    batch,
    parameters: totals.parameter,
    unusedParameters,
    frozen: totals.frozen,
    buffers: totals.buffer,
    multAdds: layers.reduce((sum, l) => sum + (l.multAdds ?? 0), 0),
    weightMultAdds: layers.reduce((sum, l) => sum + l.weightMultAdds, 0),
    connections: layers.reduce((sum, l) => sum + (l.connections ?? 0), 0),
    layers,
    uncounted,
    memory,
    torchinfo: {
      parameters: trainable + totals.frozen,
      trainable,
      nonTrainable: totals.frozen,
      ...torchinfo,
      inputBytes,
      parameterBytes: totals.bytes,
      totalBytes: inputBytes + torchinfo.passBytes + totals.bytes,
    },
  };

  function dimsOf(value: Value): readonly Dim[] | undefined {
    const type = types.get(value) ?? value.type;
    if (type?.kind === 'tensor' && type.shape) return type.shape;
    return value.initializer?.dims;
  }

  function dataTypeOf(value: Value): DataType | undefined {
    const type = types.get(value) ?? value.type;
    return type?.kind === 'tensor' ? type.dataType : value.initializer?.dataType;
  }

  function bytesOf(value: Value): number {
    const dims = shapeOf(value);
    const type = dataTypeOf(value);
    return dims && type ? byteSize(type, sizeOf(dims)) : 0;
  }

  function countedMultAdds(node: Node, hasWeights: boolean): number | undefined {
    const count = multAddsOf(node, shapeOf);
    // An operator of another domain that has weights surely multiplies with them.
    return count === 0 && hasWeights && node.domain !== '' ? undefined : count;
  }
}

const TOTALS = ['parameter', 'buffer', 'frozen', 'bytes'] as const;

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

function staticDims(dims: readonly Dim[] | undefined): readonly number[] | undefined {
  return dims?.every((d) => typeof d === 'number') ? dims : undefined;
}
