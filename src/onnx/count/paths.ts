/** Which nodes are layers: those that depend on the elements of an input (count.ts says what the others are). */
import { readsOf } from '../ir/graph.js';
import type { Model } from '../ir/model.js';
import type { Node } from '../ir/node.js';
import type { Value } from '../ir/value.js';

/** Outputs of these depend on an input's dims only, never on its elements. */
const SHAPE_ONLY: ReadonlySet<string> = new Set(['Shape', 'Size']);

export interface Paths {
  isData(value: Value): boolean;
  /** Whether the node is a layer, of the counted part. */
  isLayer(node: Node): boolean;
  sourcesOf(node: Node): string[];
  /** Values of the data path that enter the counted part, and those that leave it. */
  readonly inputs: readonly Value[];
  readonly outputs: readonly Value[];
  /** Whether all layers are counted. */
  readonly isWhole: boolean;
}

/** @param part which layers are counted, by name; default: all */
export function findPaths(model: Model, part?: (name: string) => boolean): Paths {
  const { graph } = model;
  const data = new Set<Value>(graph.requiredInputs);
  const layers = new Set<Node>();
  const others: Node[] = [];
  for (const node of graph.nodes) {
    if (SHAPE_ONLY.has(node.opType)) continue;
    let reads = false;
    for (const value of readsOf(node)) reads ||= data.has(value);
    if (!reads) continue;
    if (part?.(nameOf(node)) === false) others.push(node);
    else layers.add(node);
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
    inputs: part ? crossing(layers, (v) => !v.producer || !layers.has(v.producer)) : graph.requiredInputs,
    outputs: part ? [...crossing(others, isMade), ...graph.outputs.filter(isMade)] : graph.outputs,
    isWhole: part === undefined,
  };

  /** Values of the data path that these nodes read and for which the test holds. */
  function crossing(nodes: Iterable<Node>, test: (value: Value) => boolean): Value[] {
    const found = new Set<Value>();
    for (const node of nodes)
      for (const value of readsOf(node))
        if (data.has(value) && value.graph === graph && test(value)) found.add(value);
    return [...found];
  }

  function isMade(value: Value): boolean {
    return value.producer !== undefined && layers.has(value.producer);
  }
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
