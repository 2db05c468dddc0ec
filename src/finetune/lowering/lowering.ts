import type { GraphBuilder, Value } from '../../onnx/index.js';
import type { KernelLayout } from './blocked/kernel.js';

/** A trained value of the network, and the gradient that autodiff found for it. */
export interface TrainedParameter {
  /** What the network reads, in the dims of the initializer. */
  readonly value: Value;
  readonly gradient: Value;
}

export interface LoweredParameter {
  /** What the network reads now. With a `layout` it is a graph input of the packed dims, for the caller to feed. */
  readonly value: Value;
  /** In the dims of `value`. */
  readonly gradient: Value;
  /** How the elements lie; undefined: as in the initializer. */
  readonly layout?: KernelLayout;
}

/** Turns the graph as autodiff left it into one that an engine runs. */
export interface Lowering {
  readonly name: 'portable' | 'parallel' | 'blocked';
  /** Operator sets beside ai.onnx that the result needs. */
  readonly opsets: ReadonlyMap<string, number>;
  /**
   * Ensures that no internal operator is left. What must outlive it are the graph's outputs, which are replaced in
   * place, and the gradients of the parameters.
   */
  lower(b: GraphBuilder, parameters: readonly TrainedParameter[]): readonly LoweredParameter[];
  /**
   * Parameters of up to so many values are updated together: where starting a kernel takes longer than it computes.
   * Default: each by itself.
   */
  readonly together?: number;
  /** sum + factor·v, [n], in one pass that writes over `sum`; undefined where there is none, or it is not worth it. */
  addScaled?(b: GraphBuilder, sum: Value, v: Value, factor: number): Value | undefined;
}
