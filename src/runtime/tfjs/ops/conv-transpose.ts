/**
 * ConvTranspose of x [N,C,…] with w [C,O/g,…k]: every input puts its kernel s apart from the next one's into the output,
 * which is then cut by the pads. On images TensorFlow.js does it, as the gradient of a convolution; elsewhere (other
 * ranks, dilated kernels) s − 1 zeros are put between the inputs and a convolution of stride 1 follows, with the taps
 * reversed and the channels of each group swapped, padded by (k − 1)·d − pad.
 */
import {
  type ConvTransposeAttributes,
  convTransposeAttributes,
  resolveTransposePads,
  transposeOutput,
} from '../../../onnx/index.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor, TfTensor4D } from '../tf.js';
import { convolve, toFirst, toLast, withBias } from './conv.js';
import { padded } from './window.js';

export const convTranspose: Compute = (call) => {
  const [x, w, bias] = [call.input(0), call.input(1), call.optional(2)];
  const { tf } = call;
  const spatial = x.shape.slice(2);
  const a = convTransposeAttributes(call.node, w.shape.slice(2));
  const begins = resolveTransposePads(a, spatial).slice(0, spatial.length);
  const out = spatial.map((n, i) => transposeOutput(a, i, n));
  const whole =
    a.kernel.length === 2 && a.dilations.every((d) => d === 1)
      ? scatteredImages(tf, x, w, a)
      : scattered(tf, x, w, a);
  const rest = out.map((n, i) => n - whole.shape[i + 2] + begins[i]);
  return withBias(padded(tf, whole, [...begins.map((b) => -b), ...rest]), bias);
};

type Attributes = Pick<ConvTransposeAttributes, 'kernel' | 'strides' | 'dilations' | 'groups'>;

/** All that the kernels of the inputs reach: (n − 1)·s + k on each axis. */
function scatteredImages(tf: Tf, x: TfTensor, w: TfTensor, a: Attributes): TfTensor {
  const [n, channels, ...spatial] = x.shape;
  const perGroup = Number(w.shape[1]);
  const { groups } = a;
  const [sh, sw] = a.strides;
  const [h, wide] = spatial.map((m, i) => (m - 1) * a.strides[i] + a.kernel[i]);

  if (perGroup === 1 && groups > 1 && sh === sw) {
    const each = depthwise(tf, toLast(x), w.transpose<TfTensor4D>([2, 3, 0, 1]), [n, h, wide, channels], sh);
    if (channels === groups) return toFirst(each);
    return toFirst(tf.sum(each.reshape([n, h, wide, groups, channels / groups]), -1));
  }
  // [C,O/g,k,k] → [k,k,O/g,C], whose last axis belongs to the groups in turn.
  const kernels = tf.split<TfTensor4D>(w.transpose<TfTensor4D>([2, 3, 1, 0]), groups, 3);
  const parts = tf
    .split<TfTensor4D>(toLast(x), groups, 3)
    .map((part, g) => tf.conv2dTranspose(part, kernels[g], [n, h, wide, perGroup], [sh, sw], 'valid'));
  return toFirst(tf.concat(parts, 3));
}

/** The gradient of a depthwise convolution by its input of `inputShape`, which TensorFlow.js has only as a kernel. */
function depthwise(
  tf: Tf,
  dy: TfTensor4D,
  filter: TfTensor4D,
  inputShape: [number, number, number, number],
  stride: number,
): TfTensor {
  const attributes = { strides: [stride, stride], pad: 'valid', dilations: [1, 1], inputShape };
  return tf.engine().runKernel(tf.DepthwiseConv2dNativeBackpropInput, { dy, filter }, attributes);
}

function scattered(tf: Tf, x: TfTensor, w: TfTensor, a: Attributes): TfTensor {
  const reach = a.kernel.map((k, i) => (k - 1) * a.dilations[i]);
  const spread = padded(tf, zerosBetween(tf, x, a.strides), [...reach, ...reach]);
  const { groups, dilations } = a;
  const strides = a.strides.map(() => 1);
  return convolve(tf, spread, reversed(tf, w, groups), { groups, strides, dilations });
}

/** [N,C,n,…] → [N,C,(n − 1)·s + 1,…]. */
function zerosBetween(tf: Tf, x: TfTensor, strides: readonly number[]): TfTensor {
  let y = x;
  for (const [i, stride] of strides.entries()) {
    if (stride === 1) continue;
    const axis = i + 2;
    const [before, n, after] = [y.shape.slice(0, axis), y.shape[axis], y.shape.slice(axis + 1)];
    const rows = y.reshape([...before, n, 1, ...after]);
    const around = rows.shape.map((_, d): [number, number] => [0, d === axis + 1 ? stride - 1 : 0]);
    const all = tf.pad(rows, around).reshape([...before, n * stride, ...after]);
    const size = [...before, (n - 1) * stride + 1, ...after];
    y = tf.slice(
      all,
      size.map(() => 0),
      size,
    );
  }
  return y;
}

/** [C,O/g,k…] → [O,C/g,k…] with the taps in reverse order. */
function reversed(tf: Tf, w: TfTensor, groups: number): TfTensor {
  const [c, og, ...kernel] = w.shape;
  const spatial = kernel.map((_, i) => i + 3);
  const byGroup = w.reshape([groups, c / groups, og, ...kernel]).transpose([0, 2, 1, ...spatial]);
  return tf.reverse(byGroup, spatial).reshape([groups * og, c / groups, ...kernel]);
}
