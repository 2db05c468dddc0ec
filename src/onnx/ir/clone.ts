import type { Attribute } from './attribute.js';
import { Graph } from './graph.js';
import { Model } from './model.js';
import { Node } from './node.js';
import { Value } from './value.js';

/** A deep copy of structure; tensors and types, which are immutable, are shared. */
export function cloneModel(model: Model): Model {
  const copy = new Model(cloneGraph(model.graph), model.opset, model.irVersion);
  copy.opsets.clear();
  for (const [k, v] of model.opsets) copy.opsets.set(k, v);
  for (const [k, v] of model.metadata) copy.metadata.set(k, v);
  copy.producerName = model.producerName;
  copy.producerVersion = model.producerVersion;
  copy.domain = model.domain;
  copy.modelVersion = model.modelVersion;
  copy.docString = model.docString;
  copy.wire = model.wire;
  copy.source = model.source;
  return copy;
}

/** Copies a graph. `map` receives every old value and its copy; values it already holds are used as they are. */
export function cloneGraph(graph: Graph, map = new Map<Value, Value>(), outer?: Graph): Graph {
  const copy = new Graph(graph.name, outer);
  copy.docString = graph.docString;
  copy.wire = graph.wire;
  for (const [k, v] of graph.metadata) copy.metadata.set(k, v);
  for (const v of graph.inputs) copy.addInput(cloneValue(v, map));
  for (const v of graph.initializers) {
    const c = map.get(v) ?? cloneValue(v, map);
    if (v.initializer) copy.addInitializer(c, v.initializer);
  }
  for (const node of graph.nodes) for (const o of node.outputs) cloneValue(o, map);
  for (const node of graph.nodes) copy.addNode(cloneNode(node, map, copy));
  for (const o of graph.outputs) copy.addOutput(map.get(o) ?? o);
  return copy;
}

function cloneValue(v: Value, map: Map<Value, Value>): Value {
  const c = new Value(v.name, v.type);
  c.docString = v.docString;
  c.wire = v.wire;
  for (const [k, m] of v.metadata) c.metadata.set(k, m);
  map.set(v, c);
  return c;
}

/** Copies a node; inputs found in `map` are replaced, others kept (captured from an outer graph). */
export function cloneNode(node: Node, map: Map<Value, Value>, graph: Graph): Node {
  const copy = new Node({
    opType: node.opType,
    domain: node.domain,
    overload: node.overload,
    name: node.name,
    inputs: node.inputs.map((v) => v && (map.get(v) ?? v)),
    outputs: node.outputs.map((o) => map.get(o) ?? cloneValue(o, map)),
  });
  copy.docString = node.docString;
  copy.wire = node.wire;
  for (const [k, v] of node.metadata) copy.metadata.set(k, v);
  for (const [k, a] of node.attributes) copy.attributes.set(k, cloneAttribute(a, map, graph));
  return copy;
}

function cloneAttribute(a: Attribute, map: Map<Value, Value>, outer: Graph): Attribute {
  if (a.type === 'graph') return { ...a, value: cloneGraph(a.value, map, outer) };
  if (a.type === 'graphs') return { ...a, value: a.value.map((g) => cloneGraph(g, map, outer)) };
  return a;
}
