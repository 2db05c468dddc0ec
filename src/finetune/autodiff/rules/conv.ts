/**
 * Conv: Y[n,o,p] = Σ_{c,t} X[n,c,s·p + d·t − pad] · W[o,c,t] + B[o].
 *   dX = the transposed convolution of dY with W;  dW[o,c,t] = Σ_{n,p} dY[n,o,p] · X[n,c,s·p + d·t − pad];
 *   dB[o] = Σ_{n,p} dY[n,o,p].
 * How dX and dW are computed is a lowering's choice.
 */

import type { Value } from '../../../onnx/index.js';
import { convGeometry } from '../geometry.js';
import { emitInternal, typeLike } from '../internal.js';
import type { GradientContext } from '../rule.js';
import { sumOver } from './sums.js';

export function convGradient(c: GradientContext): readonly (Value | undefined)[] {
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
  const axes = xShape.map((_, i) => i).filter((i) => i !== 1);
  const db = node.inputs[2] && c.needs(2) ? sumOver(b, dy, axes) : undefined;
  return node.inputs[2] ? [dx, dw, db] : [dx, dw];
}
