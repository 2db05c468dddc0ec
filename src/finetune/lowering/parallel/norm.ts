/**
 * BatchNormalization in training mode, as portable/norm.ts has it, in fewer and friendlier kernels for WebGPU. M values to a
 * channel, D = X − μ, i = 1/√(v + ε):
 *   μ = mean X,  v = Σ D² / M,  Y = γ·i·D + β
 *   dβ = Σ dY,  dγ = i·Σ dY·D,  dX = γ·i·(dY − dβ/M) + (−γ·i·dγ/M)·i·D
 * γ·i·(V − m) + b is one BatchNormalization with the batch's own variance.
 *
 * Sums go over the last axis first, then over the others. The provider keeps channels last: a sum over all pixels at once
 * is over axes that are not the last ones, for which it turns the whole map round; over one axis of many rows it does not.
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import { center, inverseDeviation } from '../portable/norm.js';
import type { LoweringContext } from '../rule.js';

type Reduction = 'ReduceSum' | 'ReduceSumSquare' | 'ReduceMean';

/** Over all axes but the channel, by `first` over the last axis, then by `then`. */
function perChannel(b: GraphBuilder, v: Value, rank: number, first: Reduction, then: Reduction): Value {
  if (rank === 2) return b.op(first, [v, b.i64([0])], { keepdims: 0 });
  const rows = b.op(first, [v, b.i64([rank - 1])], { keepdims: 0 });
  const others = [0, ...Array.from({ length: rank - 3 }, (_, i) => i + 2)];
  return b.op(then, [rows, b.i64(others)], { keepdims: 0 });
}

export function batchNormTrain(c: LoweringContext): readonly Value[] {
  const { b, node, shape } = c;
  const [x, gamma, beta] = [node.input(0), node.input(1), node.input(2)];
  const dims = shape(x);
  const rank = dims.length;
  const mean = perChannel(b, x, rank, 'ReduceMean', 'ReduceMean');
  const centered = center(c, x, mean, dims);
  const squares = perChannel(b, centered, rank, 'ReduceSumSquare', 'ReduceSum');
  const variance = b.op('Mul', [squares, b.f32(dims[1] / sizeOf(dims))], {}, { name: 'variance' });
  return [normalize(c, centered, gamma, beta, undefined, variance, dims[1]), mean, variance];
}

export function batchNormTrainGrad(c: LoweringContext): readonly Value[] {
  const { b, node, shape } = c;
  const [dy, x, gamma, mean, variance] = [0, 1, 2, 3, 4].map((i) => node.input(i));
  const dims = shape(x);
  const [rank, channels, perM] = [dims.length, dims[1], dims[1] / sizeOf(dims)];
  const centered = center(c, x, mean, dims);
  const dbeta = perChannel(b, dy, rank, 'ReduceSum', 'ReduceSum');
  const product = perChannel(b, b.op('Mul', [dy, centered]), rank, 'ReduceSum', 'ReduceSum');
  const inverse = inverseDeviation(c, variance);
  const dgamma = b.op('Mul', [inverse, product]);
  const ofCentered = b.op('Mul', [b.op('Mul', [gamma, inverse]), b.op('Mul', [dgamma, b.f32(-perM)])]);
  const dx = b.op('Add', [
    normalize(c, dy, gamma, undefined, b.op('Mul', [dbeta, b.f32(perM)]), variance, channels),
    normalize(c, centered, ofCentered, undefined, undefined, variance, channels),
  ]);
  return [dx, dgamma, dbeta];
}

/** scale·(v − mean)/√(variance + ε) + shift, per channel; mean and shift 0 where left out. */
function normalize(
  { b, node }: LoweringContext,
  v: Value,
  scale: Value,
  shift: Value | undefined,
  mean: Value | undefined,
  variance: Value,
  channels: number,
): Value {
  const zeros = b.f32(new Float32Array(channels));
  const epsilon = { float: node.float('epsilon', 1e-5) };
  return b.op('BatchNormalization', [v, scale, shift ?? zeros, mean ?? zeros, variance], { epsilon });
}
