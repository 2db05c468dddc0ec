/**
 * Conv: Y[n,o,p] = Σ_{c,t} X[n,c,s·p + d·t − pad] · W[o,c,t] + B[o].
 *   dX = the transposed convolution of dY with W;  dW[o,c,t] = Σ_{n,p} dY[n,o,p] · X[n,c,s·p + d·t − pad];
 *   dB[o] = Σ_{n,p} dY[n,o,p].
 * How dX and dW are computed is a lowering's choice.
 *
 * ConvTranspose is the adjoint of the convolution with its weight W [C,M/g,k…] that leads from Y to X: Y takes the place
 * of that one's dX and X that of its dY. So dX = Conv(dY, W), and dW is its ConvWeightGrad with X in the place of dY and
 * dY in the place of X.
 */

import { convTransposeAttributes, extent, resolveTransposePads, type Value } from '../../../onnx/index.js';
import { type ConvGeometry, convGeometry } from '../geometry.js';
import { emitInternal, typeLike } from '../internal.js';
import type { GradientContext, Gradients } from '../rule.js';
import { sumOver } from './sums.js';

export function convGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const x = node.input(0);
  const w = node.input(1);
  const xShape = c.shape(x);
  const wShape = c.shape(w);
  const attributes = { ...convGeometry(node, xShape, wShape) };
  const [dx] = c.needs(0)
    ? emitInternal(b, 'ConvInputGrad', [dy, w], [typeLike(x, xShape)], { ...attributes, shape: xShape })
    : [undefined];
  const [dw] = c.needs(1)
    ? emitInternal(b, 'ConvWeightGrad', [dy, x], [typeLike(w, wShape)], attributes)
    : [undefined];
  return withBias(c, dx, dw);
}

export function convTransposeGradient(c: GradientContext): Gradients {
  const { b, node } = c;
  const [x, w] = [node.input(0), node.input(1)];
  const { geometry, reached } = transposedGeometry(c);
  const whole = c.shape(node.output()).slice(2);
  const axes = reached.map((_, i) => i + 2);
  const dy = reached.every((r, i) => r === whole[i])
    ? c.dy
    : b.op('Slice', [c.dy, b.i64(reached.map(() => 0)), b.i64(reached), b.i64(axes)]);
  const dx = c.needs(0) ? b.op('Conv', [dy, w], { ...geometry }) : undefined;
  const [dw] = c.needs(1)
    ? emitInternal(b, 'ConvWeightGrad', [x, dy], [typeLike(w, c.shape(w))], { ...geometry })
    : [undefined];
  return withBias(c, dx, dw);
}

/**
 * The convolution from Y to X. It must make exactly as many windows as X has places: where Y goes a whole stride or more
 * beyond the last tap (a large output_padding or output_shape), only the part of Y up to it is looked at.
 */
function transposedGeometry(c: GradientContext): {
  readonly geometry: ConvGeometry;
  /** Spatial size of the part of Y that counts. */
  readonly reached: readonly number[];
} {
  const { node } = c;
  const small = c.shape(node.input(0)).slice(2);
  const large = c.shape(node.output()).slice(2);
  const a = convTransposeAttributes(node, c.shape(node.input(1)).slice(2));
  const pads = [...resolveTransposePads(a, small)];
  const rank = small.length;
  const reached = large.map((size, i) => {
    const end = i + rank;
    const beyond = size + pads[i] + pads[end] - extent(a, i) - (small[i] - 1) * a.strides[i];
    if (beyond < a.strides[i]) return size;
    const fromPads = Math.min(beyond, pads[end]);
    pads[end] -= fromPads;
    return size - (beyond - fromPads);
  });
  const { kernel: kernel_shape, strides, dilations, groups: group } = a;
  return { geometry: { kernel_shape, strides, pads, dilations, group }, reached };
}

function withBias(c: GradientContext, dx: Value | undefined, dw: Value | undefined): Gradients {
  const { b, node, dy } = c;
  if (!node.inputs[2]) return [dx, dw];
  const axes = c
    .shape(node.output())
    .map((_, i) => i)
    .filter((i) => i !== 1);
  return [dx, dw, c.needs(2) ? sumOver(b, dy, axes) : undefined];
}
