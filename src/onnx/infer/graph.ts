import { ModelError } from '../../base/errors.js';
import type { Graph } from '../ir/graph.js';
import type { Model } from '../ir/model.js';
import type { Node } from '../ir/node.js';
import type { Tensor } from '../ir/tensor.js';
import { type Dim, staticShape, tensorType, type ValueType } from '../ir/types.js';
import type { Value } from '../ir/value.js';
import { constantOf } from '../ops/axes.js';
import { checkTypes } from '../ops/check.js';
import { refuse, showDims } from '../ops/fail.js';
import { type Facts, InferContext } from './context.js';
import { meetDim, type Shape } from './dims.js';
import { type Known, knownOf } from './known.js';
import { propagate } from './propagate.js';
import { inferRuleOf } from './table.js';

export interface InferOptions {
  /** Refuse what is wrong instead of leaving it unknown. */
  readonly strict?: boolean;
  /** Dims of graph inputs to reckon with instead of the declared ones. Other declared shapes then do not count. */
  readonly inputShapes?: ReadonlyMap<string, readonly Dim[]>;
}

/** What is known of a model's values: types, and the elements of small tensors that shapes are computed with. */
export interface Inferred {
  readonly types: ReadonlyMap<Value, ValueType>;
  readonly known: ReadonlyMap<Value, Known>;
}

/**
 * Fills `type` of every value it can, sub-graphs included; symbolic dims stay. A type that says no more than the
 * declared one is not replaced.
 * @throws ModelError with `strict`, naming the node, for whatever does not go together; always for an unknown name in
 *   `inputShapes`
 */
export function inferShapes(model: Model, options: InferOptions = {}): void {
  const { types } = inferTypes(model, options);
  const outputs = new Set(model.graph.outputs);
  for (const [value, type] of types) {
    if (value.initializer && !value.isInput) continue;
    const old = value.type;
    // A graph output keeps the names its file gave to open dims.
    const next = outputs.has(value) && options.inputShapes === undefined ? keepNames(old, type) : type;
    if (!old || !sameType(old, next)) value.type = next;
  }
}

/** As {@link inferShapes}, without touching the model. Nodes must be in a topological order. */
export function inferTypes(model: Model, options: InferOptions = {}): Inferred {
  const inference = new Inference(model.opset, options);
  const { graph } = model;
  for (const name of options.inputShapes?.keys() ?? [])
    if (!graph.inputs.some((v) => v.name === name))
      throw new ModelError({
        problem: `the model has no input '${name}'`,
        expected: graph.inputs.map((v) => v.name).join(', '),
      });
  inference.enter(
    graph,
    graph.inputs.map((v) => withShape(v.type, options.inputShapes?.get(v.name))),
  );
  return { types: inference.types, known: inference.elements };
}

function withShape(type: ValueType | undefined, shape: readonly Dim[] | undefined): ValueType | undefined {
  return shape && type?.kind === 'tensor' ? tensorType(type.dataType, shape) : type;
}

/** Sub-graphs deeper than this keep their declared types, so that no file can exhaust the stack. */
const MAX_DEPTH = 64;

class Inference implements Facts {
  readonly types = new Map<Value, ValueType>();
  /** Elements computed so far; constants are read where they are asked for. */
  readonly elements = new Map<Value, Known>();
  readonly #opset: number;
  readonly #overriding: boolean;
  #strict: boolean;
  #depth = 0;

  constructor(opset: number, options: InferOptions) {
    this.#opset = opset;
    this.#strict = options.strict ?? false;
    this.#overriding = options.inputShapes !== undefined;
  }

  type(value: Value): ValueType | undefined {
    return this.types.get(value) ?? this.#declared(value);
  }

  constant(value: Value): Tensor | undefined {
    // A default that a caller might override is still what shapes are reckoned with: old files list every initializer
    // as an input.
    return value.initializer ?? constantOf(value);
  }

  known(value: Value): Known | undefined {
    const tensor = value.initializer;
    return tensor ? knownOf(tensor) : this.elements.get(value);
  }

  graph(
    graph: Graph,
    inputs: readonly (ValueType | undefined)[],
    certain: boolean,
  ): readonly (ValueType | undefined)[] {
    if (this.#depth >= MAX_DEPTH) return graph.outputs.map((o) => o.type);
    const strict = this.#strict;
    this.#depth++;
    this.#strict = strict && certain;
    try {
      return this.enter(graph, inputs);
    } finally {
      this.#depth--;
      this.#strict = strict;
    }
  }

  enter(graph: Graph, inputs: readonly (ValueType | undefined)[]): readonly (ValueType | undefined)[] {
    graph.inputs.forEach((value, i) => {
      const type = inputs[i] ?? value.type;
      if (type) this.types.set(value, type);
    });
    for (const node of graph.nodes) this.#node(node);
    return graph.outputs.map((o) => this.type(o));
  }

  #node(node: Node): void {
    const c = new InferContext(node, this.#opset, this);
    let types: readonly (ValueType | undefined)[] = [];
    let known: readonly (Known | undefined)[] = [];
    try {
      if (this.#strict) checkTypes(node, this.#opset, (value) => this.type(value));
      types = inferRuleOf(node)?.(c) ?? [];
      known = propagate(c, types);
    } catch (error) {
      if (this.#strict || !(error instanceof ModelError)) throw error;
    }
    node.outputs.forEach((value, i) => {
      const type = this.#merge(node, value, types[i]);
      if (type) this.types.set(value, type);
      const elements = known[i];
      if (elements && agrees(elements, type)) this.elements.set(value, elements);
    });
  }

  /** What the file says, as far as it still counts. */
  #declared(value: Value): ValueType | undefined {
    const { type } = value;
    if (!this.#overriding || !value.producer || type?.kind !== 'tensor') return type;
    return tensorType(type.dataType);
  }

  #merge(node: Node, value: Value, inferred: ValueType | undefined): ValueType | undefined {
    const declared = this.#declared(value);
    if (!declared || !inferred) return inferred ?? declared;
    if (declared.kind !== 'tensor' || inferred.kind !== 'tensor') return declared;
    const clash = (what: string, expected: string, found: string): ValueType =>
      this.#strict ? refuse(node, `the declared ${what} of '${value.name}'`, expected, found) : inferred;
    if (declared.dataType !== inferred.dataType) return clash('type', inferred.dataType, declared.dataType);
    if (!declared.shape || !inferred.shape) return inferred.shape ? inferred : declared;
    const shape = meet(inferred.shape, declared.shape);
    if (!shape) return clash('shape', showDims(inferred.shape), showDims(declared.shape));
    return sameDims(shape, declared.shape) ? declared : tensorType(inferred.dataType, shape);
  }
}

function meet(a: Shape, b: Shape): Shape | undefined {
  if (a.length !== b.length) return undefined;
  const out: Dim[] = [];
  for (let i = 0; i < a.length; i++) {
    const d = meetDim(a[i], b[i]);
    if (d === 'clash') return undefined;
    out.push(d);
  }
  return out;
}

/** Elements found by following a graph that lies about shapes are not to be trusted. */
function agrees(elements: Known, type: ValueType | undefined): boolean {
  const dims = staticShape(type);
  return dims !== undefined && sameDims(dims, elements.dims);
}

function keepNames(declared: ValueType | undefined, type: ValueType): ValueType {
  if (declared?.kind !== 'tensor' || type.kind !== 'tensor' || !declared.shape || !type.shape) return type;
  const old = declared.shape;
  return tensorType(
    type.dataType,
    type.shape.map((d, i) => (typeof d === 'number' ? d : (old[i] ?? d))),
  );
}

function sameType(a: ValueType, b: ValueType): boolean {
  if (a === b) return true;
  if (a.kind !== 'tensor' || b.kind !== 'tensor' || a.dataType !== b.dataType) return false;
  return a.shape && b.shape ? sameDims(a.shape, b.shape) : a.shape === b.shape;
}

function sameDims(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}
