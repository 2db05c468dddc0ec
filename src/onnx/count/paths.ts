/** Which nodes are layers: those that depend on the elements of an input (count.ts says what the others are). */
import { readsOf } from '../ir/graph.js';
import type { Model } from '../ir/model.js';
import type { Node } from '../ir/node.js';
import type { Value } from '../ir/value.js';

/** Outputs of these depend on an input's dims only, never on its elements. */
const SHAPE_ONLY: ReadonlySet<string> = new Set(['Shape', 'Size']);

export interface Paths {
  isData(value: Value): boolean;
  isLayer(node: Node): boolean;
  sourcesOf(node: Node): string[];
}

export function findPaths(model: Model): Paths {
  const { graph } = model;
  const data = new Set<Value>(graph.requiredInputs);
  const layers = new Set<Node>();
  for (const node of graph.nodes) {
    if (SHAPE_ONLY.has(node.opType)) continue;
    let reads = false;
    for (const value of readsOf(node)) reads ||= data.has(value);
    if (!reads) continue;
    layers.add(node);
    for (const output of node.outputs) data.add(output);
    // Inside a sub-graph everything that is not captured may depend on the data.
    for (const inner of node.subgraphs) markInner(inner.nodes, data);
  }
  return {
    isData: (value) => data.has(value),
    isLayer: (node) => layers.has(node),
    sourcesOf: (node) => {
      const names = new Set<string>();
      for (const value of readsOf(node))
        if (data.has(value) && value.graph === graph)
          names.add(value.producer ? nameOf(value.producer) : value.name);
      return [...names];
    },
  };
}

function markInner(nodes: readonly Node[], data: Set<Value>): void {
  for (const node of nodes) {
    for (const output of node.outputs) if (node.opType !== 'Constant') data.add(output);
    for (const inner of node.subgraphs) markInner(inner.nodes, data);
  }
}

/** A node and those of its sub-graphs. */
export function* withInner(node: Node): Generator<Node> {
  yield node;
  for (const graph of node.subgraphs) for (const inner of graph.nodes) yield* withInner(inner);
}

/** The node's name, or its first output's. */
export function nameOf(node: Node): string {
  return node.name || (node.outputs[0]?.name ?? node.opType);
}
