import type { DataType } from '../ir/dtype.js';
import type { Graph } from '../ir/graph.js';
import type { Node } from '../ir/node.js';
import type { Tensor } from '../ir/tensor.js';
import { type Dim, type TensorType, tensorType, type ValueType } from '../ir/types.js';
import type { Value } from '../ir/value.js';
import { refuse } from '../ops/fail.js';
import type { Shape } from './dims.js';
import { type Known, numbers, tensorOf } from './known.js';

/** What the rest of the graph knows about values. */
export interface Facts {
  type(value: Value): ValueType | undefined;
  known(value: Value): Known | undefined;
  /** A constant of any size. */
  constant(value: Value): Tensor | undefined;
  /**
   * Infers a sub-graph, given the types of its inputs; returns those of its outputs.
   * @param certain whether it certainly runs, so that what is wrong in it is wrong
   */
  graph(
    graph: Graph,
    inputs: readonly (ValueType | undefined)[],
    certain: boolean,
  ): readonly (ValueType | undefined)[];
}

/**
 * Finds the types of a node's outputs, one per output, undefined where they cannot be known.
 * @throws ModelError naming the node when its inputs and attributes do not go together
 */
export type InferRule = (c: InferContext) => readonly (ValueType | undefined)[];

/** One node and what is known of its inputs. */
export class InferContext {
  readonly node: Node;
  readonly opset: number;
  readonly #facts: Facts;

  constructor(node: Node, opset: number, facts: Facts) {
    this.node = node;
    this.opset = opset;
    this.#facts = facts;
  }

  has(index: number): boolean {
    return this.node.inputs[index] !== undefined;
  }

  type(index: number): TensorType | undefined {
    const value = this.node.inputs[index];
    const type = value && this.#facts.type(value);
    return type?.kind === 'tensor' ? type : undefined;
  }

  dataType(index: number): DataType | undefined {
    return this.type(index)?.dataType;
  }

  shape(index: number): Shape | undefined {
    return this.type(index)?.shape;
  }

  rank(index: number): number | undefined {
    return this.shape(index)?.length;
  }

  /** Elements of a small input, as far as known. */
  known(index: number): Known | undefined {
    const value = this.node.inputs[index];
    return value && this.#facts.known(value);
  }

  /** All elements of a small input. */
  numbers(index: number): readonly number[] | undefined {
    return numbers(this.known(index));
  }

  /** For the attribute readers: the tensor of a value, constant or computed from known shapes. */
  readonly constantOf = (value: Value): Tensor | undefined =>
    this.#facts.constant(value) ?? tensorOf(this.#facts.known(value));

  /** The facts, for sub-graphs. */
  get facts(): Facts {
    return this.#facts;
  }

  /** One output of the element type of input `index`. */
  like(index: number, shape: Shape | undefined): readonly (ValueType | undefined)[] {
    return [typed(this.dataType(index), shape)];
  }

  refuse(problem: string, expected?: string, found?: string): never {
    return refuse(this.node, problem, expected, found);
  }

  /** @throws ModelError unless the input, where its rank is known, has one that `ok` accepts */
  checkRank(index: number, expected: string, ok: (rank: number) => boolean): void {
    const rank = this.rank(index);
    if (rank !== undefined && !ok(rank))
      this.refuse(`input ${index}`, expected, `rank ${rank}: ${describeShape(this.shape(index))}`);
  }
}

/** A tensor type, or undefined when not even the element type is known. */
export function typed(
  dataType: DataType | undefined,
  shape: readonly Dim[] | undefined,
): ValueType | undefined {
  return dataType && tensorType(dataType, shape);
}

export function describeShape(shape: Shape | undefined): string {
  return shape ? `[${shape.map((d) => d ?? '?').join(', ')}]` : 'unknown shape';
}
