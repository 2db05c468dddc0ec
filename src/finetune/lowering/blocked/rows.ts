import { sizeOf, Tensor, type Value } from '../../../onnx/index.js';
import type { Nchwc } from './nchwc.js';

/**
 * The axes of a tensor of rows of B elements in another order, [rows, B]. A Transpose moves short rows in one thread, a
 * Gather in all of them.
 * @param dims of the tensor, without the axis of the B elements
 * @param perm axis of `dims` that each axis of the result is
 */
export function permuteRows(n: Nchwc, v: Value, dims: readonly number[], perm: readonly number[]): Value {
  const count = sizeOf(dims);
  const order = n.shared(`rows of [${dims}] by [${perm}]`, () =>
    n.b.constant(Tensor.int32([count], placesOf(dims, perm))),
  );
  return n.b.op('Gather', [n.reshape(v, [count, n.block]), order], { axis: 0 });
}

/** Where each row comes from, in the order of the result. */
function placesOf(dims: readonly number[], perm: readonly number[]): Int32Array {
  const strides = dims.map((_, axis) => sizeOf(dims.slice(axis + 1)));
  return perm.reduce((places, axis) => {
    const next = new Int32Array(places.length * dims[axis]);
    for (const [i, place] of places.entries())
      for (let at = 0; at < dims[axis]; at++) next[i * dims[axis] + at] = place + at * strides[axis];
    return next;
  }, new Int32Array(1));
}
