/**
 * Pools over sliding windows of x [N,C,…]: TensorFlow.js's own on images whose windows are not dilated, else tap by tap.
 */
import {
  type Node,
  type PoolAttributes,
  poolAttributes,
  resolvePads,
  sizeOf,
  windowOutput,
} from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor, TfTensor4D } from '../tf.js';
import { padded, positionsOf, strided } from './window.js';

interface Pool extends PoolAttributes {
  /** Spatial dims of the output. */
  readonly out: readonly number[];
  /** As the attributes say: all begins, then all ends. */
  readonly declared: readonly number[];
  /** So many more at each end that the windows of ceil_mode find, or what they leave, as a negative number. */
  readonly more: readonly number[];
}

function poolOf(call: Call, x: TfTensor): Pool {
  const spatial = x.shape.slice(2);
  const a = poolAttributes(call.node);
  const out = spatial.map((n, i) => windowOutput(a, i, n, a.ceilMode));
  const declared = resolvePads(a, spatial);
  const rank = spatial.length;
  const more = spatial.map((n, i) => {
    const reach = (out[i] - 1) * a.strides[i] + (a.kernel[i] - 1) * a.dilations[i] + 1;
    return reach - n - declared[i] - declared[rank + i];
  });
  return { ...a, out, declared, more };
}

/** Padding never wins. */
export const maxPool: Compute = (call) => {
  const x = call.input(0);
  const p = poolOf(call, x);
  const { tf } = call;
  const source = padded(tf, x, grown(p), Number.NEGATIVE_INFINITY);
  if (isPlainImage(p)) return onImages(source, (image, k, s) => tf.maxPool(image, k, s, 'valid'), p);
  return overTaps(tf, source, p, (a, b) => tf.maximum(a, b));
};

/**
 * The mean of what a window covers of the input, or with count_include_pad of input and pads: the mean over all taps,
 * divided by the share of them that count, which is the same mean of ones.
 */
export const averagePool: Compute = (call) => {
  const x = call.input(0);
  const p = poolOf(call, x);
  const { tf } = call;
  const sums = meanOfTaps(tf, padded(tf, x, grown(p)), p);
  if (grown(p).every((n) => n <= 0)) return sums;
  const ones = tf.ones([1, 1, ...x.shape.slice(2)]);
  const rank = p.out.length;
  const counted = p.countIncludePad ? padded(tf, ones, p.declared, 1) : padded(tf, ones, p.declared);
  const beyond = [...new Array<number>(rank).fill(0), ...p.more];
  return tf.div(sums, meanOfTaps(tf, padded(tf, counted, beyond), p));
};

function grown({ declared, more, out }: Pool): number[] {
  const rank = out.length;
  return declared.map((n, i) => (i < rank ? n : n + more[i - rank]));
}

function meanOfTaps(tf: Tf, x: TfTensor, p: Pool): TfTensor {
  if (isPlainImage(p)) return onImages(x, (image, k, s) => tf.avgPool(image, k, s, 'valid'), p);
  return tf.div(
    overTaps(tf, x, p, (a, b) => tf.add(a, b)),
    sizeOf(p.kernel),
  );
}

const isPlainImage = ({ kernel, dilations }: Pool): boolean =>
  kernel.length === 2 && dilations.every((d) => d === 1);

function onImages(
  x: TfTensor,
  pool: (image: TfTensor4D, kernel: [number, number], strides: [number, number]) => TfTensor4D,
  { kernel, strides }: Pool,
): TfTensor {
  const [kh, kw] = kernel;
  const [sh, sw] = strides;
  return pool(x.transpose<TfTensor4D>([0, 2, 3, 1]), [kh, kw], [sh, sw]).transpose([0, 3, 1, 2]);
}

function overTaps(tf: Tf, x: TfTensor, p: Pool, join: (a: TfTensor, b: TfTensor) => TfTensor): TfTensor {
  return positionsOf(p.kernel)
    .map((tap) =>
      strided(
        tf,
        x,
        tap.map((t, i) => t * p.dilations[i]),
        p.out,
        p.strides,
      ),
    )
    .reduce(join);
}

/** Over all spatial axes. */
export function globalPool(f: (tf: Tf, x: TfTensor, axes: number[]) => TfTensor): Compute {
  return (call) => {
    const x = call.input(0);
    return f(
      call.tf,
      x,
      x.shape.slice(2).map((_, i) => i + 2),
    );
  };
}

export function maxPoolRefuses({ outputs }: Node): string | undefined {
  return outputs[1]?.isDead === false ? 'output Indices' : undefined;
}
