import type { GraphBuilder, Value } from '../onnx/index.js';

/** A Reshape where one is needed. */
export function inDims(b: GraphBuilder, v: Value, dims: readonly number[], name = 'Reshape'): Value {
  const same = v.shape?.length === dims.length && v.shape.every((d, i) => d === dims[i]);
  return same ? v : b.op('Reshape', [v, b.i64(dims)], {}, { name });
}
