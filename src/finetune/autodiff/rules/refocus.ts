/**
 * RefocusKernel: W_t = W_b + R·U, U the im2col of the frozen W_b. dR = dW_t·Uᵀ; W_b has no gradient.
 * How it is computed is a lowering's choice.
 */
import { emitInternal, typeLike } from '../internal.js';
import type { GradientContext, Gradients } from '../rule.js';

export function refocusKernelGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  if (!c.needs(1)) return [];
  const map = node.input(1);
  const shape = c.shape(map);
  const [gradient] = emitInternal(b, 'RefocusMapGrad', [node.input(0), dy], [typeLike(map, shape)], {
    group: node.int('group', 1),
    channels: node.int('channels', 1),
    shape,
  });
  return [undefined, gradient];
}
