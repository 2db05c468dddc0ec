/** Matrix products. */
import { gemmAttributes, sizeOf } from '../../../onnx/index.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor } from '../tf.js';

/**
 * A·B over the last two axes, the others broadcast. The CPU backend repeats the batch of the smaller operand as a whole,
 * which is right where its batch axes are the last ones of the larger's; anything else is spread out first.
 */
export function product(tf: Tf, a: TfTensor, b: TfTensor): TfTensor {
  const [p, q] = [a.shape.slice(0, -2), b.shape.slice(0, -2)];
  const batch = tf.broadcast_util.assertAndGetBroadcastShape(p, q);
  return tf.matMul(spread(tf, a, batch), spread(tf, b, batch));
}

function spread(tf: Tf, t: TfTensor, batch: readonly number[]): TfTensor {
  const own = t.shape.slice(0, -2);
  const first = own.findIndex((n) => n !== 1);
  const rest = first < 0 ? [] : own.slice(first);
  const isSuffix = rest.every((n, i) => n === batch[batch.length - rest.length + i]);
  return isSuffix ? t : tf.broadcastTo(t, [...batch, ...t.shape.slice(-2)]);
}

/** A vector on the left is a row, one on the right a column; the axis is dropped again. */
export const matmul: Compute = (call) => {
  const { tf } = call;
  const [a, b] = [call.input(0), call.input(1)];
  const rows = a.rank === 1 ? a.reshape([1, a.size]) : a;
  const columns = b.rank === 1 ? b.reshape([b.size, 1]) : b;
  const y = product(tf, rows, columns);
  if (a.rank > 1 && b.rank > 1) return y;
  return y.reshape(y.shape.filter((_, i) => !dropped(i, y.rank, a.rank === 1, b.rank === 1)));
};

function dropped(axis: number, rank: number, row: boolean, column: boolean): boolean {
  return (row && axis === rank - 2) || (column && axis === rank - 1);
}

/** alpha·op(A)·op(B) + beta·C. */
export const gemm: Compute = (call) => {
  const { tf } = call;
  const { alpha, beta, transA, transB } = gemmAttributes(call.node);
  const y = tf.matMul(call.input(0), call.input(1), transA, transB);
  const scaled = alpha === 1 ? y : tf.mul(y, alpha);
  const c = call.optional(2);
  if (!c || beta === 0) return scaled;
  return tf.add(scaled, beta === 1 ? c : tf.mul(c, beta));
};

/** M·x along one axis of x, M [out, in]. */
export function alongAxis(tf: Tf, matrix: TfTensor, x: TfTensor, axis: number): TfTensor {
  const [before, after] = [x.shape.slice(0, axis), x.shape.slice(axis + 1)];
  const [out, length] = matrix.shape;
  const blocks = x.reshape([sizeOf(before), length, sizeOf(after)]);
  return product(tf, matrix.reshape([1, out, length]), blocks).reshape([...before, out, ...after]);
}
