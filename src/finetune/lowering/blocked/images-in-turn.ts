/**
 * Dense convolutions of large kernels on small maps. The runtime goes through all of a kernel for one image after the other;
 * where it is larger than a core's cache, it comes from memory as often. With the images in turn along the columns,
 * [C, H, W, N], they are one image: N columns further is one pixel further, so that the kernel is dilated N times, and its
 * products are the same, in the same order. 512→512 of 3×3 at 7×7, 16 images: 11.8 ms, both turns included, in place of 16.1.
 */
import { sizeOf, type Value } from '../../../onnx/index.js';
import type { ConvOptions, Nchwc } from './nchwc.js';

type Dims = readonly number[];

/** Bytes of a kernel from which on it is not kept at hand, and for each pixel of a map, so that the turns are cheap beside it. */
const LARGE = 2 ** 21;
const LARGE_PER_PIXEL = 24 * 2 ** 10;

/**
 * A convolution of any kind; dense ones of large kernels on small maps with the images in turn.
 * @param from dims of x, @param to dims of the result
 */
export function convolve(n: Nchwc, x: Value, from: Dims, w: Value, to: Dims, options: ConvOptions): Value {
  const dense = (options.group ?? 1) === 1 && from[1] % n.block === 0;
  return dense && takesTurns(from, to, options)
    ? inTurn(n, x, from, w, to, options)
    : n.conv(x, w, to, options);
}

/** 16 images: 256→256 at 7×7 takes 3.0 ms so, 4.1 as it is; 384→384 at 13×13 23.5 and 26.8; 256→256 at 14×14 12.6 both ways. */
export function takesTurns(
  from: Dims,
  to: Dims,
  { kernel, strides }: Pick<ConvOptions, 'kernel' | 'strides'>,
): boolean {
  const taps = sizeOf(kernel);
  const bytes = taps * from[1] * to[1] * 4;
  const pixels = Math.max(from[2] * from[3], to[2] * to[3]);
  const joins = taps > 1 && from[0] > 1 && (strides?.[1] ?? 1) === 1;
  return joins && bytes > Math.max(LARGE, LARGE_PER_PIXEL * pixels);
}

function inTurn(n: Nchwc, x: Value, from: Dims, w: Value, to: Dims, options: ConvOptions): Value {
  const [images, inputs, height, width] = from;
  const [top, left, bottom, right] = options.pads ?? [0, 0, 0, 0];
  const [rows, columns] = options.dilations ?? [1, 1];
  const wide = (left + width + right) * images;
  const source = n.affine(
    n.reshape(turned(n, x, from), [1, inputs, height, width * images]),
    [1, inputs, height, wide],
    { pads: [0, left * images, 0, right * images] },
  );
  const joined = [1, to[1], to[2], to[3] * images];
  const y = n.conv(source, w, joined, {
    ...options,
    dilations: [rows, columns * images],
    pads: [top, 0, bottom, 0],
    sum: options.sum && n.reshape(turned(n, options.sum, to), joined),
  });
  const apart = n.reshape(y, [to[1] / n.block, to[2], to[3], images, n.block]);
  return n.reshape(n.b.op('Transpose', [apart], { perm: [3, 0, 1, 2, 4] }), to);
}

/** [N, C/B, H, W, B] → [C/B, H, W, N, B] */
function turned(n: Nchwc, v: Value, [images, channels, height, width]: Dims): Value {
  const apart = n.reshape(v, [images, channels / n.block, height, width, n.block]);
  return n.b.op('Transpose', [apart], { perm: [1, 2, 3, 0, 4] });
}
