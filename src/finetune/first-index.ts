import { type GraphBuilder, Tensor, type Value } from '../onnx/index.js';

const INT32 = 6;

/**
 * The first index along an axis at which a condition holds, and that axis' size where it holds nowhere: int32, the axis
 * kept with size 1. (ArgMax would give int64, which the WebGPU provider gives back to the CPU to cast.)
 * @param holds bool of the given dims
 */
export function firstIndex(b: GraphBuilder, holds: Value, dims: readonly number[], axis: number): Value {
  const size = dims[axis];
  const along = dims.map((_, i) => (i === axis ? size : 1));
  const positions = Tensor.float32(
    along,
    Float32Array.from({ length: size }, (_, i) => i),
  );
  const candidates = b.op('Where', [holds, b.constant(positions), b.f32(size)]);
  return b.op('Cast', [b.op('ReduceMin', [candidates, b.i64([axis])], { keepdims: 1 })], { to: INT32 });
}
