import { ModelError } from '../../base/errors.js';
import { type Attribute, type AttributeInit, toAttribute } from './attribute.js';
import type { Graph } from './graph.js';
import type { Tensor } from './tensor.js';
import { Value } from './value.js';

export interface NodeInit {
  readonly opType: string;
  /** '' is ai.onnx. */
  readonly domain?: string;
  readonly overload?: string;
  readonly name?: string;
  /** Undefined: an optional input that is left out. */
  readonly inputs: readonly (Value | undefined)[];
  /** Output names, or ready values. An empty name is an optional output that is left out. */
  readonly outputs: readonly (string | Value)[];
  readonly attributes?: Readonly<Record<string, AttributeInit>>;
}

const utf8 = new TextDecoder();

/** An operator call. Owns its outputs, which are fixed; inputs change only through {@link Node.setInput}. */
export class Node {
  readonly opType: string;
  readonly domain: string;
  readonly overload: string;
  name: string;
  docString = '';
  readonly metadata = new Map<string, string>();
  /** In the file's order. */
  readonly attributes = new Map<string, Attribute>();
  readonly outputs: readonly Value[];
  /** What the file held beside; only the codec reads and writes it. */
  wire: unknown;
  /** @internal */ _graph: Graph | undefined;
  #inputs: (Value | undefined)[];

  constructor(init: NodeInit) {
    this.opType = init.opType;
    this.domain = init.domain === 'ai.onnx' ? '' : (init.domain ?? '');
    this.overload = init.overload ?? '';
    this.name = init.name ?? '';
    this.#inputs = [];
    for (const input of init.inputs) this.addInput(input);
    this.outputs = init.outputs.map((o) => (typeof o === 'string' ? new Value(o) : o));
    for (const output of this.outputs) {
      if (output._producer) throw new Error(`value ${output.name} already has a producer`);
      output._producer = this;
    }
    for (const [name, value] of Object.entries(init.attributes ?? {}))
      this.attributes.set(name, toAttribute(value));
  }

  get inputs(): readonly (Value | undefined)[] {
    return this.#inputs;
  }

  get graph(): Graph | undefined {
    return this._graph;
  }

  /** The input at `index`; throws naming the node when it is left out. */
  input(index: number): Value {
    const value = this.#inputs[index];
    if (!value) throw new ModelError({ problem: `${this.describe()} has no input ${index}` });
    return value;
  }

  /** The output at `index`; throws naming the node when there is none. */
  output(index = 0): Value {
    const value = this.outputs[index];
    if (!value) throw new ModelError({ problem: `${this.describe()} has no output ${index}` });
    return value;
  }

  setInput(index: number, value: Value | undefined): void {
    const old = this.#inputs[index];
    if (old === value) return;
    while (this.#inputs.length < index) this.#inputs.push(undefined);
    this.#inputs[index] = value;
    if (old) this.#dropUse(old, index);
    if (value) this.#recordUse(value, index);
  }

  addInput(value: Value | undefined): void {
    this.#inputs.push(value);
    if (value) this.#recordUse(value, this.#inputs.length - 1);
  }

  /** Shortens the input list, e.g. after an optional input went away. */
  truncateInputs(length: number): void {
    for (let i = length; i < this.#inputs.length; i++) this.setInput(i, undefined);
    this.#inputs.length = Math.min(length, this.#inputs.length);
  }

  setAttribute(name: string, value: AttributeInit): void {
    this.attributes.set(name, toAttribute(value));
  }

  int(name: string, otherwise: number): number {
    const a = this.#typed(name, 'int');
    return a ? Number(a.value) : otherwise;
  }

  ints(name: string): readonly number[] | undefined {
    return this.#typed(name, 'ints')?.value.map(Number);
  }

  float(name: string, otherwise: number): number {
    return this.#typed(name, 'float')?.value ?? otherwise;
  }

  floats(name: string): readonly number[] | undefined {
    return this.#typed(name, 'floats')?.value;
  }

  string(name: string, otherwise: string): string {
    const a = this.#typed(name, 'string');
    return a ? utf8.decode(a.value) : otherwise;
  }

  tensor(name: string): Tensor | undefined {
    return this.#typed(name, 'tensor')?.value;
  }

  /** Sub-graphs held by attributes (If, Loop, Scan). */
  get subgraphs(): Graph[] {
    const graphs: Graph[] = [];
    for (const a of this.attributes.values()) {
      if (a.type === 'graph') graphs.push(a.value);
      if (a.type === 'graphs') graphs.push(...a.value);
    }
    return graphs;
  }

  /** `Conv 'features.0'`, or by its output where the node has no name. */
  describe(): string {
    const op = this.domain ? `${this.domain}.${this.opType}` : this.opType;
    return this.name ? `${op} '${this.name}'` : `${op} (output '${this.outputs[0]?.name ?? ''}')`;
  }

  #typed<T extends Attribute['type']>(name: string, type: T): Extract<Attribute, { type: T }> | undefined {
    const a = this.attributes.get(name);
    if (!a) return undefined;
    if (!hasType(a, type))
      throw new ModelError({
        problem: `${this.describe()}: attribute ${name}`,
        expected: type,
        found: a.type,
      });
    return a;
  }

  #recordUse(value: Value, index: number): void {
    const indices = value._uses.get(this);
    if (indices) indices.add(index);
    else value._uses.set(this, new Set([index]));
  }

  #dropUse(value: Value, index: number): void {
    const indices = value._uses.get(this);
    indices?.delete(index);
    if (indices?.size === 0) value._uses.delete(this);
  }
}

function hasType<T extends Attribute['type']>(a: Attribute, type: T): a is Extract<Attribute, { type: T }> {
  return a.type === type;
}
