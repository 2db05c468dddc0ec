/** Normalizations; variances are biased, from the differences to the mean. */
import {
  batchNormAttributes,
  groupNormAttributes,
  instanceNormAttributes,
  layerNormAttributes,
  lrnAttributes,
  type Node,
  normalizeAxis,
} from '../../../onnx/index.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor } from '../tf.js';

/** A vector with one entry per channel of a tensor [N,C,…] of this rank. */
function perChannel(v: TfTensor, rank: number): TfTensor {
  return v.reshape([v.size, ...new Array<number>(rank - 2).fill(1)]);
}

/** scale/√(variance + ε)·x + the rest, with statistics that are given. */
export const batchNormalization: Compute = (call) => {
  const { tf } = call;
  const x = call.input(0);
  const [scale, shift, mean, variance] = [1, 2, 3, 4].map((i) => call.input(i));
  const { epsilon } = batchNormAttributes(call.node, call.opset);
  const factor = tf.div(scale, tf.sqrt(tf.add(variance, epsilon)));
  const term = tf.sub(shift, tf.mul(mean, factor));
  return tf.add(tf.mul(x, perChannel(factor, x.rank)), perChannel(term, x.rank));
};

/** Batch statistics would also have to be given back, and the operator's running variance is another than PyTorch's. */
export function batchNormRefuses(node: Node, opset: number): string | undefined {
  const { training, spatial } = batchNormAttributes(node, opset);
  if (training) return 'batch statistics (a training-mode file; train and eval turn it into inference form)';
  return spatial ? undefined : 'spatial = 0';
}

interface Normalized {
  readonly y: TfTensor;
  readonly mean: TfTensor;
  readonly inverse: TfTensor;
}

/** (x − μ)/√(σ² + ε) over `axes`. */
function standardized(tf: Tf, x: TfTensor, axes: number[], epsilon: number): Normalized {
  const mean = tf.mean(x, axes, true);
  const centered = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centered), axes, true);
  const inverse = tf.div(1, tf.sqrt(tf.add(variance, epsilon)));
  return { y: tf.mul(centered, inverse), mean, inverse };
}

const from = (first: number, rank: number): number[] =>
  Array.from({ length: rank - first }, (_, i) => first + i);

export const instanceNormalization: Compute = (call) => {
  const { tf } = call;
  const x = call.input(0);
  const { y } = standardized(tf, x, from(2, x.rank), instanceNormAttributes(call.node).epsilon);
  return tf.add(tf.mul(y, perChannel(call.input(1), x.rank)), perChannel(call.input(2), x.rank));
};

/** Over the axes from `axis` on. Outputs 1 and 2: mean and 1/√(σ² + ε). */
export const layerNormalization: Compute = (call) => {
  const { tf, node } = call;
  const x = call.input(0);
  const a = layerNormAttributes(node);
  const axis = normalizeAxis(node, a.axis, x.rank);
  const { y, mean, inverse } = standardized(tf, x, from(axis, x.rank), a.epsilon);
  const scaled = tf.mul(y, call.input(1));
  const bias = call.optional(2);
  return [bias ? tf.add(scaled, bias) : scaled, mean, inverse];
};

/** Per sample and group of channels; scale and bias are per group at opset 18, per channel from 21 on. */
export const groupNormalization: Compute = (call) => {
  const { tf } = call;
  const x = call.input(0);
  const { groups, epsilon } = groupNormAttributes(call.node);
  const [n, channels, ...spatial] = x.shape;
  const grouped = x.reshape([n, groups, channels / groups, ...spatial]);
  const { y } = standardized(tf, grouped, from(2, grouped.rank), epsilon);
  const whole = call.opset >= 21 ? y.reshape(x.shape) : y;
  const affine = tf.add(
    tf.mul(whole, perChannel(call.input(1), whole.rank)),
    perChannel(call.input(2), whole.rank),
  );
  return affine.reshape(x.shape);
};

/** y = x / (bias + alpha/size · Σ x²)^beta, the sum over ⌊(size−1)/2⌋ channels before and ⌈(size−1)/2⌉ after. */
export const lrn: Compute = (call) => {
  const { tf } = call;
  const x = call.input(0);
  const { size, alpha, beta, bias } = lrnAttributes(call.node);
  const around = x.shape.map((_, i): [number, number] =>
    i === 1 ? [Math.floor((size - 1) / 2), Math.ceil((size - 1) / 2)] : [0, 0],
  );
  const squares = tf.pad(tf.square(x), around);
  const near = Array.from({ length: size }, (_, k) =>
    tf.slice(
      squares,
      x.shape.map((_, i) => (i === 1 ? k : 0)),
      x.shape,
    ),
  );
  const sum = near.reduce((a, b) => tf.add(a, b));
  return tf.div(x, tf.pow(tf.add(tf.mul(sum, alpha / size), bias), beta));
};
