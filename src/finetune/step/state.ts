import type { Tensor, Value } from '../../onnx/index.js';
import type { StateBinding } from '../../runtime/engine.js';

/** A tensor that a step takes and gives back changed. */
export interface StateTensor extends StateBinding {
  /** The initializer of the model this state belongs to. */
  readonly name: string;
  readonly kind: 'parameter' | 'momentum' | 'running';
  /** Dims of the initializer; in the step graph parameters and momentum are 1-D. */
  readonly dims: readonly number[];
  readonly initial: Tensor;
}

/** A state tensor while the graph is built: outputs get their names last. */
export interface StateUpdate extends Omit<StateTensor, 'output'> {
  /** Its value after the step. */
  readonly next: Value;
}
