/** Ops that make tensors from numbers. */
import { constantValue, normalizeAxis, numbersOf } from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import { heldAs, isHeld, toTf } from '../tensors.js';
import type { TfTensor } from '../tf.js';
import { fromZero } from './integer.js';

/** One that is an output of the graph; all others are taken as initializers before the run. */
export const constant: Compute = (call) => {
  const value = constantValue(call.node) ?? call.fail('its value', 'a dense tensor', 'none');
  return toTf(call.tf, call.node.output().name, value, value.bytes());
};

/** A shape filled with the one element of attribute value (default: float32 0). */
export const constantOfShape: Compute = (call) => {
  const value = call.node.tensor('value');
  const type = value?.dataType ?? 'float32';
  const held = isHeld(type) ? heldAs(type) : call.fail('attribute value', 'a type that can be held', type);
  const [number] = value ? numbersOf(value) : [0];
  return call.tf.fill(call.numbers(0), number, held);
};

export const range: Compute = (call) => {
  const [[start], [limit], [delta]] = [call.numbers(0), call.numbers(1), call.numbers(2)];
  const count = Math.max(0, Math.ceil((limit - start) / delta));
  const numbers = Array.from({ length: count }, (_, i) => start + i * delta);
  const type = call.typeOf(0) === 'float32' ? 'float32' : 'int32';
  return call.tf.tensor1d(numbers, type);
};

/** depth, and the pair [off, on] of values; classes outside the depth are off everywhere. */
export const oneHot: Compute = (call) => {
  const { tf } = call;
  const indices = call.input(0);
  const [depth] = call.numbers(1);
  const axis = normalizeAxis(call.node, call.node.int('axis', -1), indices.rank + 1);
  const classes = fromZero(tf, indices, depth);
  const hit = tf.equal(tf.expandDims(classes, axis), classAxis(call, depth, axis, indices.rank + 1));
  const [off, on] = [0, 1].map((i) => call.input(2).slice([i], [1]).reshape([]));
  return tf.where(hit, on, off);
};

function classAxis({ tf }: Call, depth: number, axis: number, rank: number): TfTensor {
  return tf
    .range(0, depth, 1, 'int32')
    .reshape(Array.from({ length: rank }, (_, i) => (i === axis ? depth : 1)));
}
