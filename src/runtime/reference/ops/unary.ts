/** Element-wise ops of one input: y_i = f(x_i). Float types keep their declared type and are not rounded. */

import { roundHalfEven } from '../../../base/half.js';
import { alphaOf, geluIsTanh, hardSigmoidAttributes, seluAttributes } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { produce, type RealTensor, type RefTensor, wrapInteger, zeros } from '../tensor.js';
import { bigMax } from './bigint.js';
import { erf } from './erf.js';

/** Applies `f` to a tensor of doubles. */
export function mapReal(call: Call, f: (x: number) => number): RealTensor {
  const x = call.real(0);
  const data = new Float64Array(x.data.length);
  for (let i = 0; i < data.length; i++) data[i] = f(x.data[i]);
  return { dataType: x.dataType, dims: x.dims, data: wrapInteger(x.dataType, data) };
}

/** A rule for float inputs only. */
export function floatUnary(f: (x: number) => number): RefRule {
  return (call) => [mapReal(call, f)];
}

/** A rule that also takes 64-bit integers, exactly. */
export function anyUnary(f: (x: number) => number, big: (x: bigint) => bigint): RefRule {
  return (call) => {
    const x = call.input(0);
    if (x.dataType !== 'int64' && x.dataType !== 'uint64') return [mapReal(call, f)];
    const y = zeros(x.dataType, x.dims);
    if (y.dataType === 'int64' || y.dataType === 'uint64')
      for (let i = 0; i < y.data.length; i++) y.data[i] = big(x.data[i]);
    return [y];
  };
}

/** A rule whose function is made from the node's attributes. */
function withAttributes(make: (call: Call) => (x: number) => number): RefRule {
  return (call) => [mapReal(call, make(call))];
}

export const relu = anyUnary(
  (x) => Math.max(0, x),
  (x) => bigMax(x, 0n),
);
export const abs = anyUnary(Math.abs, (x) => (x < 0n ? -x : x));
export const neg = anyUnary(
  (x) => -x,
  (x) => -x,
);
export const sign = anyUnary(Math.sign, (x) => (x > 0n ? 1n : x < 0n ? -1n : 0n));

export const bitwiseNot = anyUnary(
  (x) => ~x,
  (x) => ~x,
);

export const sigmoid = floatUnary(logistic);
export const softplus = floatUnary((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))));
export const softsign = floatUnary((x) => x / (1 + Math.abs(x)));
export const mish = floatUnary((x) => x * Math.tanh(Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)))));
export const hardSwish = floatUnary((x) => x * Math.min(1, Math.max(0, x / 6 + 0.5)));
export const erfRule = floatUnary(erf);
export const round = floatUnary(roundHalfEven);
export const reciprocal = floatUnary((x) => 1 / x);
export const isNan: RefRule = (call) => [asBool(mapReal(call, (x) => (Number.isNaN(x) ? 1 : 0)))];

export const isInf: RefRule = (call) => {
  const positive = call.node.int('detect_positive', 1) === 1;
  const negative = call.node.int('detect_negative', 1) === 1;
  const hit = (x: number): boolean =>
    (positive && x === Number.POSITIVE_INFINITY) || (negative && x === Number.NEGATIVE_INFINITY);
  return [asBool(mapReal(call, (x) => (hit(x) ? 1 : 0)))];
};

export const not: RefRule = (call) => [asBool(mapReal(call, (x) => (x === 0 ? 1 : 0)))];

export const leakyRelu = withAttributes(({ node }) => {
  const alpha = alphaOf(node);
  return (x) => (x < 0 ? alpha * x : x);
});

export const thresholdedRelu = withAttributes(({ node }) => {
  const alpha = alphaOf(node);
  return (x) => (x > alpha ? x : 0);
});

export const shrink = withAttributes(({ node }) => {
  const lambda = node.float('lambd', 0.5);
  const bias = node.float('bias', 0);
  return (x) => (x < -lambda ? x + bias : x > lambda ? x - bias : 0);
});

export const swish = withAttributes(({ node }) => {
  const alpha = node.float('alpha', 1);
  return (x) => x * logistic(alpha * x);
});

export const elu = withAttributes(({ node }) => {
  const alpha = alphaOf(node);
  return (x) => (x < 0 ? alpha * Math.expm1(x) : x);
});

export const celu = withAttributes(({ node }) => {
  const alpha = alphaOf(node);
  return (x) => Math.max(0, x) + Math.min(0, alpha * Math.expm1(x / alpha));
});

export const selu = withAttributes(({ node }) => {
  const { alpha, gamma } = seluAttributes(node);
  return (x) => gamma * (x > 0 ? x : alpha * Math.expm1(x));
});

export const hardSigmoid = withAttributes(({ node }) => {
  const { alpha, beta } = hardSigmoidAttributes(node);
  return (x) => Math.min(1, Math.max(0, alpha * x + beta));
});

export const gelu = withAttributes(({ node }) =>
  geluIsTanh(node)
    ? (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))
    : (x) => 0.5 * x * (1 + erf(x / Math.SQRT2)),
);

/** Bounds are attributes before opset 11, inputs from then on. A NaN stays one. */
export const clip: RefRule = (call) => {
  const { node } = call;
  const x = call.input(0);
  if (call.opset < 11) {
    const low = node.float('min', Number.NEGATIVE_INFINITY);
    const high = node.float('max', Number.POSITIVE_INFINITY);
    return [mapReal(call, (v) => Math.min(high, Math.max(low, v)))];
  }
  const low = bound(call, 1);
  const high = bound(call, 2);
  return [
    produce(x, x.dims, (from, to) => {
      for (let i = 0; i < to.length; i++) {
        let v = from[i];
        if (low !== undefined && v < low) v = low;
        if (high !== undefined && v > high) v = high;
        to[i] = v;
      }
    }),
  ];
};

function bound(call: Call, index: number): number | bigint | undefined {
  const t = call.inputs[index];
  if (!t) return undefined;
  call.scalar(index);
  return t.data[0];
}

export const identity: RefRule = (call) => [call.input(0)];

export function logistic(x: number): number {
  if (x >= 0) return 1 / (1 + Math.exp(-x));
  const e = Math.exp(x);
  return e / (1 + e);
}

function asBool(t: RealTensor): RefTensor {
  return { ...t, dataType: 'bool' };
}
