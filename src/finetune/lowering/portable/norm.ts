/**
 * BatchNormalization in training mode, in standard operators. Over the M values of a channel:
 *   μ = Σ X / M,  D = X − μ,  v = Σ D² / M (two passes: no cancellation when |μ| ≫ σ),  i = 1/√(v + ε)
 *   Y = γ·i·D + β
 *   dβ = Σ dY,  dγ = i·Σ dY·D,  dX = γ·i·(dY − dβ/M − D·i·dγ/M)
 * The per-channel affine maps are written as BatchNormalization with mean 0 and variance 1, one pass each.
 * (BatchNormalization with training_mode=1 is not used: the CUDA provider refuses it, and its running variance is the
 * biased one.)
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import type { LoweringContext } from '../rule.js';

/**
 * Σ over all axes but the channel: over the pixels of each image first, then over the images, which rounds less and
 * runs faster than one reduction over scattered axes.
 */
function channelSum(b: GraphBuilder, v: Value, rank: number, op: 'ReduceSum' | 'ReduceSumSquare'): Value {
  if (rank === 2) return b.op(op, [v, b.i64([0])], { keepdims: 0 });
  const pixels = Array.from({ length: rank - 2 }, (_, i) => i + 2);
  const perImage = b.op(op, [v, b.i64(pixels)], { keepdims: 0 });
  return b.op('ReduceSum', [perImage, b.i64([0])], { keepdims: 0 });
}

export function batchNormTrain(c: LoweringContext): readonly Value[] {
  const { b, node, shape } = c;
  const [x, gamma, beta] = [node.input(0), node.input(1), node.input(2)];
  const dims = shape(x);
  const count = sizeOf(dims) / dims[1];
  const mean = b.op(
    'Mul',
    [channelSum(b, x, dims.length, 'ReduceSum'), b.f32(1 / count)],
    {},
    { name: 'mean' },
  );
  const centered = center(c, x, mean, dims);
  const squares = channelSum(b, centered, dims.length, 'ReduceSumSquare');
  const variance = b.op('Mul', [squares, b.f32(1 / count)], {}, { name: 'variance' });
  const scale = b.op('Mul', [gamma, inverseDeviation(c, variance)]);
  return [affine(b, centered, scale, beta, dims[1]), mean, variance];
}

export function batchNormTrainGrad(c: LoweringContext): readonly Value[] {
  const { b, node, shape } = c;
  const [dy, x, gamma, mean, variance] = [0, 1, 2, 3, 4].map((i) => node.input(i));
  const dims = shape(x);
  const count = sizeOf(dims) / dims[1];
  const centered = center(c, x, mean, dims);
  const inverse = inverseDeviation(c, variance);
  const dbeta = channelSum(b, dy, dims.length, 'ReduceSum');
  const product = channelSum(b, b.op('Mul', [dy, centered]), dims.length, 'ReduceSum');
  const dgamma = b.op('Mul', [inverse, product]);
  const scale = b.op('Mul', [gamma, inverse]);
  const perM = b.f32(-1 / count);
  const ofCentered = b.op('Mul', [b.op('Mul', [scale, inverse]), b.op('Mul', [dgamma, perM])]);
  const shift = b.op('Mul', [scale, b.op('Mul', [dbeta, perM])]);
  const zero = b.f32(new Float32Array(dims[1]));
  const dx = b.op('Add', [
    affine(b, dy, scale, shift, dims[1]),
    affine(b, centered, ofCentered, zero, dims[1]),
  ]);
  return [dx, dgamma, dbeta];
}

/** X − μ, which the forward and the backward pass share. */
export function center(
  { b, shared }: LoweringContext,
  x: Value,
  mean: Value,
  dims: readonly number[],
): Value {
  return shared(x, 'centered', () => {
    const perChannel = b.i64(dims.map((d, i) => (i === 1 ? d : 1)));
    return b.op('Sub', [x, b.op('Reshape', [mean, perChannel])], {}, { name: 'centered' });
  });
}

/** 1/√(v + ε). */
export function inverseDeviation({ b, node, shared }: LoweringContext, variance: Value): Value {
  return shared(variance, 'inverse deviation', () => {
    const epsilon = b.f32(node.float('epsilon', 1e-5));
    return b.op('Reciprocal', [b.op('Sqrt', [b.op('Add', [variance, epsilon])])]);
  });
}

/** scale·v + shift per channel, in one pass. */
function affine(b: GraphBuilder, v: Value, scale: Value, shift: Value, channels: number): Value {
  const zeros = b.f32(new Float32Array(channels));
  const ones = b.f32(new Float32Array(channels).fill(1));
  return b.op('BatchNormalization', [v, scale, shift, zeros, ones], { epsilon: { float: 0 } });
}
