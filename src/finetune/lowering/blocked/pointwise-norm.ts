/**
 * A 1×1 convolution followed by BatchNormalization, from the covariance of the convolution's input: no pass over the map
 * between them, which is never stored. With X as a matrix [C, M] (all pixels of all images) and u = W·X:
 *   m = X̄,  S = X·Xᵀ/M − m·mᵀ,  T = S·Wᵀ,  mean_u = W·m,  var_u = Σ_c Wᵀ∘T,  i = 1/√(var_u + ε),  a = γ·i
 *   Y = (a∘W)·X + (β − a·mean_u): one convolution, which takes in the activation too.
 *   dβ = Σ dY,  D = X·dYᵀ − m·dβᵀ,  dγ = i·Σ_c Wᵀ∘D,  dWᵀ = a∘(D − T∘(dγ·i))
 *   dX = (a∘W)ᵀ·dY + Q·X + r,  Q = Wᵀ·diag(−a·i·dγ/M)·W,  r = Wᵀ·(a·(i·dγ·mean_u − dβ)/M)
 * Worth it where W makes many channels of few: X·Xᵀ and Q·X cost C² products a pixel, the passes saved are over O channels.
 */
import { sizeOf, type Value } from '../../../onnx/index.js';
import { covariancePaysOff } from './cost.js';
import { pointAxis } from './geometry.js';
import { inputGradKernel, type KernelLayout, packedDims, scaleOutputs } from './kernel.js';
import type { Blocked, Nchwc } from './nchwc.js';
import type { BlockedContext } from './rule.js';
import type { Extra, Pending } from './tracker.js';
import { fromVector, toVector } from './vector.js';
import { denseWeightGrad } from './weight-grad/formulations.js';

/** A 1×1, stride-1, dense convolution that is not emitted yet. */
export interface Pointwise {
  readonly x: Blocked;
  readonly kernel: Value;
  readonly layout: KernelLayout;
  /** [O], of the convolution itself. */
  readonly bias: Value | undefined;
}

/** What the backward nodes take from the forward pass; vectors are padded. */
export interface PointwiseSite {
  readonly conv: Pointwise;
  /** [C], [O], [O], [O] */
  readonly mean: Value;
  readonly meanOut: Value;
  readonly inverse: Value;
  readonly scale: Value;
  /** Wᵀ and T, [C, O] */
  readonly transposed: Value;
  readonly covariance: Value;
  /** a∘W, packed */
  readonly folded: Value;
}

export function paysOff({ x, layout }: Pointwise): boolean {
  const [outputs, inputs] = packedDims(layout);
  const pixels = x.dims[2] * x.dims[3];
  return outputs >= 2 * inputs && pixels > 1 && covariancePaysOff(inputs, outputs, layout.block);
}

export function pointwiseNorm(c: BlockedContext, conv: Pointwise): PointwiseSite {
  const { b, n, t, node } = c;
  const { x, kernel, layout, bias } = conv;
  const [outputs, inputs] = packedDims(layout);
  const perM = b.f32(inputs / sizeOf(x.dims));
  const gram = toMatrix(n, pixelProduct(c, x, x), inputs, inputs);
  const mean = b.op('Mul', [n.channelSum(x.value, x.dims), perM]);
  const [row, column] = [n.reshape(mean, [1, inputs]), n.reshape(mean, [inputs, 1])];
  const spread = b.op('Sub', [b.op('Mul', [gram, perM]), b.op('Mul', [column, row])]);
  const transposed = toMatrix(n, kernel, inputs, outputs);
  const covariance = b.op('MatMul', [spread, transposed]);
  const meanOut = n.reshape(b.op('MatMul', [row, transposed]), [outputs]);
  const products = b.op('Mul', [transposed, covariance]);
  // Rounding may take it below zero.
  const variance = b.op('Relu', [b.op('ReduceSum', [products, b.i64([0])], { keepdims: 0 })]);
  const epsilon = b.f32(node.float('epsilon', 1e-5));
  const inverse = b.op('Reciprocal', [b.op('Sqrt', [b.op('Add', [variance, epsilon])])]);
  const channels = layout.dims[0];
  const scale = b.op('Mul', [fromVector(n, node.input(1), channels), inverse]);
  const folded = scaleOutputs(b, layout, kernel, scale);
  const shift = b.op('Sub', [fromVector(n, node.input(2), channels), b.op('Mul', [scale, meanOut])]);
  const dims = [x.dims[0], outputs, x.dims[2], x.dims[3]];
  const emit = ({ activation, sum }: Extra): Blocked => ({
    value: n.conv(x.value, folded, dims, { kernel: [1, 1], bias: shift, sum, activation }),
    dims,
    channels,
    dirty: false,
  });
  t.set(node.output(0), { kind: 'pending', pending: { takes: ['activation', 'sum'], emit } });
  const plainMean = toVector(n, meanOut, channels);
  t.replace(node.output(1), bias ? b.op('Add', [plainMean, bias]) : plainMean);
  t.replace(node.output(2), toVector(n, variance, channels));
  return { conv, mean, meanOut, inverse, scale, transposed, covariance, folded };
}

/** The gradients of both, for the convolution's backward nodes to pick up. */
export interface PointwiseGradient {
  /** dW, packed. */
  readonly kernel: Value;
  readonly layout: KernelLayout;
  readonly input: Pending;
}

export function pointwiseNormGrad(c: BlockedContext, site: PointwiseSite): PointwiseGradient {
  const { b, n, t, node } = c;
  const { conv, mean, meanOut, inverse, scale, transposed, covariance, folded } = site;
  const { x, layout } = conv;
  const [outputs, inputs] = packedDims(layout);
  const channels = layout.dims[0];
  const perM = b.f32(inputs / sizeOf(x.dims));
  const dy = t.clean(node.input(0));
  const dbeta = n.channelSum(dy.value, dy.dims);
  const product = toMatrix(n, pixelProduct(c, x, dy), inputs, outputs);
  const outer = b.op('Mul', [n.reshape(mean, [inputs, 1]), n.reshape(dbeta, [1, outputs])]);
  const centered = b.op('Sub', [product, outer]);
  const dot = b.op('ReduceSum', [b.op('Mul', [transposed, centered]), b.i64([0])], { keepdims: 0 });
  const dgamma = b.op('Mul', [inverse, dot]);
  t.replace(node.output(1), toVector(n, dgamma, channels));
  t.replace(node.output(2), toVector(n, dbeta, channels));
  const slope = b.op('Mul', [dgamma, inverse]);
  const kernelOf = b.op('Sub', [centered, b.op('Mul', [covariance, slope])]);
  const kernel = fromMatrix(n, b.op('Mul', [kernelOf, scale]), inputs, outputs);
  const dims = x.dims;
  const emit = ({ sum }: Extra): Blocked => {
    const weight = b.op('Neg', [b.op('Mul', [b.op('Mul', [scale, slope]), perM])]);
    const square = b.op('MatMul', [
      b.op('Mul', [transposed, weight]),
      b.op('Transpose', [transposed], { perm: [1, 0] }),
    ]);
    const offset = b.op('Neg', [
      b.op('Add', [b.op('Mul', [weight, meanOut]), b.op('Mul', [b.op('Mul', [scale, dbeta]), perM])]),
    ]);
    const bias = n.reshape(b.op('MatMul', [transposed, n.reshape(offset, [outputs, 1])]), [inputs]);
    const own = n.conv(x.value, fromMatrix(n, square, inputs, inputs), dims, { kernel: [1, 1], bias, sum });
    const turned = inputGradKernel(b, layout, folded, [0], [1, 1]);
    return { ...x, value: n.conv(dy.value, turned, dims, { kernel: [1, 1], sum: own }) };
  };
  return { kernel, layout, input: { takes: ['sum'], emit } };
}

/** Σ over all pixels of v·wᵀ, as the packed kernel [W channels, V channels, 1, 1]. */
function pixelProduct({ n, t }: BlockedContext, v: Blocked, w: Blocked): Value {
  const [images, inputs, ...size] = v.dims;
  const axes = size.map(pointAxis);
  return denseWeightGrad({
    n,
    t,
    kind: 'dense',
    x: v.value,
    dy: w.value,
    images,
    inputs,
    outputs: w.dims[1],
    axes,
  });
}

/** Packed [O, C, 1, 1] → [C, O]. */
function toMatrix(n: Nchwc, packed: Value, inputs: number, outputs: number): Value {
  const panels = n.reshape(packed, [outputs / n.block, inputs, n.block]);
  return n.reshape(n.b.op('Transpose', [panels], { perm: [1, 0, 2] }), [inputs, outputs]);
}

/** [C, O] → packed [O, C, 1, 1]. */
function fromMatrix(n: Nchwc, matrix: Value, inputs: number, outputs: number): Value {
  const rows = n.reshape(matrix, [inputs, outputs / n.block, n.block]);
  return n.reshape(n.b.op('Transpose', [rows], { perm: [1, 0, 2] }), [outputs, inputs, 1, 1]);
}
