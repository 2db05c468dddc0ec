import { ModelError } from '../../base/errors.js';
import { Node, type NodeInit } from './node.js';
import type { Tensor } from './tensor.js';
import { tensorType, type ValueType } from './types.js';
import { Value } from './value.js';

export type Place = { readonly before: Node } | { readonly after: Node } | 'end';

/**
 * A graph: inputs, initializers, nodes in a topological order, outputs. Every edit goes through these methods, which
 * keep both ends of each edge in step.
 */
export class Graph {
  name: string;
  docString = '';
  readonly metadata = new Map<string, string>();
  /** What the file held beside (quantization annotations, sparse initializers, …); only the codec reads and writes it. */
  wire: unknown;
  /** The graph whose values this one may read (sub-graphs of If, Loop, Scan). */
  readonly outer: Graph | undefined;
  #inputs: Value[] = [];
  #outputs: Value[] = [];
  #initializers = new Set<Value>();
  #nodes: Node[] = [];
  #nextName = new Map<string, number>();
  #names: Set<string> | undefined;

  constructor(name: string, outer?: Graph) {
    this.name = name;
    this.outer = outer;
  }

  get inputs(): readonly Value[] {
    return this.#inputs;
  }

  get outputs(): readonly Value[] {
    return this.#outputs;
  }

  /** Values that hold a constant, in the file's order. */
  get initializers(): ReadonlySet<Value> {
    return this.#initializers;
  }

  /** In topological order, if the graph verifies. */
  get nodes(): readonly Node[] {
    return this.#nodes;
  }

  /** Inputs that a caller must feed: those without a default. */
  get requiredInputs(): Value[] {
    return this.#inputs.filter((v) => !v.initializer);
  }

  /** Adds an input, at the end or before the one at `index`. */
  addInput(name: string | Value, type?: ValueType, index = this.#inputs.length): Value {
    const value = typeof name === 'string' ? new Value(name, type) : name;
    if (value._producer)
      throw new ModelError({
        problem: `value '${value.name}' is made by a node and cannot be a graph input`,
      });
    value._graph = this;
    value._inputOf = this;
    this.#inputs.splice(index, 0, value);
    this.#names?.add(value.name);
    return value;
  }

  /** The value stays readable only if it also has an initializer. */
  removeInput(value: Value): void {
    if (value._uses.size > 0 && !value._initializer)
      throw new ModelError({
        problem: `graph input '${value.name}' is still read by ${value.consumers[0].describe()}`,
      });
    this.#inputs = this.#inputs.filter((v) => v !== value);
    value._inputOf = undefined;
    if (!value._initializer) value._graph = undefined;
  }

  /** Adds a constant, or gives a graph input a default when a value is passed. */
  addInitializer(name: string | Value, tensor: Tensor): Value {
    const value = typeof name === 'string' ? new Value(name, tensorType(tensor.dataType, tensor.dims)) : name;
    if (value._producer)
      throw new ModelError({ problem: `value '${value.name}' is made by a node and cannot hold a constant` });
    value._graph = this;
    value._initializer = tensor;
    this.#initializers.add(value);
    this.#names?.add(value.name);
    return value;
  }

  /** Replaces the constant of an initializer; its uses stay. A graph input keeps its declared type where that still fits. */
  setInitializer(value: Value, tensor: Tensor): void {
    if (!this.#initializers.has(value))
      throw new ModelError({ problem: `'${value.name}' is no initializer of graph '${this.name}'` });
    value._initializer = tensor;
    if (!value.isInput || !fits(tensor, value.type)) value.type = tensorType(tensor.dataType, tensor.dims);
  }

  removeInitializer(value: Value): void {
    if (value._uses.size > 0 && !value.isInput)
      throw new ModelError({
        problem: `initializer '${value.name}' is still read by ${value.consumers[0].describe()}`,
      });
    if (value._outputOf.size > 0)
      throw new ModelError({ problem: `initializer '${value.name}' is a graph output` });
    this.#initializers.delete(value);
    value._initializer = undefined;
    if (!value.isInput) value._graph = undefined;
  }

  addOutput(value: Value): void {
    this.#outputs.push(value);
    value._outputOf.add(this);
  }

  setOutput(index: number, value: Value): void {
    if (index < 0 || index >= this.#outputs.length)
      throw new ModelError({
        problem: `graph '${this.name}' has no output ${index}`,
        found: `${this.#outputs.length} outputs`,
      });
    const old = this.#outputs[index];
    this.#outputs[index] = value;
    if (!this.#outputs.includes(old)) old._outputOf.delete(this);
    value._outputOf.add(this);
  }

  removeOutput(value: Value): void {
    this.#outputs = this.#outputs.filter((v) => v !== value);
    value._outputOf.delete(this);
  }

  addNode(init: NodeInit | Node, place: Place = 'end'): Node {
    const node = init instanceof Node ? init : new Node(init);
    node._graph = this;
    for (const output of node.outputs) {
      output._graph = this;
      this.#names?.add(output.name);
    }
    if (place === 'end') this.#nodes.push(node);
    else if ('before' in place) this.#nodes.splice(this.#indexOf(place.before), 0, node);
    else this.#nodes.splice(this.#indexOf(place.after) + 1, 0, node);
    return node;
  }

  /** Removes a node whose outputs nothing reads. */
  removeNode(node: Node): void {
    for (const output of node.outputs) {
      if (output._uses.size > 0)
        throw new ModelError({
          problem: `cannot remove ${node.describe()}: '${output.name}' is still read by ${output.consumers[0].describe()}`,
        });
      if (output._outputOf.size > 0)
        throw new ModelError({
          problem: `cannot remove ${node.describe()}: '${output.name}' is a graph output`,
        });
    }
    this.#nodes.splice(this.#indexOf(node), 1);
    this.#detach(node);
  }

  /** Removes many nodes at once; each may be read only by others of the set. */
  removeNodes(nodes: ReadonlySet<Node>): void {
    const inner = contentOf(nodes);
    for (const node of nodes)
      for (const output of node.outputs) {
        const reader = output.consumers.find((n) => !inner.nodes.has(n));
        if (reader || [...output._outputOf].some((g) => !inner.graphs.has(g)))
          throw new ModelError({
            problem: `cannot remove ${node.describe()}: '${output.name}' is ${reader ? `still read by ${reader.describe()}` : 'a graph output'}`,
          });
      }
    this.#nodes = this.#nodes.filter((n) => !nodes.has(n));
    for (const node of nodes) this.#detach(node);
  }

  /**
   * Makes every reader of `from` read `to` instead, graph outputs included. Names stay: where an output is to keep its
   * name, the caller gives it to `to`.
   */
  replaceUses(from: Value, to: Value, options: { readonly outputs?: boolean } = {}): void {
    for (const { node, index } of from.uses) node.setInput(index, to);
    if (options.outputs === false) return;
    for (const graph of [...from._outputOf])
      for (const [i, v] of graph.#outputs.entries()) if (v === from) graph.setOutput(i, to);
  }

  /** Orders the nodes topologically, keeping the present order where it is free. @throws ModelError on a cycle. */
  sort(): void {
    const position = new Map(this.#nodes.map((n, i) => [n, i]));
    const waiting = new Map<Node, number>();
    const readers = new Map<Node, Node[]>();
    for (const node of this.#nodes) {
      const sources = new Set<Node>();
      for (const value of readsOf(node)) {
        const producer = value.producer;
        if (producer && position.has(producer)) sources.add(producer);
      }
      waiting.set(node, sources.size);
      for (const s of sources) {
        const list = readers.get(s);
        if (list) list.push(node);
        else readers.set(s, [node]);
      }
    }
    if (this.#isSorted(position)) return;
    const ready = new MinHeap();
    for (const [node, count] of waiting) if (count === 0) ready.push(position.get(node) ?? 0);
    const order: Node[] = [];
    for (let at = ready.pop(); at !== undefined; at = ready.pop()) {
      const node = this.#nodes[at];
      order.push(node);
      for (const reader of readers.get(node) ?? []) {
        const left = (waiting.get(reader) ?? 0) - 1;
        waiting.set(reader, left);
        if (left === 0) ready.push(position.get(reader) ?? 0);
      }
    }
    if (order.length !== this.#nodes.length) {
      const done = new Set(order);
      const stuck = this.#nodes.find((n) => !done.has(n));
      throw new ModelError({ problem: `graph '${this.name}' has a cycle through ${stuck?.describe()}` });
    }
    this.#nodes = order;
  }

  /** A name no value or node of this graph (or of an outer one) has. */
  uniqueName(wanted: string): string {
    this.#names ??= new Set([...this.values()].map((v) => v.name).concat(this.#nodes.map((n) => n.name)));
    const taken = (name: string): boolean =>
      this.#names?.has(name) === true || (this.outer?.hasName(name) ?? false);
    let name = wanted;
    if (taken(name)) {
      let n = this.#nextName.get(wanted) ?? 1;
      do name = `${wanted}_${n++}`;
      while (taken(name));
      this.#nextName.set(wanted, n);
    }
    this.#names.add(name);
    return name;
  }

  hasName(name: string): boolean {
    this.#names ??= new Set([...this.values()].map((v) => v.name).concat(this.#nodes.map((n) => n.name)));
    return this.#names.has(name) || (this.outer?.hasName(name) ?? false);
  }

  /** Every value the graph owns: inputs, initializers, node outputs. */
  *values(): Generator<Value> {
    yield* this.#inputs;
    for (const v of this.#initializers) if (!v.isInput) yield v;
    for (const n of this.#nodes) for (const o of n.outputs) yield o;
  }

  /** The value with this name in this graph. Linear; for tests and command lines. */
  find(name: string): Value | undefined {
    for (const v of this.values()) if (v.name === name) return v;
    return undefined;
  }

  #indexOf(node: Node): number {
    const i = this.#nodes.indexOf(node);
    if (i < 0) throw new ModelError({ problem: `${node.describe()} is not in graph '${this.name}'` });
    return i;
  }

  #detach(node: Node): void {
    node.truncateInputs(0);
    for (const inner of node.subgraphs) {
      for (const n of inner.nodes) inner.#detach(n);
      for (const o of inner.outputs) if (o.graph !== inner) o._outputOf.delete(inner);
    }
    node._graph = undefined;
    for (const output of node.outputs) output._graph = undefined;
  }

  #isSorted(position: ReadonlyMap<Node, number>): boolean {
    return this.#nodes.every((node, i) => {
      for (const value of readsOf(node)) {
        const p = value.producer && position.get(value.producer);
        if (p !== undefined && p >= i) return false;
      }
      return true;
    });
  }
}

/** The values a node reads: its inputs, and what its sub-graphs capture from outside. */
export function* readsOf(node: Node): Generator<Value> {
  const stack = [node];
  for (let n = stack.pop(); n; n = stack.pop()) {
    for (const value of n.inputs) if (value) yield value;
    for (const g of n.subgraphs) {
      for (const inner of g.nodes) stack.push(inner);
      yield* g.outputs;
    }
  }
}

function fits(tensor: Tensor, type: ValueType | undefined): boolean {
  if (type?.kind !== 'tensor' || type.dataType !== tensor.dataType) return false;
  const { shape } = type;
  if (!shape) return true;
  return (
    shape.length === tensor.dims.length &&
    shape.every((d, i) => typeof d !== 'number' || d === tensor.dims[i])
  );
}

/** The nodes and graphs that these nodes consist of: themselves, and what is inside their sub-graphs. */
function contentOf(nodes: Iterable<Node>): { readonly nodes: Set<Node>; readonly graphs: Set<Graph> } {
  const all = new Set(nodes);
  const graphs = new Set<Graph>();
  // A set that grows while it is walked is walked to its end.
  for (const node of all)
    for (const g of node.subgraphs) {
      graphs.add(g);
      for (const inner of g.nodes) all.add(inner);
    }
  return { nodes: all, graphs };
}

class MinHeap {
  #items: number[] = [];

  push(v: number): void {
    const items = this.#items;
    let i = items.push(v) - 1;
    while (i > 0) {
      const p = (i - 1) >> 1;
      if (items[p] <= v) break;
      items[i] = items[p];
      i = p;
    }
    items[i] = v;
  }

  pop(): number | undefined {
    const items = this.#items;
    const top = items[0];
    const last = items.pop();
    if (last === undefined || items.length === 0) return top;
    let i = 0;
    for (let c = 1; c < items.length; c = 2 * i + 1) {
      if (c + 1 < items.length && items[c + 1] < items[c]) c++;
      if (items[c] >= last) break;
      items[i] = items[c];
      i = c;
    }
    items[i] = last;
    return top;
  }
}
