import type { Graph, Model, Node, Value } from '../onnx/index.js';
import { constantOf, constantRegion } from './constants.js';
import { readForm } from './form.js';
import { globMatcher } from './glob.js';
import { isFloatType } from './numbers.js';

export interface TrainableOptions {
  /** Globs on the names of values that must not change either. */
  readonly freeze?: readonly string[];
}

/** The constants of a model by what training does with them. Each stands in one list, in the order of first use. */
export interface Trainables {
  /** Kernels, biases, normalization scales and shifts, RefConv maps. */
  readonly trainable: readonly Value[];
  /** RefConv bases, and what `freeze` names. */
  readonly frozen: readonly Value[];
  /** Running means and variances of BatchNormalization: moved by the forward pass, not by the optimizer. */
  readonly buffers: readonly Value[];
}

/** Inputs that hold what is trained, by operator. */
const PARAMETERS: ReadonlyMap<string, readonly number[]> = new Map([
  ['Conv', [1, 2]],
  ['ConvTranspose', [1, 2]],
  ['Gemm', [0, 1, 2]],
  ['MatMul', [0, 1]],
  ['Einsum', [0, 1, 2]],
  ['BatchNormalization', [1, 2]],
  ['InstanceNormalization', [1, 2]],
  ['LayerNormalization', [1, 2]],
  ['GroupNormalization', [1, 2]],
  ['PRelu', [1]],
]);

const WEIGHTED = new Set(['Conv', 'ConvTranspose', 'Einsum', 'Gemm', 'MatMul']);

/**
 * What an optimizer may change: floating-point constants that are parameters of a weighted or normalizing operator on
 * the data path (through a weight sub-graph down to its leaves), and per-channel vectors that are added to or
 * multiplied with features between such operators (separate biases, layer scale). Other constants (the 3 and 6 of a
 * hard-swish, the mean subtracted from an image, anchors) are part of the function, not parameters.
 */
export function trainables(model: Model, options: TrainableOptions = {}): Trainables {
  const frozen = new Set((readForm(model)?.layers ?? []).flatMap((l) => l.frozen));
  const freeze = globMatcher(options.freeze ?? []);
  const trainable = new Set<Value>();
  const buffers = new Set<Value>();
  const flow = dataFlow(model.graph);
  const add = (input: Value | undefined): void => {
    for (const leaf of input ? parameters(input) : [])
      if (freeze(leaf.name)) frozen.add(leaf);
      else if (!frozen.has(leaf)) trainable.add(leaf);
  };
  for (const node of model.graph.nodes) {
    if (node.domain !== '' || !node.outputs.some((o) => flow.data.has(o))) continue;
    if (!isInsideGroupNorm(node)) for (const i of PARAMETERS.get(node.opType) ?? []) add(node.inputs[i]);
    if (node.opType === 'BatchNormalization')
      for (const i of [3, 4]) for (const leaf of parameters(node.input(i))) buffers.add(leaf);
    for (const input of channelVectors(node, flow)) add(input);
  }
  for (const v of buffers) trainable.delete(v);
  return { trainable: [...trainable], frozen: [...frozen], buffers: [...buffers] };
}

/**
 * The floating-point constants a parameter is made of. A single number inside a sub-graph that computes (an epsilon) is
 * none; one that only gets axes (a shared slope) is.
 */
function parameters(input: Value): Value[] {
  const origin = beforeMoves(input);
  const tensor = constantOf(origin);
  if (tensor) return isFloatType(tensor.dataType) ? [origin] : [];
  return [...(constantRegion(input)?.leaves ?? [])].filter((v) => {
    const t = constantOf(v);
    return t !== undefined && isFloatType(t.dataType) && t.size > 1;
  });
}

/** Leave the number of axes larger than 1 as it is. */
const MOVES = new Set(['Identity', 'Squeeze', 'Transpose', 'Unsqueeze']);

function beforeMoves(value: Value): Value {
  let origin = value;
  for (let node = origin.producer; node && MOVES.has(node.opType); node = origin.producer)
    origin = node.input(0);
  return origin;
}

/**
 * The middle of a group normalization as PyTorch exports it: Reshape to [N, groups, …], InstanceNormalization with scale
 * 1 and bias 0, Reshape back. The parameters are factors and terms behind it.
 */
function isInsideGroupNorm(node: Node): boolean {
  if (node.opType !== 'InstanceNormalization') return false;
  const all = (index: number, number: number): boolean => {
    const data = constantOf(node.input(index))?.typed();
    return data instanceof Float32Array && data.every((v) => v === number);
  };
  const reshaped = [node.input(0).producer, ...node.output(0).consumers].every(
    (n) => n?.opType === 'Reshape',
  );
  return reshaped && all(1, 1) && all(2, 0);
}

interface Flow {
  /** Values that depend on the graph's inputs. */
  readonly data: ReadonlySet<Value>;
  /** Data that has passed a weighted operator. */
  readonly after: ReadonlySet<Value>;
  /** Data on its way to a weighted operator. */
  readonly before: ReadonlySet<Value>;
}

function dataFlow(graph: Graph): Flow {
  const data = new Set<Value>(graph.requiredInputs);
  const after = new Set<Value>();
  for (const node of graph.nodes) {
    const inputs = node.inputs.filter((v) => v !== undefined);
    if (!inputs.some((v) => data.has(v))) continue;
    const passed = isWeighted(node) || inputs.some((v) => after.has(v));
    for (const o of node.outputs) {
      data.add(o);
      if (passed) after.add(o);
    }
  }
  const before = new Set<Value>();
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((o) => data.has(o))) continue;
    if (isWeighted(node) || node.outputs.some((o) => before.has(o)))
      for (const v of node.inputs) if (v) before.add(v);
  }
  return { data, after, before };
}

function isWeighted(node: Node): boolean {
  return node.domain === '' && WEIGHTED.has(node.opType);
}

/** Operands of Add, Sub and Mul with one number per channel, between weighted operators or right behind the last. */
function* channelVectors(node: Node, flow: Flow): Generator<Value> {
  if (!ELEMENTWISE.has(node.opType)) return;
  for (const [i, other] of [
    [0, 1],
    [1, 0],
  ]) {
    const data = node.inputs[other];
    const vector = node.inputs[i];
    if (!data || !vector || !flow.after.has(data) || flow.data.has(vector)) continue;
    const dims = constantOf(beforeMoves(vector))?.dims ?? vector.shape ?? [];
    if (dims.filter((d) => d !== 1).length !== 1) continue;
    if (flow.before.has(node.output(0)) || followsWeighted(data)) yield vector;
  }
}

const ELEMENTWISE = new Set(['Add', 'Sub', 'Mul']);
const LIGHT = new Set([
  'Add',
  'Sub',
  'Mul',
  'Reshape',
  'Transpose',
  'Squeeze',
  'Unsqueeze',
  'Flatten',
  'Identity',
]);

/** Whether a value is a weighted operator's result up to shape, scale and shift. */
function followsWeighted(value: Value): boolean {
  for (
    let node = value.producer;
    node;
    node = node.inputs.find((v) => v?.producer && !constantOf(v))?.producer
  ) {
    if (isWeighted(node)) return true;
    if (!LIGHT.has(node.opType)) return false;
  }
  return false;
}
