/**
 * Normalization within a sample: Y = S·X̂ + B with X̂ = (X − μ)·i, i = 1/√(σ² + ε), over some axes of X; no statistics
 * are kept.
 *   dX = i·(G − mean(G) − X̂·mean(G·X̂)), G = S·dY;   dS = Σ dY·X̂, dB = Σ dY over what S and B are broadcast along.
 * The variance is that of the centred tensor: no cancellation where |μ| ≫ σ.
 *   LayerNormalization (arXiv 1607.06450): over the axes from `axis` on.
 *   InstanceNormalization (arXiv 1607.08022): over the axes behind the channel; S and B per channel.
 *   GroupNormalization (arXiv 1803.08494): over each group of channels; S and B per group at opset 18, per channel from
 *   21 on; their length tells.
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import {
  groupNormAttributes,
  instanceNormAttributes,
  layerNormAttributes,
  normalizeAxis,
} from '../../../onnx/ops/index.js';
import type { GradientContext, Gradients } from '../rule.js';
import { sumTo } from './sums.js';

/** Axes and parameters of a normalization as a reshape of X sees them. */
interface View {
  readonly dims: readonly number[];
  /** What X̂ is normalized over. */
  readonly axes: readonly number[];
  /** Dims that broadcast a parameter (S or B) to `dims`. */
  readonly parameter: (own: readonly number[]) => readonly number[];
  readonly epsilon: number;
}

export function layerNormGradient(c: GradientContext): Gradients {
  const dims = c.shape(c.node.input(0));
  const { axis, epsilon } = layerNormAttributes(c.node);
  const first = normalizeAxis(c.node, axis, dims.length);
  const axes = dims.map((_, i) => i).slice(first);
  return normalizedGradient(c, { dims, axes, parameter: (own) => own, epsilon });
}

export function instanceNormGradient(c: GradientContext): Gradients {
  const [batch, channels, ...pixels] = c.shape(c.node.input(0));
  return normalizedGradient(c, {
    dims: [batch, channels, sizeOf(pixels)],
    axes: [2],
    parameter: () => [channels, 1],
    epsilon: instanceNormAttributes(c.node).epsilon,
  });
}

export function groupNormGradient(c: GradientContext): Gradients {
  const [batch, channels, ...pixels] = c.shape(c.node.input(0));
  const { groups, epsilon } = groupNormAttributes(c.node);
  return normalizedGradient(c, {
    dims: [batch, groups, channels / groups, sizeOf(pixels)],
    axes: [2, 3],
    parameter: ([length]) => [groups, length / groups, 1],
    epsilon,
  });
}

function normalizedGradient(c: GradientContext, { dims, axes, parameter, epsilon }: View): Gradients {
  const { b, node, needs, shape } = c;
  const [x, scale, bias] = node.inputs;
  const seen = (v: Value, as: readonly number[]): Value => reshaped(b, v, shape(v), as);
  const dy = seen(c.dy, dims);
  const { normal, inverse } = standardize(b, seen(node.input(0), dims), b.i64(axes), epsilon);
  /** The gradient of a parameter from its gradient before the sum. */
  const summed = (v: Value, of: Value): Value => {
    const own = shape(of);
    const wide = parameter(own);
    return reshaped(b, sumTo(b, v, dims, wide), wide, own);
  };
  const dx = (): Value => {
    const g = b.op('Mul', [dy, seen(node.input(1), parameter(shape(node.input(1))))]);
    const along = b.op('Mul', [normal, mean(b, b.op('Mul', [g, normal]), b.i64(axes))]);
    const rest = b.op('Sub', [b.op('Sub', [g, mean(b, g, b.i64(axes))]), along]);
    return reshaped(b, b.op('Mul', [rest, inverse]), dims, shape(node.input(0)));
  };
  return [
    x && needs(0) ? dx() : undefined,
    scale && needs(1) ? summed(b.op('Mul', [dy, normal]), scale) : undefined,
    bias && needs(2) ? summed(dy, bias) : undefined,
  ];
}

/** (v − μ)/√(σ² + ε) over the axes, and 1/√(σ² + ε). */
function standardize(
  b: GraphBuilder,
  v: Value,
  axes: Value,
  epsilon: number,
): { readonly normal: Value; readonly inverse: Value } {
  const centered = b.op('Sub', [v, mean(b, v, axes)], {}, { name: 'centered' });
  const variance = mean(b, b.op('Mul', [centered, centered]), axes);
  const inverse = b.op('Reciprocal', [b.op('Sqrt', [b.op('Add', [variance, b.f32(epsilon)])])]);
  return { normal: b.op('Mul', [centered, inverse], {}, { name: 'normalized' }), inverse };
}

function mean(b: GraphBuilder, v: Value, axes: Value): Value {
  return b.op('ReduceMean', [v, axes], { keepdims: 1 });
}

function reshaped(b: GraphBuilder, v: Value, from: readonly number[], to: readonly number[]): Value {
  const same = from.length === to.length && from.every((d, i) => d === to[i]);
  return same ? v : b.op('Reshape', [v, b.i64(to)]);
}
