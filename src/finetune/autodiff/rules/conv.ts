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

import { UnsupportedError } from '../../../base/errors.js';
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
  const { b, node, dy } = c;
  const [x, w] = [node.input(0), node.input(1)];
  const attributes = { ...transposedGeometry(c) };
  const dx = c.needs(0) ? b.op('Conv', [dy, w], attributes) : undefined;
  const [dw] = c.needs(1)
    ? emitInternal(b, 'ConvWeightGrad', [x, dy], [typeLike(w, c.shape(w))], attributes)
    : [undefined];
  return withBias(c, dx, dw);
}

/**
 * The convolution from Y to X.
 * @throws UnsupportedError where it would make more windows than X has places; the runtime refuses that too
 */
function transposedGeometry(c: GradientContext): ConvGeometry {
  const { node } = c;
  const small = c.shape(node.input(0)).slice(2);
  const large = c.shape(node.output()).slice(2);
  const a = convTransposeAttributes(node, c.shape(node.input(1)).slice(2));
  const pads = resolveTransposePads(a, small);
  const { kernel: kernel_shape, strides, dilations, groups: group } = a;
  large.forEach((size, i) => {
    const beyond = size + pads[i] + pads[i + large.length] - extent(a, i) - (small[i] - 1) * strides[i];
    if (beyond >= strides[i])
      throw new UnsupportedError({
        problem: `${node.describe()}: the output goes ${beyond} places beyond the last tap along axis ${i + 2}`,
        expected: `fewer than the stride, ${strides[i]}`,
        hint: 'use a smaller output_padding or output_shape',
      });
  });
  return { kernel_shape, strides, pads, dilations, group };
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
