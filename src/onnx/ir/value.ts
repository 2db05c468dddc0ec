import type { Graph } from './graph.js';
import type { Node } from './node.js';
import type { Tensor } from './tensor.js';
import { staticShape, type ValueType } from './types.js';

/** One place where a value is read: input `index` of `node`. */
export interface Use {
  readonly node: Node;
  readonly index: number;
}

/**
 * An edge of the graph, known by identity. A value is made by at most one node; without a producer it is a graph
 * input, an initializer, or both. Names are for files and messages and need not be unique while editing.
 */
export class Value {
  /** Unique among the values of a graph when it is saved; the codec renames clashes of values made here. */
  name: string;
  type: ValueType | undefined;
  docString = '';
  readonly metadata = new Map<string, string>();
  /** What the file held beside; only the codec reads and writes it. */
  wire: unknown;
  /** @internal */ _producer: Node | undefined;
  /** @internal */ _initializer: Tensor | undefined;
  /** @internal */ _graph: Graph | undefined;
  /** @internal */ _inputOf: Graph | undefined;
  /** @internal */ readonly _uses = new Map<Node, Set<number>>();
  /** @internal Graphs that list the value as an output: its own, and sub-graphs that hand an outer value on. */
  readonly _outputOf = new Set<Graph>();

  constructor(name: string, type?: ValueType) {
    this.name = name;
    this.type = type;
  }

  /** The node that makes this value. */
  get producer(): Node | undefined {
    return this._producer;
  }

  /** The constant that this value holds (or, for a graph input, defaults to). */
  get initializer(): Tensor | undefined {
    return this._initializer;
  }

  /** Whether the value is an input of its graph. */
  get isInput(): boolean {
    return this._inputOf !== undefined;
  }

  /** Whether the value is an output of its graph. */
  get isOutput(): boolean {
    return this._graph !== undefined && this._outputOf.has(this._graph);
  }

  /** The graph that owns the value: it produces, initializes or takes it. */
  get graph(): Graph | undefined {
    return this._graph;
  }

  /** Where the value is read, sub-graphs included. A fresh list, safe to edit while iterating. */
  get uses(): Use[] {
    const uses: Use[] = [];
    for (const [node, indices] of this._uses) for (const index of indices) uses.push({ node, index });
    return uses;
  }

  /** Nodes that read the value, each once. */
  get consumers(): Node[] {
    return [...this._uses.keys()];
  }

  /** Whether nothing reads the value and it is no output of a graph. */
  get isDead(): boolean {
    return this._uses.size === 0 && this._outputOf.size === 0;
  }

  /** Dims when all are known numbers; taken from the initializer where there is one. */
  get shape(): readonly number[] | undefined {
    return this._initializer && !this.isInput ? this._initializer.dims : staticShape(this.type);
  }

  /** The constant this value certainly holds: an initializer that no caller can override. */
  get constant(): Tensor | undefined {
    return this.isInput ? undefined : this._initializer;
  }
}
