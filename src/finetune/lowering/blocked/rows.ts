import { sizeOf, Tensor, type Value } from '../../../onnx/index.js';
import type { Nchwc } from './nchwc.js';

/** Which rows of a tensor are meant. */
export interface Rows {
  /** Elements of a row; default: B. */
  readonly width?: number;
  /** Rows of the tensor; default: those that are permuted. */
  readonly total?: number;
  /** The first row that is permuted; default: the first of all. */
  readonly first?: number;
}

/**
 * The axes of rows in another order, [rows, width]. A Transpose moves rows in one thread, a Gather in all of them.
 * @param dims of the rows, without the axis of their elements
 * @param perm axis of `dims` that each axis of the result is
 */
export function permuteRows(
  n: Nchwc,
  v: Value,
  dims: readonly number[],
  perm: readonly number[],
  { width = n.block, total = sizeOf(dims), first = 0 }: Rows = {},
): Value {
  const count = sizeOf(dims);
  const order = n.shared(`rows of [${dims}] by [${perm}] from ${first}`, () =>
    n.b.constant(Tensor.int32([count], placesOf(dims, perm, first))),
  );
  return n.b.op('Gather', [n.reshape(v, [total, width]), order], { axis: 0 });
}

/** Where each row comes from, in the order of the result. */
function placesOf(dims: readonly number[], perm: readonly number[], first: number): Int32Array {
  const strides = dims.map((_, axis) => sizeOf(dims.slice(axis + 1)));
  return perm.reduce((places, axis) => {
    const next = new Int32Array(places.length * dims[axis]);
    for (const [i, place] of places.entries())
      for (let at = 0; at < dims[axis]; at++) next[i * dims[axis] + at] = place + at * strides[axis];
    return next;
  }, Int32Array.of(first));
}
