/**
 * BatchNormalization with given statistics (frozen): Y = (X − μ)·γ/σ + β, σ = √(σ² + ε), per channel (axis 1).
 *   dX = dY·γ/σ;  dγ = Σ dY·(X − μ)/σ;  dβ = Σ dY, sums over all axes but the channel. μ and σ² get no gradient.
 * In training mode the statistics are the batch's (Ioffe & Szegedy 2015, arXiv 1502.03167): the internal operator
 * BatchNormTrain, whose gradient a lowering computes.
 */
import type { Value } from '../../../onnx/index.js';
import { emitInternal, typeLike } from '../internal.js';
import type { GradientContext, Gradients } from '../rule.js';
import { sumOver } from './sums.js';

export function batchNormGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const [x, gamma, mean, variance] = [node.input(0), node.input(1), node.input(3), node.input(4)];
  const shape = c.shape(x);
  const axes = shape.map((_, i) => i).filter((i) => i !== 1);
  const perChannel = shape.map((d, i) => (i === 1 ? d : 1));
  const spread = (v: Value): Value => b.op('Reshape', [v, b.i64(perChannel)]);
  const sigma = b.op('Sqrt', [b.op('Add', [variance, b.f32(node.float('epsilon', 1e-5))])]);
  const dx = c.needs(0) ? b.op('Mul', [dy, spread(b.op('Div', [gamma, sigma]))]) : undefined;
  const dgamma = c.needs(1)
    ? b.op('Div', [sumOver(b, b.op('Mul', [dy, b.op('Sub', [x, spread(mean)])]), axes), sigma])
    : undefined;
  const dbeta = c.needs(2) ? sumOver(b, dy, axes) : undefined;
  return [dx, dgamma, dbeta, undefined, undefined];
}

export function batchNormTrainGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const [x, gamma, beta] = [node.input(0), node.input(1), node.input(2)];
  const like = [x, gamma, beta].map((v) => typeLike(v, c.shape(v)));
  const grads = emitInternal(b, 'BatchNormTrainGrad', [dy, x, gamma, node.output(1), node.output(2)], like, {
    epsilon: { float: node.float('epsilon', 1e-5) },
  });
  return grads.map((g, i) => (c.needs(i) ? g : undefined));
}
