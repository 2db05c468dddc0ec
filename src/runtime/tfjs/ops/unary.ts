/** Element-wise ops of one input. */
import {
  alphaOf,
  clipRange,
  geluIsTanh,
  hardSigmoidAttributes,
  seluAttributes,
} from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor } from '../tf.js';

/** y = f(x). */
export function unary(f: (tf: Tf, x: TfTensor) => TfTensor): Compute {
  return (call) => f(call.tf, call.input(0));
}

/** y = f(x) with numbers from the node's attributes. */
function withAttributes(f: (call: Call, x: TfTensor) => TfTensor): Compute {
  return (call) => f(call, call.input(0));
}

export const reciprocal = unary((tf, x) => tf.div(1, x));
export const softsign = unary((tf, x) => tf.div(x, tf.add(tf.abs(x), 1)));
export const hardSwish = unary((tf, x) => tf.mul(x, tf.clipByValue(tf.add(tf.mul(x, 1 / 6), 0.5), 0, 1)));
export const erf = unary((tf, x) => tf.erf(x));

/** max(x, 0) + log1p(exp(−|x|)): TensorFlow.js's own loses what is below float32's resolution of 1. */
export const softplus = unary(softplusOf);
export const mish = unary((tf, x) => tf.mul(x, tf.tanh(softplusOf(tf, x))));

function softplusOf(tf: Tf, x: TfTensor): TfTensor {
  return tf.add(tf.relu(x), tf.log1p(tf.exp(tf.neg(tf.abs(x)))));
}

export const leakyRelu = withAttributes(({ tf, node }, x) => {
  const alpha = alphaOf(node);
  return tf.where(tf.less(x, 0), tf.mul(x, alpha), x);
});

export const thresholdedRelu = withAttributes(({ tf, node }, x) =>
  tf.where(tf.greater(x, alphaOf(node)), x, tf.zerosLike(x)),
);

export const shrink = withAttributes(({ tf, node }, x) => {
  const [lambda, bias] = [node.float('lambd', 0.5), node.float('bias', 0)];
  const below = tf.where(tf.less(x, -lambda), tf.add(x, bias), tf.zerosLike(x));
  return tf.where(tf.greater(x, lambda), tf.sub(x, bias), below);
});

export const swish = withAttributes(({ tf, node }, x) =>
  tf.mul(x, tf.sigmoid(tf.mul(x, node.float('alpha', 1)))),
);

export const elu = withAttributes(({ tf, node }, x) =>
  tf.where(tf.less(x, 0), tf.mul(tf.expm1(x), alphaOf(node)), x),
);

export const celu = withAttributes(({ tf, node }, x) => {
  const alpha = alphaOf(node);
  return tf.add(tf.relu(x), tf.minimum(0, tf.mul(tf.expm1(tf.div(x, alpha)), alpha)));
});

export const selu = withAttributes(({ tf, node }, x) => {
  const { alpha, gamma } = seluAttributes(node);
  return tf.mul(tf.where(tf.greater(x, 0), x, tf.mul(tf.expm1(x), alpha)), gamma);
});

export const hardSigmoid = withAttributes(({ tf, node }, x) => {
  const { alpha, beta } = hardSigmoidAttributes(node);
  return tf.clipByValue(tf.add(tf.mul(x, alpha), beta), 0, 1);
});

export const gelu = withAttributes(({ tf, node }, x) => {
  const inner = geluIsTanh(node)
    ? tf.tanh(tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), 0.044715)), Math.sqrt(2 / Math.PI)))
    : tf.erf(tf.mul(x, Math.SQRT1_2));
  return tf.mul(tf.mul(x, 0.5), tf.add(inner, 1));
});

export const isInf = withAttributes(({ tf, node }, x) => {
  const infinite = tf.isInf(x);
  const negative = tf.less(x, 0);
  const counted = (sign: string): boolean => node.int(`detect_${sign}`, 1) === 1;
  if (!counted('negative')) return tf.logicalAnd(infinite, tf.logicalNot(negative));
  return counted('positive') ? infinite : tf.logicalAnd(infinite, negative);
});

/** Bounds are attributes before opset 11, inputs from then on. A NaN stays one. */
export const clip: Compute = (call) => {
  const { tf, node, known } = call;
  const x = call.input(0);
  const range = clipRange(node, known) ?? call.fail('its bounds', 'numbers', 'none');
  const { min, max } = range;
  const least = Number.isFinite(min) ? tf.maximum(x, tf.scalar(min, x.dtype)) : x;
  return Number.isFinite(max) ? tf.minimum(least, tf.scalar(max, x.dtype)) : least;
};
