import { ModelError } from '../../base/errors.js';
import { type DataType, type Node, normalizeAxis, numbersOf, Tensor, type Value } from '../../onnx/index.js';
import type { Tf, TfTensor } from './tf.js';

/** Reads what a run has made so far; undefined: nothing. */
export type Lookup = (value: Value) => TfTensor | undefined;

/** One evaluation of a node: what a rule may look at. */
export class Call {
  readonly tf: Tf;
  readonly node: Node;
  /** Version of the ai.onnx operator set, which decides between the forms an op has had. */
  readonly opset: number;
  readonly #lookup: Lookup;

  constructor(tf: Tf, node: Node, opset: number, lookup: Lookup) {
    this.tf = tf;
    this.node = node;
    this.opset = opset;
    this.#lookup = lookup;
  }

  /** A required input. */
  input(index: number): TfTensor {
    return this.optional(index) ?? this.fail(`input ${index} is left out`);
  }

  optional(index: number): TfTensor | undefined {
    const value = this.node.inputs[index];
    return value && this.#tensor(value);
  }

  /** All inputs of an operator that takes any number of them. */
  inputs(): TfTensor[] {
    return this.node.inputs.map((_, i) => this.input(i));
  }

  /** What an input holds in this run, for the attribute readers of src/onnx that look through inputs. */
  readonly known = (value: Value): Tensor | undefined => {
    if (value.constant) return value.constant;
    const tensor = this.#tensor(value);
    const data = tensor.dataSync<'float32' | 'int32' | 'bool'>();
    return tensor.dtype === 'float32'
      ? Tensor.float32(tensor.shape, Float32Array.from(data))
      : Tensor.int64(tensor.shape, Array.from(data));
  };

  /** The numbers of a parameter: a shape, axes, indices. */
  numbers(index: number): number[] {
    return this.optionalNumbers(index) ?? this.fail(`input ${index} is left out`);
  }

  optionalNumbers(index: number): number[] | undefined {
    const value = this.node.inputs[index];
    const tensor = value && this.known(value);
    return tensor && numbersOf(tensor);
  }

  /** An axis of a tensor of this rank, from 0. */
  axis(name: string, otherwise: number, rank: number): number {
    return normalizeAxis(this.node, this.node.int(name, otherwise), rank, `attribute ${name}`);
  }

  /** The declared element type of an input; undefined where the file does not say. */
  typeOf(index: number): DataType | undefined {
    const type = this.node.inputs[index]?.type;
    return type?.kind === 'tensor' ? type.dataType : undefined;
  }

  /** @throws ModelError naming the node */
  fail(what: string, expected?: string, found?: string): never {
    throw new ModelError({
      problem: `${this.node.describe()}: ${what}`,
      ...(expected === undefined ? {} : { expected }),
      ...(found === undefined ? {} : { found }),
    });
  }

  #tensor(value: Value): TfTensor {
    const tensor = this.#lookup(value);
    if (!tensor) throw new ModelError({ problem: `value '${value.name}' is read but nothing makes it` });
    return tensor;
  }
}
