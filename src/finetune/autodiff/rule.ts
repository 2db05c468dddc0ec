import type { GraphBuilder, Node, Value } from '../../onnx/index.js';

/** What a gradient rule sees. */
export interface GradientContext {
  readonly b: GraphBuilder;
  /** The forward node, in opset 20. */
  readonly node: Node;
  /** Gradient of the loss by the first output; the walker calls a rule only when there is one. */
  readonly dy: Value;
  /** Whether anything wants the gradient of input `index`. */
  needs(index: number): boolean;
  /** Static dims; throws naming the node when they are not known. */
  shape(value: Value): readonly number[];
}

/**
 * Returns one gradient per input of the node, undefined where none is needed or none exists. A rule may return a
 * gradient in the broadcast shape: the walker sums it to the input's. Shapes and dtypes are checked by the walker.
 */
export type GradientRule = (c: GradientContext) => readonly (Value | undefined)[];
