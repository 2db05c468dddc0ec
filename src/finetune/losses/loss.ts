import type { GraphBuilder, Value, ValueType } from '../../onnx/index.js';

/** The output that is judged and what it should have been. */
export interface Judged {
  readonly b: GraphBuilder;
  /** Logits or another output, float32 (or float64: everything is computed in its type). */
  readonly output: Value;
  readonly shape: readonly number[];
  /** Of the type that {@link Loss.target} says. */
  readonly target: Value;
  /** Factor on the gradient; the value of the loss is given without it. */
  readonly scale: number;
}

/** What a loss adds to the step graph. */
export interface LossNodes {
  /** A scalar: the mean over what counts. */
  readonly loss: Value;
  /** scale · d loss / d output, in the output's shape. */
  readonly gradient: Value;
  /** How many answers are right, a float scalar. */
  readonly correct: Value;
}

/**
 * What a loss judges: class scores [N,K] or [N,K,1,…], or scores per pixel [N,K,…], both before a trailing Softmax; or
 * the output as it is.
 */
export type JudgedKind = 'scores' | 'pixels' | 'output';

export interface Loss {
  readonly judges: JudgedKind;
  /** The type of the label input for an output of this float type and shape. */
  readonly target: (output: 'float32' | 'float64', shape: readonly number[]) => ValueType;
  readonly emit: (judged: Judged) => LossNodes;
}
