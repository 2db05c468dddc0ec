import type { GraphBuilder, Node, Value } from '../../onnx/index.js';

export interface LoweringContext {
  /** Emits right before the node. */
  readonly b: GraphBuilder;
  /** The internal node to replace. */
  readonly node: Node;
  shape(value: Value): readonly number[];
  /** Work that several nodes share: made once per key (a value and what is made of it). */
  shared(of: Value, what: string, make: () => Value): Value;
}

/** Emits operators that the engine has; returns what stands for each output of the node, in order. */
export type LoweringRule = (c: LoweringContext) => readonly Value[];
