import type { GraphBuilder, Node, Value } from '../../onnx/index.js';

/** What every gradient rule sees. A rule is pure: it emits nodes through the builder and keeps nothing. */
export interface RuleContext {
  readonly b: GraphBuilder;
  /** The forward node, in opset 20. */
  readonly node: Node;
  /** Whether anything wants the gradient of input `index`. */
  needs(index: number): boolean;
  /** Static dims; throws naming the node when they are not known. */
  shape(value: Value): readonly number[];
}

/** What the rule of an operator sees whose first output alone can be on the way to the loss. */
export interface GradientContext extends RuleContext {
  /** Gradient of the loss by the first output. */
  readonly dy: Value;
}

/** What the rule of an operator with several outputs sees. */
export interface OutputsContext extends RuleContext {
  /** Gradient of the loss by each output, undefined where the loss does not depend on it; at least one is there. */
  readonly dys: readonly (Value | undefined)[];
}

/** One gradient per input of the node, undefined where none is needed or none exists. */
export type Gradients = readonly (Value | undefined)[];

/**
 * Returns the gradients by the node's inputs. A rule may return one in the broadcast shape: the walker sums it to the
 * input's. Shapes and dtypes are checked by the walker.
 */
export type GradientRule = (c: GradientContext) => Gradients;

/** A {@link GradientRule} of an operator with several outputs. */
export type OutputsRule = (c: OutputsContext) => Gradients;
