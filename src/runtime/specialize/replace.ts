import type { Graph, Tensor, Value } from '../../onnx/index.js';
import { sizeOf } from '../../onnx/index.js';

/**
 * Lets the readers of a computed value read a constant of the same name instead. The node that computed it is left to
 * {@link eliminateDeadNodes}; graph outputs keep reading it.
 */
export function replaceByConstant(graph: Graph, value: Value, tensor: Tensor): Value {
  const constant = graph.addInitializer(value.name, tensor);
  graph.replaceUses(value, constant, { outputs: false });
  return constant;
}

/** Elements beyond which a constant is not worth computing ahead: 256 MiB of float32. */
export const FOLD_LIMIT = 2 ** 26;

export function isFoldable(dims: readonly number[] | undefined): boolean {
  return dims === undefined || sizeOf(dims) <= FOLD_LIMIT;
}
