/**
 * Convolution of x [N,C,…] with w [O,C/g,…k]. TensorFlow.js convolves images in NHWC, dense or depthwise, dilated or
 * strided but not both. That is used where it serves; the rest is written out, any rank, groups, strides and dilations:
 *
 * - by taps: y = Σ_t W_t·X_t, X_t the inputs that tap t sees, as one product per tap on NCHW tensors;
 * - depthwise, by positions: y_p = Σ_t w_t·x_t for each output position p. The gradient of a depthwise kernel is such a
 *   convolution: its kernel is a whole gradient map, its output has as many positions as a kernel has taps.
 */
import { convAttributes, resolvePads, sizeOf } from '../../../onnx/index.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor, TfTensor4D } from '../tf.js';
import { product } from './matmul.js';
import { padded, positionsOf, strided, type Window, windowCounts } from './window.js';

export interface Convolution extends Window {
  readonly groups: number;
}

export const conv: Compute = (call) => {
  const [x, w, bias] = [call.input(0), call.input(1), call.optional(2)];
  const attributes = convAttributes(call.node, w.shape.slice(2));
  const pads = resolvePads(attributes, x.shape.slice(2));
  const { tf } = call;
  return withBias(convolve(tf, padded(tf, x, pads), w, attributes), bias);
};

export function withBias(y: TfTensor, bias: TfTensor | undefined): TfTensor {
  return bias ? y.add(bias.reshape([bias.size, ...y.shape.slice(2).map(() => 1)])) : y;
}

/** The convolution of an input that is padded already. */
export function convolve(
  tf: Tf,
  x: TfTensor,
  w: TfTensor,
  c: Omit<Convolution, 'pads' | 'kernel'>,
): TfTensor {
  const [, channels, ...spatial] = x.shape;
  const kernel = w.shape.slice(2);
  const s: Sized = { ...c, kernel, pads: [], out: windowCounts(spatial, { ...c, kernel, pads: [] }) };
  const isImage = kernel.length === 2;
  const strided = c.strides.some((n) => n > 1);
  const dilated = c.dilations.some((n) => n > 1);
  if (channels === c.groups && channels > 1) {
    // TensorFlow's depthwise kernels take one stride for both axes, and no dilation.
    if (isImage && !dilated && c.strides[0] === c.strides[1]) return depthwiseImage(tf, x, w, s);
    return sizeOf(kernel) > sizeOf(s.out) ? byPositions(tf, x, w, s) : depthwiseByTaps(tf, x, w, s);
  }
  const isPointwise = c.groups === 1 && sizeOf(kernel) === 1;
  return isImage && !isPointwise && !(strided && dilated) ? images(tf, x, w, s) : byTaps(tf, x, w, s);
}

interface Sized extends Convolution {
  /** Spatial dims of the output. */
  readonly out: readonly number[];
}

/** NCHW to NHWC. */
export const toLast = (x: TfTensor): TfTensor4D => x.transpose<TfTensor4D>([0, 2, 3, 1]);
/** NHWC to NCHW. */
export const toFirst = (y: TfTensor): TfTensor => y.transpose([0, 3, 1, 2]);

/** Group by group. */
function images(tf: Tf, x: TfTensor, w: TfTensor, { groups, strides, dilations }: Sized): TfTensor {
  const [sh, sw] = strides;
  const [dh, dw] = dilations;
  const kernels = tf.split<TfTensor4D>(w.transpose<TfTensor4D>([2, 3, 1, 0]), groups, 3);
  const parts = tf
    .split<TfTensor4D>(toLast(x), groups, 3)
    .map((part, g) => tf.conv2d(part, kernels[g], [sh, sw], 'valid', 'NHWC', [dh, dw]));
  return toFirst(tf.concat(parts, 3));
}

/** w [C·M,1,k,k] as TensorFlow's [k,k,C,M]: output channel c·M + m reads input channel c. */
function depthwiseImage(tf: Tf, x: TfTensor, w: TfTensor, { kernel, groups, strides }: Sized): TfTensor {
  const byChannel = w.reshape([groups, w.shape[0] / groups, ...kernel]).transpose<TfTensor4D>([2, 3, 0, 1]);
  return toFirst(tf.depthwiseConv2d(toLast(x), byChannel, [strides[0], strides[0]], 'valid'));
}

/** The inputs that the tap at `at` sees in all windows. */
function seenBy(tf: Tf, x: TfTensor, at: readonly number[], { dilations, strides, out }: Sized): TfTensor {
  return strided(
    tf,
    x,
    at.map((t, i) => t * dilations[i]),
    out,
    strides,
  );
}

function byTaps(tf: Tf, x: TfTensor, w: TfTensor, s: Sized): TfTensor {
  const [n, channels] = x.shape;
  const [o, cg] = w.shape;
  const { groups } = s;
  const taps = positionsOf(s.kernel);
  const pixels = sizeOf(s.out);
  // One group needs no axis of its own.
  const grouped = groups === 1 ? [] : [groups];
  const kernels = w.reshape([groups, o / groups, cg, taps.length]).transpose([3, 0, 1, 2]);
  let y: TfTensor | undefined;
  for (const [t, at] of taps.entries()) {
    const kernel = kernels
      .slice([t, 0, 0, 0], [1, groups, o / groups, cg])
      .reshape([1, ...grouped, o / groups, cg]);
    const seen = seenBy(tf, x, at, s).reshape([n, ...grouped, channels / groups, pixels]);
    const part = product(tf, kernel, seen);
    y = y ? tf.add(y, part) : part;
  }
  if (!y) throw new Error('a kernel without taps');
  return y.reshape([n, o, ...s.out]);
}

function depthwiseByTaps(tf: Tf, x: TfTensor, w: TfTensor, s: Sized): TfTensor {
  const [n, channels] = x.shape;
  const multiplier = w.shape[0] / channels;
  const taps = positionsOf(s.kernel);
  const kernels = w.reshape([1, channels, multiplier, taps.length]);
  let y: TfTensor | undefined;
  for (const [t, at] of taps.entries()) {
    const factor = kernels.slice([0, 0, 0, t], [1, channels, multiplier, 1]);
    const seen = seenBy(tf, x, at, s).reshape([n, channels, 1, sizeOf(s.out)]);
    const part = tf.mul(seen, factor);
    y = y ? tf.add(y, part) : part;
  }
  if (!y) throw new Error('a kernel without taps');
  return y.reshape([n, w.shape[0], ...s.out]);
}

function byPositions(tf: Tf, x: TfTensor, w: TfTensor, s: Sized): TfTensor {
  const [n, channels] = x.shape;
  const multiplier = w.shape[0] / channels;
  const taps = sizeOf(s.kernel);
  const kernels = w.reshape([1, channels, multiplier, taps]);
  const parts = positionsOf(s.out).map((at) => {
    const starts = at.map((p, i) => p * s.strides[i]);
    const covered = strided(tf, x, starts, s.kernel, s.dilations).reshape([n, channels, 1, taps]);
    return tf.sum(tf.mul(covered, kernels), -1, true);
  });
  return tf.concat(parts, -1).reshape([n, w.shape[0], ...s.out]);
}
