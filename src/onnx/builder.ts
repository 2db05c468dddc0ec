import { ModelError } from '../base/errors.js';
import { inferNode } from './infer/node.js';
import type { AttributeInit } from './ir/attribute.js';
import type { Graph, Place } from './ir/graph.js';
import type { Node } from './ir/node.js';
import { Tensor } from './ir/tensor.js';
import type { ValueType } from './ir/types.js';
import type { Value } from './ir/value.js';

/** Finds the output types of a node; undefined where they cannot be known. */
export type InferNode = (node: Node, opset: number) => readonly (ValueType | undefined)[];

export interface BuilderOptions {
  /** Where nodes go; each next one follows the last. Default: the end of the graph. */
  readonly place?: Place;
  /** Gives new values their types; `false` leaves them without. Default: {@link inferNode}. */
  readonly infer?: InferNode | false;
}

export interface OpOptions {
  /** Last part of the node's name, in the current scope; default: the op type. */
  readonly name?: string;
  readonly domain?: string;
  /**
   * How many outputs (named after the node), or their exact names, which must be free; '' is an optional output that is
   * left out. Default: 1.
   */
  readonly outputs?: number | readonly string[];
}

/** Constants up to this many bytes are shared when they are equal; comparing larger ones costs more than it saves. */
const SHARED_BYTES = 256;

/** Unnamed constants by their content, per graph, so that several builders of one graph share them. */
const pools = new WeakMap<Graph, Map<string, { readonly value: Value; readonly tensor: Tensor }>>();

/**
 * Adds nodes and constants to a graph, in order, under readable unique names: `<scope>/<op>` for a node and its first
 * output. Types of new values are inferred from the inputs'.
 */
export class GraphBuilder {
  readonly graph: Graph;
  /** Version of the ai.onnx operator set that the emitted nodes are written in. */
  readonly opset: number;
  readonly #infer: InferNode | undefined;
  #place: Place;
  #scope = '';

  constructor(graph: Graph, opset: number, options: BuilderOptions = {}) {
    this.graph = graph;
    this.opset = opset;
    this.#place = options.place ?? 'end';
    this.#infer = options.infer === false ? undefined : (options.infer ?? inferNode);
  }

  /** Emits a node with one output (the first of several when `options.outputs` says so). */
  op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes?: Readonly<Record<string, AttributeInit>>,
    options?: OpOptions,
  ): Value {
    return this.node(opType, inputs, attributes, options).output(0);
  }

  /** Emits a node; returns all its outputs. */
  ops(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes?: Readonly<Record<string, AttributeInit>>,
    options?: OpOptions,
  ): readonly Value[] {
    return this.node(opType, inputs, attributes, options).outputs;
  }

  /** Emits a node and returns it. @throws ModelError when an exact output name is taken */
  node(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeInit>> = {},
    options: OpOptions = {},
  ): Node {
    const name = this.graph.uniqueName(this.scoped(options.name ?? opType));
    const node = this.graph.addNode(
      {
        opType,
        domain: options.domain ?? '',
        name,
        inputs,
        outputs: this.#outputNames(name, options.outputs ?? 1),
        attributes,
      },
      this.#place,
    );
    // 'before' keeps its anchor: each node lands right before it, so after the one emitted last.
    if (this.#place !== 'end' && 'after' in this.#place) this.#place = { after: node };
    if (this.#infer) {
      const types = this.#infer(node, this.opset);
      for (let i = 0; i < node.outputs.length; i++) node.outputs[i].type = types[i];
    }
    return node;
  }

  /**
   * A constant. Named ones (weights) are always new; the name is taken as it is, not scoped, and numbered when it is not
   * free. Unnamed small ones are shared with equal ones made before.
   */
  constant(tensor: Tensor, name?: string): Value {
    if (name !== undefined) return this.graph.addInitializer(this.graph.uniqueName(name), tensor);
    const size = tensor.storage.kind === 'bytes' ? tensor.storage.bytes.byteLength : Number.POSITIVE_INFINITY;
    if (size > SHARED_BYTES)
      return this.graph.addInitializer(this.graph.uniqueName(this.scoped('constant')), tensor);
    let pool = pools.get(this.graph);
    if (!pool) {
      pool = new Map();
      pools.set(this.graph, pool);
    }
    const key = `${tensor.dataType} ${tensor.dims} ${Buffer.from(tensor.bytes()).toString('latin1')}`;
    const known = pool.get(key);
    // The graph may have dropped the constant, or given it another content, since.
    if (known && known.value.graph === this.graph && known.value.constant === known.tensor)
      return known.value;
    const value = this.graph.addInitializer(this.graph.uniqueName(constantName(tensor)), tensor);
    pool.set(key, { value, tensor });
    return value;
  }

  /** A float32 constant: a scalar, or a list with `dims` (default: one axis). */
  f32(data: number | readonly number[] | Float32Array, dims?: readonly number[]): Value {
    const list = typeof data === 'number' ? [data] : data;
    const tensor = Tensor.float32(dims ?? (typeof data === 'number' ? [] : [list.length]), list);
    return this.constant(tensor);
  }

  /** An int64 constant: a scalar, or a list with `dims` (default: one axis), as shapes, axes and pads are given. */
  i64(data: number | bigint | readonly (number | bigint)[] | BigInt64Array, dims?: readonly number[]): Value {
    const scalar = typeof data === 'number' || typeof data === 'bigint';
    const list = scalar ? [data] : data;
    const ints = list instanceof BigInt64Array ? list : BigInt64Array.from(list, (v) => BigInt(v));
    return this.constant(Tensor.int64(dims ?? (scalar ? [] : [ints.length]), ints));
  }

  /** Runs `fn` with `prefix` added to the names of what it emits. Scopes nest; an empty prefix adds nothing. */
  scope<T>(prefix: string, fn: () => T): T {
    const outer = this.#scope;
    this.#scope = this.scoped(prefix);
    try {
      return fn();
    } finally {
      this.#scope = outer;
    }
  }

  /** Runs `fn` emitting at another place of the graph. */
  at<T>(place: Place, fn: () => T): T {
    const outer = this.#place;
    this.#place = place;
    try {
      return fn();
    } finally {
      this.#place = outer;
    }
  }

  /** `name` as it reads in the current scope. Not made unique. */
  scoped(name: string): string {
    if (this.#scope === '') return name;
    return name === '' ? this.#scope : `${this.#scope}/${name}`;
  }

  #outputNames(name: string, outputs: number | readonly string[]): readonly string[] {
    if (typeof outputs === 'number') {
      // Node and value names are separate in ONNX, and both came from one uniqueName: the first output may share it.
      const names = [name];
      for (let i = 1; i < outputs; i++) names.push(this.graph.uniqueName(`${name}.${i}`));
      return names;
    }
    for (const wanted of outputs)
      if (wanted !== '' && this.graph.hasName(wanted))
        throw new ModelError({ problem: `node '${name}': the output name '${wanted}' is taken` });
    return outputs;
  }
}

/** `const/i64_0_2_3`: the content where it is short, for a reader of the graph. */
function constantName(tensor: Tensor): string {
  const type = tensor.dataType.replace(/^(float|int)(32|64)$/, (_, kind: string, bits) => kind[0] + bits);
  if (tensor.size > 4) return `const/${type}`;
  const values: string[] = [];
  if (tensor.dataType !== 'float16' && tensor.dataType !== 'bfloat16')
    for (const v of tensor.typed())
      values.push(typeof v === 'bigint' ? `${v}` : `${Number(v.toPrecision(6))}`);
  return `const/${[type, ...values].join('_')}`;
}
