import {
  constantOf,
  type Model,
  type Node,
  type Tensor,
  Tensor as Tensors,
  type Value,
} from '../../onnx/index.js';

/** What the rules of a batch change share: old shapes, arithmetic, and the making of changed constants. */
export class Rebatch {
  readonly model: Model;
  readonly from: number;
  readonly to: number;
  /** What was changed, in words. */
  readonly rewritten: string[] = [];
  readonly #old = new Map<Value, readonly number[] | undefined>();

  constructor(model: Model, from: number, to: number) {
    this.model = model;
    this.from = from;
    this.to = to;
    for (const v of model.graph.values()) this.#old.set(v, v.shape);
  }

  oldShape(value: Value): readonly number[] | undefined {
    return this.#old.has(value) ? this.#old.get(value) : value.shape;
  }

  /** The axis along which the value grows with the batch; undefined: it does not. */
  carriedAxis(value: Value): number | undefined {
    const [old, now] = [this.oldShape(value), value.shape];
    if (!old || !now) return undefined;
    const axis = old.findIndex((d, i) => d !== now[i]);
    return axis < 0 ? undefined : axis;
  }

  /** A dim after the change. Not an integer when it is no multiple of the old batch. */
  scaled(dim: number): number {
    return (dim * this.to) / this.from;
  }

  /** Whether `now` is `old` after the change: the same, or one dim scaled. */
  follows(old: readonly number[], now: readonly number[]): boolean {
    if (old.length !== now.length) return false;
    const changed = old.flatMap((d, i) => (d === now[i] ? [] : [i]));
    return changed.length === 0 || (changed.length === 1 && now[changed[0]] === this.scaled(old[changed[0]]));
  }

  /** The numbers of a constant integer input; undefined when it is absent or computed. */
  ints(node: Node, index: number): number[] | undefined {
    const value = node.inputs[index];
    const tensor = value && constantOf(value);
    return tensor && Array.from<number | bigint, number>(tensor.typed(), Number);
  }

  /** Makes an input read another constant. Others that read the old one are not touched. */
  setConstant(node: Node, index: number, tensor: Tensor, what: string): void {
    const old = node.input(index);
    const { graph } = this.model;
    node.setInput(index, graph.addInitializer(graph.uniqueName(`${old.name}_batch${this.to}`), tensor));
    this.rewritten.push(`${node.describe()}: ${what}`);
  }

  setInts(node: Node, index: number, values: readonly number[], what: string): void {
    const old = this.ints(node, index);
    if (old && `${old}` === `${values}`) return;
    const type = node.inputs[index]?.constant?.dataType;
    const dims = node.inputs[index]?.constant?.dims ?? [values.length];
    const tensor = type === 'int32' ? Tensors.int32(dims, values) : Tensors.int64(dims, values);
    this.setConstant(node, index, tensor, `${what} [${old ?? ''}] → [${values}]`);
  }
}
