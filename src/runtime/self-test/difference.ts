import { Tensor } from '../../onnx/index.js';

/**
 * How far a result is from the reference: the largest difference ÷ the largest size in the reference, or in `magnitude`
 * where that is larger. What is not finite in the reference must be the same in the result; a result of another type or
 * shape is infinitely far away.
 */
export function differenceOf(reference: Tensor, result: Tensor, magnitude = 0): number {
  if (reference.dataType !== result.dataType || `${reference.dims}` !== `${result.dims}`)
    return Number.POSITIVE_INFINITY;
  const [a, b] = [reference.typed(), result.typed()];
  let [largest, scale] = [0, magnitude];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])];
    if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
    if (Object.is(x, y)) continue;
    const difference = Math.abs(x - y);
    if (!Number.isFinite(difference)) return Number.POSITIVE_INFINITY;
    largest = Math.max(largest, difference);
  }
  return scale === 0 ? largest : largest / scale;
}

/** The largest size of a finite element. */
export function largestSize(tensor: Tensor): number {
  let largest = 0;
  for (const v of tensor.typed()) {
    const size = Math.abs(Number(v));
    if (size > largest && Number.isFinite(size)) largest = size;
  }
  return largest;
}

/** The sizes of the elements; tensors of integers as they are. */
export function sizesOf(tensor: Tensor): Tensor {
  const data = tensor.typed();
  return data instanceof Float32Array && tensor.dataType === 'float32'
    ? Tensor.float32(tensor.dims, data.map(Math.abs))
    : tensor;
}
