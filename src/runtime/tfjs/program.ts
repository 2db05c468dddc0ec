import { ModelError } from '../../base/errors.js';
import {
  constantsToInitializers,
  type DataType,
  type Model,
  type Node,
  type Tensor,
  type Value,
} from '../../onnx/index.js';
import { Call, type Lookup } from './call.js';
import type { OpRule } from './rule.js';
import { reasonFor, ruleFor } from './rules.js';
import { toTf } from './tensors.js';
import type { Tf, TfTensor } from './tf.js';

interface Instruction {
  readonly node: Node;
  readonly rule: OpRule;
  /** Values that the node reads, each once. */
  readonly reads: readonly Value[];
}

/** What is computed for a choice of outputs, and how often each value is read. */
interface Plan {
  readonly instructions: readonly Instruction[];
  readonly readers: ReadonlyMap<Value, number>;
}

/**
 * A graph ready to run: its constants lie in TensorFlow.js's memory, and each run computes the nodes that the wanted
 * outputs need, in order. An intermediate value is disposed of after its last reader.
 */
export class Program {
  readonly #tf: Tf;
  readonly #opset: number;
  readonly #inputs: ReadonlyMap<string, Value>;
  readonly #outputs: ReadonlyMap<string, Value>;
  readonly #nodes: readonly Node[];
  readonly #constants: ReadonlyMap<Value, TfTensor>;
  readonly #plans = new Map<string, Plan>();

  /** The model becomes the program's own. */
  constructor(tf: Tf, { graph, opset }: Model) {
    constantsToInitializers(graph);
    this.#tf = tf;
    this.#opset = opset;
    this.#inputs = new Map(graph.inputs.map((v) => [v.name, v]));
    this.#outputs = new Map(graph.outputs.map((v) => [v.name, v]));
    this.#nodes = [...graph.nodes];
    this.#constants = constantsOf(tf, this.#nodes, graph.outputs);
  }

  get inputNames(): string[] {
    return [...this.#inputs.keys()];
  }

  get outputNames(): string[] {
    return [...this.#outputs.keys()];
  }

  /** The declared element type of an output. */
  outputType(name: string): DataType {
    const type = this.#output(name).type;
    if (type?.kind !== 'tensor') throw new ModelError({ problem: `output '${name}' has no declared type` });
    return type.dataType;
  }

  /**
   * @param feeds by input name; they stay the caller's
   * @returns the wanted outputs by name, which are the caller's to dispose of
   */
  run(feeds: ReadonlyMap<string, TfTensor>, wanted: readonly string[]): Map<string, TfTensor> {
    const given = new Map(Array.from(feeds, ([name, t]) => [this.#input(name), t] as const));
    const { instructions, readers } = this.#plan(wanted);
    const left = new Map(readers);
    const made = new Map<Value, TfTensor>();
    const lookup: Lookup = (v) => made.get(v) ?? given.get(v) ?? this.#constants.get(v);
    try {
      for (const { node, rule, reads } of instructions) {
        const results = this.#compute(node, rule, lookup);
        for (const [i, value] of node.outputs.entries()) {
          const result = results[i];
          if (result && readers.has(value)) made.set(value, result);
          else result?.dispose();
        }
        for (const v of reads) {
          const rest = (left.get(v) ?? 1) - 1;
          left.set(v, rest);
          if (rest > 0) continue;
          made.get(v)?.dispose();
          made.delete(v);
        }
      }
      const outputs = new Map<string, TfTensor>();
      for (const name of wanted) {
        const value = this.#output(name);
        const tensor = lookup(value);
        if (!tensor) throw new ModelError({ problem: `nothing makes output '${name}'` });
        outputs.set(name, tensor.clone());
      }
      return outputs;
    } finally {
      for (const t of made.values()) t.dispose();
    }
  }

  dispose(): void {
    for (const t of this.#constants.values()) t.dispose();
  }

  /** A node's results, none of which is one of its inputs. */
  #compute(node: Node, rule: OpRule, lookup: Lookup): TfTensor[] {
    const tf = this.#tf;
    const call = new Call(tf, node, this.#opset, lookup);
    const inputs = new Set(node.inputs.map((v) => v && lookup(v)));
    try {
      return tf.tidy(() => {
        const results = rule.compute(call);
        const list = results instanceof tf.Tensor ? [results] : results;
        return list.map((t) => (inputs.has(t) ? t.clone() : t));
      });
    } catch (error) {
      if (error instanceof ModelError || !(error instanceof Error)) throw error;
      throw new Error(`${node.describe()}: ${error.message}`, { cause: error });
    }
  }

  #plan(wanted: readonly string[]): Plan {
    const key = wanted.join('\0');
    const plan = this.#plans.get(key) ?? this.#makePlan(wanted.map((name) => this.#output(name)));
    this.#plans.set(key, plan);
    return plan;
  }

  #makePlan(wanted: readonly Value[]): Plan {
    const needed = new Set<Node>();
    const stack = wanted.map((v) => v.producer);
    while (stack.length > 0) {
      const node = stack.pop();
      if (!node || needed.has(node)) continue;
      needed.add(node);
      for (const v of node.inputs) stack.push(v?.producer);
    }
    const instructions = this.#nodes
      .filter((n) => needed.has(n))
      .map((node): Instruction => {
        const rule = ruleFor(node.opType, node.domain);
        // The main thread checks this before it sends the model, and tells of all such nodes.
        if (!rule) throw new Error(`${node.describe()}: ${reasonFor(node.opType, node.domain)}`);
        return { node, rule, reads: [...new Set(node.inputs.filter((v) => v !== undefined))] };
      });
    const readers = new Map<Value, number>();
    const count = (v: Value): void => void readers.set(v, (readers.get(v) ?? 0) + 1);
    for (const v of wanted) count(v);
    for (const { reads } of instructions) for (const v of reads) count(v);
    return { instructions, readers };
  }

  #input(name: string): Value {
    const value = this.#inputs.get(name);
    if (!value) throw new Error(`there is no input '${name}'`);
    return value;
  }

  #output(name: string): Value {
    const value = this.#outputs.get(name);
    if (!value) throw new Error(`there is no output '${name}'`);
    return value;
  }
}

/** The initializers that nodes read as data (parameters are read on the host) or that are outputs themselves. */
function constantsOf(tf: Tf, nodes: readonly Node[], outputs: readonly Value[]): Map<Value, TfTensor> {
  const found = new Map<Value, TfTensor>();
  const take = (v: Value | undefined, tensor: Tensor | undefined): void => {
    if (v && tensor && !found.has(v)) found.set(v, toTf(tf, v.name, tensor, tensor.bytes()));
  };
  for (const node of nodes) {
    const rule = ruleFor(node.opType, node.domain);
    // A default that a caller may override is no constant, and is looked up like any other value.
    for (const [i, v] of node.inputs.entries())
      if (!rule?.parameters.includes(i) || !v?.constant) take(v, v?.initializer);
  }
  for (const v of outputs) take(v, v.initializer);
  return found;
}
