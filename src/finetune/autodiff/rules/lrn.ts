/**
 * LRN (Krizhevsky et al. 2012): Y = X·s^(−β), s_c = bias + α/n·Σ X² over the n channels around c.
 *   dX = dY·s^(−β) − X·(2αβ/n)·Σ' dY·X·s^(−β−1)
 * where Σ' runs over the channels whose window holds c: ⌊(n−1)/2⌋ before and ⌈(n−1)/2⌉ after change places.
 */
import { sizeOf, type Value } from '../../../onnx/index.js';
import { lrnAttributes } from '../../../onnx/ops/index.js';
import type { GradientContext, Gradients } from '../rule.js';

export function lrnGradient({ b, node, dy, shape }: GradientContext): Gradients {
  const x = node.input(0);
  const dims = shape(x);
  const { size, alpha, beta, bias } = lrnAttributes(node);
  const before = Math.floor((size - 1) / 2);
  const after = size - 1 - before;
  // Channels as the rows of an image of one channel: the mean over a window of rows, border zeros counted.
  const [batch, channels, ...pixels] = dims;
  const image = b.i64([batch, 1, channels, sizeOf(pixels)]);
  const windowMean = (v: Value, above: number, below: number): Value => {
    const pooled = b.op('AveragePool', [b.op('Reshape', [v, image])], {
      kernel_shape: [size, 1],
      pads: [above, 0, below, 0],
      count_include_pad: 1,
    });
    return b.op('Reshape', [pooled, b.i64(dims)]);
  };
  const squares = windowMean(b.op('Mul', [x, x]), before, after);
  const s = b.op('Add', [b.op('Mul', [squares, b.f32(alpha)]), b.f32(bias)]);
  const direct = b.op('Mul', [dy, b.op('Pow', [s, b.f32(-beta)])]);
  const through = windowMean(b.op('Div', [b.op('Mul', [direct, x]), s]), after, before);
  const indirect = b.op('Mul', [b.op('Mul', [through, x]), b.f32(2 * alpha * beta)]);
  return [b.op('Sub', [direct, indirect])];
}
