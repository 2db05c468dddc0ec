/** Element-wise ops of two inputs and more, broadcast against each other (numpy rules). */
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor } from '../tf.js';
import { addInt, divideInt, multiplyInt } from './integer.js';

type Binary = (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor;

/** y = f(a, b). */
export function binary(f: Binary): Compute {
  return (call) => f(call.tf, call.input(0), call.input(1));
}

/** y = f(a, b), by another function where they are whole numbers. */
function arithmetic(real: Binary, whole: Binary): Compute {
  return binary((tf, a, b) => (a.dtype === 'int32' ? whole(tf, a, b) : real(tf, a, b)));
}

export const add = arithmetic((tf, a, b) => tf.add(a, b), addInt);
export const sub = binary((tf, a, b) => tf.sub(a, b));
export const mul = arithmetic((tf, a, b) => tf.mul(a, b), multiplyInt);
export const div = arithmetic((tf, a, b) => tf.div(a, b), divideInt);

/** Any number of inputs, folded from the left. */
function fold(f: Binary): (call: Call) => TfTensor {
  return (call) => call.inputs().reduce((a, b) => f(call.tf, a, b));
}

export const sum = fold((tf, a, b) => tf.add(a, b));
export const max = fold((tf, a, b) => tf.maximum(a, b));
export const min = fold((tf, a, b) => tf.minimum(a, b));
export const mean: Compute = (call) => call.tf.div(sum(call), call.node.inputs.length);

/** fmod 0: the sign of the divisor (whole numbers); fmod 1: that of the dividend, as C's fmod. */
export const mod: Compute = (call) => {
  const { tf } = call;
  const [a, b] = [call.input(0), call.input(1)];
  if (call.node.int('fmod', 0) === 0) return tf.mod(a, b);
  const size = tf.mod(tf.abs(a), tf.abs(b));
  return tf.where(tf.less(a, 0), tf.neg(size), size);
};

/** slope·x below 0; the slope broadcasts to x. */
export const prelu = binary((tf, x, slope) => tf.where(tf.less(x, 0), tf.mul(x, slope), x));

export const xor = binary((tf, a, b) => tf.logicalXor(a, b));

export const where: Compute = (call) => call.tf.where(call.input(0), call.input(1), call.input(2));
