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

export interface Loss {
  /** The type of the label input for an output of this shape. */
  readonly target: (shape: readonly number[]) => ValueType;
  readonly emit: (judged: Judged) => LossNodes;
}
