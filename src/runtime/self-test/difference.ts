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
  const floats = a instanceof Float32Array && b instanceof Float32Array;
  const { largest, scale } = floats ? apartFloats(a, b) : apart(a, b);
  const whole = Math.max(scale, magnitude);
  return whole === 0 ? largest : largest / whole;
}

interface Apart {
  /** The largest difference; infinite where what is not finite differs. */
  readonly largest: number;
  /** The largest size of a finite element of the reference. */
  readonly scale: number;
}

function apart(a: ArrayLike<number | bigint>, b: ArrayLike<number | bigint>): Apart {
  let [largest, scale] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [Number(a[i]), Number(b[i])];
    if (Number.isFinite(x)) scale = Math.max(scale, Math.abs(x));
    if (Object.is(x, y)) continue;
    const difference = Math.abs(x - y);
    if (!Number.isFinite(difference)) return { largest: Number.POSITIVE_INFINITY, scale };
    largest = Math.max(largest, difference);
  }
  return { largest, scale };
}

/** As {@link apart}; nearly all elements are such, and come in hundreds of millions. */
function apartFloats(a: Float32Array, b: Float32Array): Apart {
  let [largest, scale] = [0, 0];
  for (let i = 0; i < a.length; i++) {
    const [x, y] = [a[i], b[i]];
    const difference = Math.abs(x - y);
    // Anything that is not a plain pair of numbers, NaN above all, is for the exact rule.
    if (!(difference < Number.POSITIVE_INFINITY)) return apart(a, b);
    if (difference > largest) largest = difference;
    const size = Math.abs(x);
    if (size > scale) scale = size;
  }
  return { largest, scale };
}

/** The largest size of a finite element. */
export function largestSize(tensor: Tensor): number {
  let largest = 0;
  const data = tensor.typed();
  for (let i = 0; i < data.length; i++) {
    const size = Math.abs(Number(data[i]));
    if (size > largest && size < Number.POSITIVE_INFINITY) largest = size;
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
