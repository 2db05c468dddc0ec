import { type Graph, readsOf } from '../ir/graph.js';
import type { Node } from '../ir/node.js';
import type { Value } from '../ir/value.js';

/** What every in-place pass reports. */
export interface PassResult {
  readonly modified: boolean;
}

/**
 * Removes, in place, nodes that no graph output depends on, in sub-graphs too, and initializers that nothing reads. Graph
 * inputs stay, with their defaults: they are the model's signature.
 */
export function eliminateDeadNodes(graph: Graph): PassResult {
  const live = new Set<Node>();
  const read = new Set<Value>(graph.outputs);
  const stack = [...graph.outputs];
  for (let value = stack.pop(); value; value = stack.pop()) {
    const node = value.producer;
    if (!node || node.graph !== graph || live.has(node)) continue;
    live.add(node);
    for (const v of readsOf(node)) {
      if (read.has(v)) continue;
      read.add(v);
      stack.push(v);
    }
  }
  const dead = new Set(graph.nodes.filter((n) => !live.has(n)));
  graph.removeNodes(dead);
  let modified = dead.size > 0;
  for (const node of graph.nodes)
    for (const inner of node.subgraphs) modified = eliminateDeadNodes(inner).modified || modified;
  for (const value of graph.initializers)
    if (!read.has(value) && !value.isInput) {
      graph.removeInitializer(value);
      modified = true;
    }
  return { modified };
}
