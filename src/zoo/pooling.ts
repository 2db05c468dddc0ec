/** Poolings that no single operator is. NCHW throughout. */
import type { Value } from '../onnx/index.js';
import { mapOf } from './channels.js';
import type { Network } from './network.js';

/**
 * Means over a grid of windows, as PyTorch's AdaptiveAvgPool2d lays them: window i of `grid` covers, along an axis of n
 * pixels, from ⌊i·n / grid⌋ up to, not including, ⌈(i + 1)·n / grid⌉. x: [N, C, H, W] → [N, C, grid, grid]
 */
export function adaptiveAverage(net: Network, path: string, x: Value, grid: number): Value {
  const [height, width] = mapOf(x);
  if (height === grid && width === grid) return x;
  const regular = regularWindow(height, grid);
  if (height === width && regular) return net.windowAverage(path, x, regular);
  return alongAxis(net, path, alongAxis(net, `${path}.height`, x, 2, height, grid), 3, width, grid);
}

interface Range {
  readonly from: number;
  readonly to: number;
}

function windows(pixels: number, grid: number): readonly Range[] {
  return Array.from({ length: grid }, (_, i) => ({
    from: Math.floor((i * pixels) / grid),
    to: Math.ceil(((i + 1) * pixels) / grid),
  }));
}

/** Windows of one size at one stride, where they are, without padding. */
function regularWindow(pixels: number, grid: number): { kernel: number; stride: number } | undefined {
  const [first, ...others] = windows(pixels, grid);
  const kernel = first.to;
  const stride = others[0]?.from ?? pixels;
  if (stride === 0) return undefined;
  const regular = others.every(({ from, to }, i) => from === (i + 1) * stride && to - from === kernel);
  return regular ? { kernel, stride } : undefined;
}

/** The windows are products of ranges: means along one axis, then along the other. */
function alongAxis(net: Network, path: string, x: Value, axis: 2 | 3, pixels: number, grid: number): Value {
  const b = net.builder;
  const means = windows(pixels, grid).map(({ from, to }, i) => {
    const name = `${path}.${i}`;
    const part = b.op('Slice', [x, b.i64([from]), b.i64([to]), b.i64([axis])], {}, { name: `${name}.slice` });
    if (to - from === 1) return part;
    return b.op('ReduceMean', [part], { axes: [axis], keepdims: 1 }, { name });
  });
  return b.op('Concat', means, { axis }, { name: path });
}
