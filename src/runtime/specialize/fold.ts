import {
  cloneNode,
  constantsToInitializers,
  eliminateDeadNodes,
  Graph,
  Model,
  type Node,
  sizeOf,
  type Tensor,
  Value,
} from '../../onnx/index.js';
import type { Engine } from '../engine.js';
import { isRandom } from './random-ops.js';
import { isFoldable, replaceByConstant } from './replace.js';

export interface FoldOptions {
  /** Nodes to leave as they are, and so everything computed from them (a trained weight transform, say). */
  readonly keep?: (node: Node) => boolean;
}

/**
 * Computes, in place, what does not depend on any graph input, by running that part of the graph once. Readers then read
 * an initializer that has the value's name. Left alone: nodes that `keep` names, random nodes, nodes with sub-graphs,
 * functions, results of more than 2^26 elements, and values that are graph outputs.
 * @returns how many values became constants
 */
export async function foldConstants(
  model: Model,
  engine: Engine | (() => Promise<Engine>),
  { keep }: FoldOptions = {},
): Promise<{ readonly modified: boolean; readonly folded: number }> {
  const { graph } = model;
  const { modified } = constantsToInitializers(graph);
  const views = foldViews(graph, keep);
  const nodes = constantNodes(graph, keep);
  const wanted = frontier(nodes);
  if (wanted.length === 0) return { modified: modified || views > 0, folded: views };
  const runtime = typeof engine === 'function' ? await engine() : engine;
  const results = await compute(model, nodes, wanted, runtime);
  for (const [value, tensor] of results) replaceByConstant(graph, value, tensor);
  eliminateDeadNodes(graph);
  return { modified: true, folded: views + results.size };
}

/** Operators whose result has the elements of their first input in the same order. */
const VIEWS = new Set(['Flatten', 'Identity', 'Reshape', 'Squeeze', 'Unsqueeze']);

/** Other dims for the same elements need no run and no copy: weights may be large. */
function foldViews(graph: Graph, keep: FoldOptions['keep']): number {
  let folded = 0;
  for (const node of graph.nodes) {
    if (node.domain !== '' || !VIEWS.has(node.opType) || keep?.(node)) continue;
    const [output] = node.outputs;
    const tensor = node.inputs[0]?.constant;
    const dims = output?.shape;
    if (!tensor || !dims || sizeOf(dims) !== tensor.size || output.consumers.length === 0) continue;
    replaceByConstant(graph, output, tensor.with({ name: '', dims }));
    folded++;
  }
  if (folded > 0) eliminateDeadNodes(graph);
  return folded;
}

/** Nodes all of whose inputs are constants, or made by such nodes; in topological order. */
function constantNodes(graph: Graph, keep: FoldOptions['keep']): Set<Node> {
  const found = new Set<Node>();
  for (const node of graph.nodes) {
    if (node.domain !== '' && !node.domain.startsWith('com.microsoft')) continue;
    if (node.subgraphs.length > 0 || isRandom(node) || keep?.(node)) continue;
    const constant = node.inputs.every(
      (v) => !v || v.constant !== undefined || (v.producer !== undefined && found.has(v.producer)),
    );
    if (constant && node.outputs.every((o) => isFoldable(o.shape))) found.add(node);
  }
  return found;
}

/** Values that others than constant nodes read. */
function frontier(nodes: ReadonlySet<Node>): Value[] {
  const out: Value[] = [];
  for (const node of nodes)
    for (const o of node.outputs) if (o.consumers.some((reader) => !nodes.has(reader))) out.push(o);
  return out;
}

/** Runs a part of the graph that needs no inputs. */
async function compute(
  model: Model,
  nodes: ReadonlySet<Node>,
  wanted: readonly Value[],
  engine: Engine,
): Promise<Map<Value, Tensor>> {
  const graph = new Graph(`${model.graph.name} (constants)`);
  const map = new Map<Value, Value>();
  for (const node of neededFor(nodes, wanted)) {
    for (const v of node.inputs) {
      const tensor = v?.constant;
      if (v && tensor && !map.has(v)) map.set(v, graph.addInitializer(`c${map.size}`, tensor));
    }
    for (const o of node.outputs) if (o.name !== '') map.set(o, new Value(`v${map.size}`, o.type));
    graph.addNode(cloneNode(node, map, graph));
  }
  const names = new Map<Value, string>();
  for (const v of wanted) {
    const copy = map.get(v);
    if (!copy) continue;
    graph.addOutput(copy);
    names.set(v, copy.name);
  }
  const part = new Model(graph, model.opset, model.irVersion);
  for (const [domain, version] of model.opsets) part.opsets.set(domain, version);
  const session = await engine.session(part, { optimization: 'none' });
  try {
    const results = await session.run(new Map());
    const out = new Map<Value, Tensor>();
    for (const [value, name] of names) {
      const tensor = results.get(name);
      if (tensor) out.set(value, tensor);
    }
    return out;
  } finally {
    await session.release();
  }
}

function neededFor(nodes: ReadonlySet<Node>, wanted: readonly Value[]): Node[] {
  const needed = new Set<Node>();
  const stack = wanted.flatMap((v) => (v.producer ? [v.producer] : []));
  for (let node = stack.pop(); node; node = stack.pop()) {
    if (needed.has(node)) continue;
    needed.add(node);
    for (const v of node.inputs) if (v?.producer && nodes.has(v.producer)) stack.push(v.producer);
  }
  return [...nodes].filter((n) => needed.has(n));
}
