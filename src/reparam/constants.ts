import { ModelError } from '../base/errors.js';
import { type Graph, type Model, type Node, Tensor, type Value } from '../onnx/index.js';
import { constantValue } from '../onnx/ops/constant.js';

/** The tensor a value holds: of an initializer (a graph input's default included) or of a Constant node. */
export function constantOf(value: Value): Tensor | undefined {
  if (value.initializer) return value.initializer;
  const node = value.producer;
  return node?.opType === 'Constant' && node.domain === '' ? constantValue(node) : undefined;
}

/** The numbers of one tensor with the name, documentation and metadata of another, whose place it takes. */
export function describedAs(numbers: Tensor, old: Tensor): Tensor {
  const { dataType, dims, storage } = numbers;
  const { name, docString, metadata, wire } = old;
  return new Tensor({ dataType, dims, storage, name, docString, metadata, wire });
}

/**
 * Replaces the numbers of an initializer or Constant node; the value's declared type and what is said of the tensor
 * (documentation, metadata) stay.
 */
export function setConstant(value: Value, numbers: Tensor): void {
  const old = constantOf(value);
  const tensor = old ? describedAs(numbers, old) : numbers;
  const node = value.producer;
  if (node?.opType === 'Constant') {
    for (const name of [...node.attributes.keys()])
      if (name.startsWith('value') || name === 'sparse_value') node.attributes.delete(name);
    node.setAttribute('value', tensor);
    return;
  }
  if (!value.graph || !value.initializer)
    throw new ModelError({ problem: `'${value.name}' holds no constant that could be replaced` });
  const { type } = value;
  value.graph.setInitializer(value, tensor);
  if (type?.kind === 'tensor' && type.dataType === tensor.dataType && sameDims(type.shape, tensor.dims))
    value.type = type;
}

function sameDims(a: readonly unknown[] | undefined, b: readonly number[]): boolean {
  return a?.length === b.length && b.every((d, i) => d === a[i]);
}

/**
 * Whether a caller may feed another tensor in place of the constant: an initializer that is a graph input too. Before
 * IR version 4 every initializer had to be listed as an input, so there the list means nothing.
 */
export function isOverridable(value: Value, model: Model): boolean {
  return value.isInput && value.initializer !== undefined && model.irVersion >= 4;
}

/** A subgraph that depends on constants only. */
export interface ConstantRegion {
  /** In no particular order; Constant nodes are leaves, not nodes. */
  readonly nodes: ReadonlySet<Node>;
  /** Initializers and outputs of Constant nodes. */
  readonly leaves: ReadonlySet<Value>;
}

/** Their output is no function of their inputs. */
const RANDOM = new Set([
  'RandomNormal',
  'RandomUniform',
  'RandomNormalLike',
  'RandomUniformLike',
  'Multinomial',
  'Bernoulli',
  'Dropout',
]);

/** What a node's output is computed from, when that is constants alone; undefined for data, and for what has no producer. */
export function constantRegion(value: Value): ConstantRegion | undefined {
  if (!value.producer || constantOf(value)) return undefined;
  const nodes = new Set<Node>();
  const leaves = new Set<Value>();
  const stack = [value];
  for (let v = stack.pop(); v; v = stack.pop()) {
    if (constantOf(v)) {
      leaves.add(v);
      continue;
    }
    const node = v.producer;
    if (!node || node.subgraphs.length > 0 || (node.domain === '' && RANDOM.has(node.opType)))
      return undefined;
    if (nodes.has(node)) continue;
    nodes.add(node);
    for (const input of node.inputs) if (input) stack.push(input);
  }
  return { nodes, leaves };
}

/** Every graph of a model: the main one, then sub-graphs. */
export function* allGraphs(graph: Graph): Generator<Graph> {
  yield graph;
  for (const node of graph.nodes) for (const inner of node.subgraphs) yield* allGraphs(inner);
}

/**
 * Removes nodes, and constants, that nothing reads once `values` have lost a reader, going backwards from them.
 * Graph inputs stay.
 */
export function removeDead(graph: Graph, values: Iterable<Value>): void {
  const stack = [...values];
  for (let v = stack.pop(); v; v = stack.pop()) {
    if (v.graph !== graph || !v.isDead) continue;
    const node = v.producer;
    if (node) {
      if (!node.outputs.every((o) => o.isDead)) continue;
      const inputs = node.inputs.filter((i) => i !== undefined);
      graph.removeNode(node);
      stack.push(...inputs);
    } else if (v.initializer && !v.isInput) graph.removeInitializer(v);
  }
}
