/** Softmax and its logarithm: one axis from opset 13; before, all axes from `axis` on as one. */
import { normalizeAxis, sizeOf, softmaxAxis } from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor } from '../tf.js';

/** Applies `f` to x with what is normalized on one axis. */
function normalized(f: (tf: Tf, x: TfTensor, axis: number) => TfTensor): Compute {
  return (call: Call) => {
    const x = call.input(0);
    const axis = normalizeAxis(call.node, softmaxAxis(call.node, call.opset), x.rank);
    if (call.opset >= 13) return f(call.tf, x, axis);
    const rows = sizeOf(x.shape.slice(0, axis));
    return f(call.tf, x.reshape([rows, sizeOf(x.shape.slice(axis))]), 1).reshape(x.shape);
  };
}

const shifted = (tf: Tf, x: TfTensor, axis: number): TfTensor => tf.sub(x, tf.max(x, axis, true));

export const softmax = normalized((tf, x, axis) => {
  const e = tf.exp(shifted(tf, x, axis));
  return tf.div(e, tf.sum(e, axis, true));
});

export const logSoftmax = normalized((tf, x, axis) => {
  const s = shifted(tf, x, axis);
  return tf.sub(s, tf.log(tf.sum(tf.exp(s), axis, true)));
});
