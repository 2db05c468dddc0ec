import { ModelError } from '../../base/errors.js';
import type { Graph } from '../ir/graph.js';
import type { Value } from '../ir/value.js';
import { GraphWire, ValueWire } from './wire.js';

/** Graphs inside graphs that a file may have: three messages each, within the 100 that readers of protobuf accept. */
export const MAX_GRAPHS = 31;

/** Every graph of a model, outer before inner. Iterative. @throws ModelError when they nest too deep to be written */
export function allGraphs(root: Graph): Graph[] {
  const out: Graph[] = [];
  const stack: { graph: Graph; depth: number }[] = [{ graph: root, depth: 0 }];
  for (let top = stack.pop(); top; top = stack.pop()) {
    const { graph, depth } = top;
    if (depth > MAX_GRAPHS)
      throw new ModelError({
        problem: `graph '${graph.name}' is nested ${depth} deep`,
        expected: `at most ${MAX_GRAPHS} graphs inside each other, as readers of ONNX files accept`,
      });
    out.push(graph);
    const inner: Graph[] = [];
    for (const node of graph.nodes)
      if (node.attributes.size > 0) for (const g of node.subgraphs) inner.push(g);
    for (let i = inner.length - 1; i >= 0; i--) stack.push({ graph: inner[i], depth: depth + 1 });
  }
  return out;
}

/**
 * A name for every value, such that reading the file by name gives back the same edges. Kept, in this order of right:
 * graph inputs and outputs, what still has its name from the file, what is unique anyway. Others get a number.
 * An inner graph may define a name of an outer graph again as long as it does not read the outer value, as in ONNX.
 */
export function nameValues(root: Graph): Map<Value, string> {
  const graphs = allGraphs(root);
  const captured = captures(graphs);
  const names = new Map<Value, string>();
  const taken = new Set<string>();
  const scopes = new Map<Graph, Map<string, Value>>();
  const waiting: Value[] = [];

  for (const graph of graphs) {
    if (graph.wire instanceof GraphWire)
      for (const s of graph.wire.second) if (s.type === undefined) taken.add(s.message.name ?? '');
    const own = new Map<string, Value>();
    scopes.set(graph, own);
    const free = (name: string): boolean => {
      if (name === '' || own.has(name)) return false;
      for (let g = graph.outer; g; g = g.outer) {
        const outer = scopes.get(g)?.get(name);
        if (outer && captured.get(graph)?.has(outer)) return false;
      }
      return true;
    };
    const keep = (value: Value): void => {
      if (names.has(value) || !free(value.name)) return;
      own.set(value.name, value);
      names.set(value, value.name);
      taken.add(value.name);
    };
    for (const v of graph.inputs) keep(v);
    for (const v of graph.outputs) if (v.graph === graph) keep(v);
    for (const v of graph.values()) if (v.wire instanceof ValueWire && v.wire.name === v.name) keep(v);
    const outputs = new Set(graph.outputs);
    for (const v of graph.values()) {
      if (names.has(v)) continue;
      if (v.name === '' && v._uses.size === 0 && !outputs.has(v)) names.set(v, '');
      else waiting.push(v);
    }
  }

  const next = new Map<string, number>();
  for (const v of waiting) {
    const wanted = v.name || v.producer?.name || v.producer?.opType || 'value';
    let name = wanted;
    for (let n = next.get(wanted) ?? 1; taken.has(name); n++) {
      name = `${wanted}_${n}`;
      next.set(wanted, n + 1);
    }
    taken.add(name);
    names.set(v, name);
  }
  return names;
}

/** For each graph the values of outer graphs that it or a graph inside it reads. */
function captures(graphs: readonly Graph[]): Map<Graph, Set<Value>> {
  const out = new Map<Graph, Set<Value>>();
  const note = (graph: Graph, value: Value): void => {
    for (let g: Graph | undefined = graph; g && g !== value.graph; g = g.outer) {
      const set = out.get(g);
      if (!set) out.set(g, new Set([value]));
      else if (set.has(value)) return;
      else set.add(value);
    }
  };
  for (const graph of graphs) {
    for (const node of graph.nodes) for (const v of node.inputs) if (v && v.graph !== graph) note(graph, v);
    for (const v of graph.outputs) if (v.graph !== graph) note(graph, v);
  }
  return out;
}
