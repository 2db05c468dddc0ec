import type { Graph, Node, Tensor, Value } from '../../onnx/index.js';
import type { FormLayer, LayerRecord } from '../form-schema.js';
import type { FloatType } from '../numbers.js';

/** A kernel that a method may replace, with every convolution that reads it. */
export interface Candidate {
  readonly graph: Graph;
  readonly opset: number;
  /** Unique name of the layer, used in the names of what is added. */
  readonly layer: string;
  /** Initializer, or output of a Constant node: OIHW, or OIW. */
  readonly weight: Value;
  readonly tensor: Tensor;
  readonly dataType: FloatType;
  /** In graph order; at least one. All have the same groups. */
  readonly convs: readonly [Node, ...Node[]];
  readonly groups: number;
}

export interface MethodOptions {
  /** m: one number, or one per spatial axis. */
  readonly mapKernel: number | readonly number[];
  readonly init: 'xavier' | 'zero';
  readonly seed: number;
}

/** A training-time structure: how it is put in place of a kernel, found again, and folded. */
export interface Method {
  readonly name: LayerRecord['method'];
  /** Why this kernel cannot be replaced, in words that complete "not replaced: …"; undefined when it can. */
  refuse(candidate: Candidate, options: MethodOptions): string | undefined;
  /** Puts the structure in place of the kernel. The graph computes the same kinds of values under the same names. */
  apply(candidate: Candidate, options: MethodOptions): LayerRecord;
  /** The structure that computes `weight` for these convolutions, by shape of the graph alone. */
  match(weight: Value, convs: readonly Node[]): Omit<FormLayer, 'layer' | 'weight' | 'record'> | undefined;
  /** The kernel the structure computes, in float64. */
  kernel(layer: FormLayer): Float64Array;
}
