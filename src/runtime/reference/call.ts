import { ModelError } from '../../base/errors.js';
import type { Graph, Node, Tensor, Value } from '../../onnx/index.js';
import { isReal, type RealTensor, type RefTensor, toTensor } from './tensor.js';

/** One evaluation of a node: what a rule may look at. */
export class Call {
  readonly node: Node;
  /** Version of the ai.onnx operator set, which decides between the forms an op has had. */
  readonly opset: number;
  /** By position; undefined where an optional input is left out. */
  readonly inputs: readonly (RefTensor | undefined)[];
  /** Evaluates a sub-graph of the node and returns its outputs. */
  readonly run: (graph: Graph) => RefTensor[];

  constructor(
    node: Node,
    opset: number,
    inputs: readonly (RefTensor | undefined)[],
    run: (graph: Graph) => RefTensor[],
  ) {
    this.node = node;
    this.opset = opset;
    this.inputs = inputs;
    this.run = run;
  }

  /** A required input. */
  input(index: number): RefTensor {
    return this.inputs[index] ?? this.fail(`input ${index} is left out`);
  }

  /** A required input of floats, small integers or bool. */
  real(index: number): RealTensor {
    const t = this.input(index);
    return isReal(t) ? t : this.fail(`type of input ${index}`, 'a float type', t.dataType);
  }

  optionalReal(index: number): RealTensor | undefined {
    return this.inputs[index] && this.real(index);
  }

  /** An integer input (shape, axes, indices) as plain numbers. */
  integers(index: number): number[] {
    const t = this.input(index);
    const numbers = isReal(t) ? Array.from(t.data) : Array.from<bigint, number>(t.data, Number);
    if (!numbers.every(Number.isInteger)) this.fail(`input ${index}`, 'integers', `[${numbers.slice(0, 8)}]`);
    return numbers;
  }

  optionalIntegers(index: number): number[] | undefined {
    return this.inputs[index] && this.integers(index);
  }

  /** An input of one element, as a number. */
  scalar(index: number): number {
    const t = this.input(index);
    if (t.data.length !== 1) this.fail(`input ${index}`, 'one element', `dims [${t.dims}]`);
    return Number(t.data[0]);
  }

  /** What an input holds in this evaluation, for the attribute readers of src/onnx that look through inputs. */
  readonly known = (value: Value): Tensor | undefined => {
    const t = this.inputs[this.node.inputs.indexOf(value)];
    return t && toTensor(t);
  };

  /** Whether the node has this output. */
  wants(output: number): boolean {
    const value = this.node.outputs[output];
    return value !== undefined && (value.name !== '' || !value.isDead);
  }

  /** An axis counted from the end when negative, checked against a rank; `rank` itself is allowed where `open`. */
  axis(axis: number, rank: number, open = false): number {
    const a = axis < 0 ? axis + rank : axis;
    if (!Number.isInteger(a) || a < 0 || a >= rank + (open ? 1 : 0))
      this.fail('axis', `within rank ${rank}`, `${axis}`);
    return a;
  }

  /** @throws ModelError naming the node */
  fail(what: string, expected?: string, found?: string): never {
    throw new ModelError({
      problem: `${this.node.describe()}: ${what}`,
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
    });
  }
}

/** What an op computes: its outputs by position. Pure; inputs must not be written to. */
export type RefRule = (call: Call) => readonly RefTensor[];
