import type { GraphBuilder, Node, Value } from '../../../onnx/index.js';
import type { Nchwc } from './nchwc.js';
import type { Tracker } from './tracker.js';

export interface BlockedContext {
  /** Emits right before the node. */
  readonly b: GraphBuilder;
  readonly n: Nchwc;
  readonly t: Tracker;
  /** The node as autodiff left it: NCHW, its inputs unchanged. */
  readonly node: Node;
  shape(value: Value): readonly number[];
}

/**
 * Computes a node on blocked tensors and tells the tracker what stands for its outputs; false leaves the node as it is,
 * on NCHW tensors. A rule that returns false has emitted nothing.
 */
export type BlockedRule = (c: BlockedContext) => boolean;
