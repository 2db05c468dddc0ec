/** Reductions over axes. */
import { axesOf, keepDims, normalizeAxes } from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor } from '../tf.js';

type Reduce = (tf: Tf, x: TfTensor, axes: number[], keep: boolean) => TfTensor;

/** Attribute up to 12 or 17, then input 1; none means all, or with noop_with_empty_axes none. */
function reducedAxes(call: Call, rank: number): number[] {
  const given = axesOf(call.node, call.known);
  if (given === undefined || given === 'absent' || given.length === 0)
    return call.node.int('noop_with_empty_axes', 0) === 1 ? [] : Array.from({ length: rank }, (_, i) => i);
  return normalizeAxes(call.node, [...new Set(given)], rank);
}

export function reduce(f: Reduce): Compute {
  return (call) => {
    const x = call.input(0);
    return f(call.tf, x, reducedAxes(call, x.rank), keepDims(call.node));
  };
}

export const sumOf: Reduce = (tf, x, axes, keep) => (axes.length === 0 ? x : tf.sum(x, axes, keep));

export const reduceSumSquare = reduce((tf, x, axes, keep) => sumOf(tf, tf.square(x), axes, keep));
export const reduceL1 = reduce((tf, x, axes, keep) => sumOf(tf, tf.abs(x), axes, keep));
export const reduceL2 = reduce((tf, x, axes, keep) => tf.sqrt(sumOf(tf, tf.square(x), axes, keep)));
export const reduceLogSum = reduce((tf, x, axes, keep) => tf.log(sumOf(tf, x, axes, keep)));
export const reduceLogSumExp = reduce((tf, x, axes, keep) =>
  axes.length === 0 ? x : tf.logSumExp(x, axes, keep),
);

/** A reduction that leaves its input as it is where there is no axis to reduce over. */
export function overAxes(f: Reduce): Compute {
  return reduce((tf, x, axes, keep) => (axes.length === 0 ? x : f(tf, x, axes, keep)));
}

/** An extreme of nothing is the end of the scale, which TensorFlow.js does not tell. */
function extreme(f: Reduce, ofNothing: { readonly float32: number; readonly int32: number }): Compute {
  return overAxes((tf, x, axes, keep) => {
    if (!axes.some((a) => x.shape[a] === 0)) return f(tf, x, axes, keep);
    const dims = x.shape.flatMap((n, i) => (axes.includes(i) ? (keep ? [1] : []) : [n]));
    return x.dtype === 'int32'
      ? tf.fill(dims, ofNothing.int32, 'int32')
      : tf.fill(dims, ofNothing.float32, 'float32');
  });
}

export const reduceMax = extreme((tf, x, axes, keep) => tf.max(x, axes, keep), {
  float32: Number.NEGATIVE_INFINITY,
  int32: -(2 ** 31),
});
export const reduceMin = extreme((tf, x, axes, keep) => tf.min(x, axes, keep), {
  float32: Number.POSITIVE_INFINITY,
  int32: 2 ** 31 - 1,
});

/** The position of the best element, the first of equal ones unless select_last_index says the last. */
export function argBest(f: (tf: Tf, x: TfTensor, axis: number) => TfTensor): Compute {
  return (call) => {
    const { tf, node } = call;
    const x = call.input(0);
    const axis = call.axis('axis', 0, x.rank);
    const last = node.int('select_last_index', 0) === 1;
    const found = last
      ? tf.sub(tf.scalar(x.shape[axis] - 1, 'int32'), f(tf, tf.reverse(x, axis), axis))
      : f(tf, x, axis);
    const at = tf.cast(found, 'int32');
    return keepDims(node) ? tf.expandDims(at, axis) : at;
  };
}

export const cumSum: Compute = (call) => {
  const x = call.input(0);
  const [axis] = call.numbers(1);
  const { node } = call;
  const from = axis < 0 ? axis + x.rank : axis;
  return call.tf.cumsum(x, from, node.int('exclusive', 0) === 1, node.int('reverse', 0) === 1);
};
