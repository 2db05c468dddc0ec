/**
 * A weight that a graph computes from constants becomes a constant, computed in float64 and rounded once to the file's
 * own type. What stands around it (nodes, names, order, attributes, metadata, documentation) stays.
 */
import { UnsupportedError } from '../base/errors.js';
import type { Graph, Model, Node, Tensor, Value } from '../onnx/index.js';
import { evaluateValues } from '../runtime/reference/evaluate.js';
import { type RefTensor, toNumbers } from '../runtime/reference/tensor.js';
import {
  type ConstantRegion,
  constantOf,
  constantRegion,
  describedAs,
  isOverridable,
  removeDead,
  setConstant,
} from './constants.js';
import { FORM_KEY, type FormLayer, type TrainingForm } from './form.js';
import { METHODS } from './methods/index.js';
import { type FloatType, fromFloat64, isFloatType, toFloat64 } from './numbers.js';

export interface FoldedWeight {
  /** Name of the initializer that holds the kernel now. */
  readonly weight: string;
  /** Nodes that read it. */
  readonly nodes: readonly string[];
  /** How it was computed: a method's name, or `graph` for any other constant sub-graph. */
  readonly from: FormLayer['method'] | 'graph';
}

/** @internal What became of the weights of a model that is edited in place. */
export interface WeightFolding {
  readonly weights: readonly FoldedWeight[];
  /** Weights that are computed from constants and stay so, and why. */
  readonly kept: readonly { readonly weight: string; readonly reason: string }[];
}

/** Folded constants before the rounding, by the value that holds them: what is folded further starts from these. */
export type Unrounded = Map<Value, Float64Array>;

/**
 * Folds computed weights of a model in place. Of a training form, its layers; of any other model, every weight that a
 * constant sub-graph computes (weight normalization, a structure that other people's code exported).
 */
export function foldWeights(
  model: Model,
  form: TrainingForm | undefined,
  unrounded: Unrounded,
): WeightFolding {
  const weights: FoldedWeight[] = [];
  const kept: WeightFolding['kept'][number][] = [];
  for (const layer of form?.layers ?? []) {
    foldLayer(model.graph, layer, unrounded);
    weights.push({ weight: layer.weight, nodes: layer.convs.map(nameOf), from: layer.method });
  }
  if (form) restoreHeader(model, form);
  if (form?.source !== 'metadata')
    for (const [value, readers] of weightInputs(model.graph)) {
      const region = constantRegion(value);
      if (!region) continue;
      const reason = foldRegion(model, value, region, unrounded);
      if (reason === undefined)
        weights.push({ weight: value.name, nodes: readers.map(nameOf), from: 'graph' });
      else if (reason !== 'leave') kept.push({ weight: value.name, reason });
    }
  return { weights, kept };
}

function foldLayer(graph: Graph, layer: FormLayer, unrounded: Unrounded): void {
  const { base, transformed } = layer;
  const tensor = constantOf(base);
  if (!tensor || !isFloatType(tensor.dataType)) throw new Error(`layer ${layer.layer} has lost its base`);
  const values = METHODS[layer.method].kernel(layer);
  const folded = rounded(values, tensor.dataType, tensor.dims, tensor);
  unrounded.set(settle(graph, transformed, base, folded, layer.weight), values);
}

/**
 * Puts the folded kernel where the base stands, gives that its old name, and removes what computed it. A kernel that is
 * read elsewhere too is left alone and a new constant made. Returns the value that holds the kernel.
 */
function settle(graph: Graph, computed: Value, home: Value | undefined, tensor: Tensor, name: string): Value {
  const region = constantRegion(computed);
  const own =
    home?.graph === graph && !home.isOutput && home.consumers.every((n) => region?.nodes.has(n) === true);
  if (home && own) {
    graph.replaceUses(computed, home);
    if (constantOf(home) !== tensor) setConstant(home, tensor);
    removeDead(graph, [computed]);
    home.name = name;
    return home;
  }
  const constant = graph.addInitializer(name, tensor);
  graph.replaceUses(computed, constant);
  removeDead(graph, [computed]);
  return constant;
}

/** Rounds once. Where nothing changed, not even the sign of a zero, the old tensor itself is the result. */
function rounded(values: Float64Array, type: FloatType, dims: readonly number[], old: Tensor): Tensor {
  const before = toFloat64(old);
  const fresh = fromFloat64(type, dims, values);
  const now = toFloat64(fresh);
  if (now.length !== before.length) return fresh;
  let changed = false;
  // 0 === -0: an untouched kernel keeps its bits, also where -0 + 0 came out as 0.
  const data = now.map((v, i) => {
    if (v === before[i]) return before[i];
    changed = true;
    return v;
  });
  if (!changed) return old;
  return describedAs(fromFloat64(type, dims, data), old);
}

/** Takes back what expanding changed around the layers. */
function restoreHeader(model: Model, form: TrainingForm): void {
  model.metadata.delete(FORM_KEY);
  if (form.irVersion !== undefined) model.irVersion = form.irVersion;
  const records = form.layers.flatMap((l) =>
    l.record?.inputIndex === undefined ? [] : [{ value: l.base, index: l.record.inputIndex }],
  );
  for (const { value, index } of records.sort((a, b) => a.index - b.index))
    if (!value.isInput) model.graph.addInput(value, undefined, index);
}

/** Inputs that are weights or biases: index by operator. */
const WEIGHT_INPUTS: ReadonlyMap<string, readonly number[]> = new Map([
  ['Conv', [1, 2]],
  ['ConvTranspose', [1, 2]],
  ['Gemm', [1, 2]],
  ['MatMul', [0, 1]],
]);

function weightInputs(graph: Graph): Map<Value, Node[]> {
  const found = new Map<Value, Node[]>();
  for (const node of graph.nodes)
    for (const index of (node.domain === '' && WEIGHT_INPUTS.get(node.opType)) || []) {
      const value = node.inputs[index];
      if (!value?.producer) continue;
      const list = found.get(value);
      if (list) list.push(node);
      else found.set(value, [node]);
    }
  return found;
}

/** Folds a constant sub-graph; returns why not, or 'leave' for one that is no trained weight at all. */
function foldRegion(
  model: Model,
  value: Value,
  region: ConstantRegion,
  unrounded: Unrounded,
): string | undefined {
  const { graph } = model;
  if (value.graph !== graph || !value.producer) return 'leave';
  const leaves = [...region.leaves];
  if (whyNoTrainedWeight(region) !== undefined) return 'leave';
  const floats = floatLeaves(region);
  const overridable = leaves.find((v) => isOverridable(v, model));
  if (overridable) return `'${overridable.name}' is an input of the graph that a caller may set`;
  if (value.isOutput) return 'it is an output of the graph';
  const type = value.type?.kind === 'tensor' ? value.type.dataType : constantOf(floats[0])?.dataType;
  if (!type || !isFloatType(type)) return `it is ${type}`;
  let result: RefTensor | undefined;
  try {
    result = evaluateValues(model, [value], new Map(floats.map((v) => [v, asFloat64(v)]))).get(value);
  } catch (e) {
    if (e instanceof UnsupportedError) return e.message;
    throw e;
  }
  if (!result) return 'leave';
  const values = toNumbers(result);
  const total = leaves.reduce((n, v) => n + (constantOf(v)?.size ?? 0), 0);
  if (values.length > total) return `folded it would grow from ${total} to ${values.length} values`;
  const { dims } = result;
  const home = floats.find((v) => {
    const t = constantOf(v);
    return v.initializer && !v.isInput && t?.dataType === type && t.dims.join() === dims.join();
  });
  const old = home && constantOf(home);
  const folded = old ? rounded(values, type, dims, old) : fromFloat64(type, dims, values);
  unrounded.set(settle(graph, value, home, folded, value.name), values);
  return undefined;
}

function floatLeaves(region: ConstantRegion): Value[] {
  return [...region.leaves].filter((v) => isFloatType(constantOf(v)?.dataType ?? 'int64'));
}

/** Why a constant sub-graph is meant to be computed when the model runs, and fusing leaves it. */
export function whyNoTrainedWeight(region: ConstantRegion): string | undefined {
  const ops = [...new Set(Array.from(region.nodes, (n) => n.opType))];
  if (ops.includes('DequantizeLinear')) return 'its weight is quantized (DequantizeLinear)';
  if (floatLeaves(region).length === 0)
    return `its weight is a filler that ${ops.join(', ')} makes, not a trained kernel`;
  if (ops.every((op) => LAYOUT.has(op)))
    return `its weight is laid out in the graph by ${ops.join(', ')}, not stored as a kernel`;
  return undefined;
}

/** Operators that lay a tensor out in another way, or name it again: how an exporter wrote a plain weight. */
const LAYOUT = new Set(['Reshape', 'Transpose', 'Squeeze', 'Unsqueeze', 'Flatten', 'Identity', 'Cast']);

/** As float64 from the start, so that 16-bit weights are not rounded at every node. */
function asFloat64(value: Value): RefTensor {
  const tensor = constantOf(value);
  if (!tensor) throw new Error(`'${value.name}' is no constant`);
  return { dataType: 'float64', dims: tensor.dims, data: toFloat64(tensor) };
}

function nameOf(node: Node): string {
  return node.name || (node.outputs[0]?.name ?? '');
}
