/**
 * int32 arithmetic as ONNX has it, to the bit: sums and products wrap, division cuts towards zero. Dropout's masks are
 * hashed with it. TensorFlow.js's CPU backend multiplies in doubles, which lose the low bits of products from 2⁵³ on, and
 * divides by rounding down.
 */
import type { Tf, TfTensor } from '../tf.js';

const HALF = 65536;

/**
 * Indices with those below 0 counted from the end of `length`, one for all or one for each entry of their last axis. (A
 * plain number would be a float32, and make all so.)
 */
export function fromZero(tf: Tf, indices: TfTensor, length: number | readonly number[]): TfTensor {
  const wrapped = tf.add(
    indices,
    tf.tensor(typeof length === 'number' ? length : [...length], undefined, 'int32'),
  );
  return tf.where(tf.less(indices, tf.scalar(0, 'int32')), wrapped, indices);
}

/** The backend adds in doubles, or in int32 that wraps, and stores the low 32 bits. */
export function addInt(tf: Tf, a: TfTensor, b: TfTensor): TfTensor {
  return tf.add(a, b);
}

/** a·b mod 2³² = (aₗ·b + 2¹⁶·(aₕ·b mod 2³²)) mod 2³² with a = 2¹⁶·aₕ + aₗ: no product above 2⁴⁷. */
export function multiplyInt(tf: Tf, a: TfTensor, b: TfTensor): TfTensor {
  const half = tf.scalar(HALF, 'int32');
  const high = tf.floorDiv(a, half);
  const low = tf.sub(a, tf.mul(high, half));
  return tf.add(tf.mul(low, b), tf.mul(tf.mul(high, b), half));
}

/** ⌊a/b⌋, and one more where that is below a negative quotient that is not whole. */
export function divideInt(tf: Tf, a: TfTensor, b: TfTensor): TfTensor {
  const zero = tf.scalar(0, 'int32');
  const floor = tf.floorDiv(a, b);
  const rest = tf.sub(a, multiplyInt(tf, floor, b));
  const apart = tf.logicalXor(tf.less(a, zero), tf.less(b, zero));
  const below = tf.logicalAnd(tf.notEqual(rest, zero), apart);
  return tf.add(floor, tf.cast(below, 'int32'));
}
