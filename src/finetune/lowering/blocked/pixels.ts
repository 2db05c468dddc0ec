import { sizeOf, Tensor, type Value } from '../../../onnx/index.js';
import type { Axis } from './geometry.js';
import type { Nchwc } from './nchwc.js';

/** The pixel (row · width + column) of the source that a pixel of the result takes; undefined: zero. */
export type PixelMap = (row: number, column: number) => number | undefined;

/**
 * Rearranges the pixels of every map, [N, Cp, …] → [N, Cp, H, W], in one Gather: whole blocks move, in all threads.
 * @param v [N, Cp, h, w], or maps side by side as [N, Cp, pixels, 1]
 * @param key names the map, for equal ones to share their indices
 */
export function gatherPixels(
  n: Nchwc,
  v: Value,
  from: readonly number[],
  size: readonly [number, number],
  key: string,
  map: PixelMap,
): Value {
  const [images, channels, h, w] = from;
  const [height, width] = size;
  const index = new Int32Array(height * width);
  const nothing = h * w;
  let zeros = false;
  for (let r = 0; r < height; r++)
    for (let q = 0; q < width; q++) {
      const at = map(r, q);
      zeros ||= at === undefined;
      index[r * width + q] = at ?? nothing;
    }
  const source = zeros ? withZeroRow(n, v, from) : v;
  const panels = n.panels(source, [images, channels, zeros ? h + 1 : h, w]);
  const indices = n.shared(`pixels ${key} [${from.slice(2)}] [${size}]`, () =>
    n.b.constant(Tensor.int32([index.length], index)),
  );
  return n.reshape(n.b.op('Gather', [panels, indices], { axis: 2 }), [images, channels, height, width]);
}

/** The map with one more row, of zeros, for what lies outside to point at. */
export function withZeroRow(n: Nchwc, v: Value, [images, channels, h, w]: readonly number[]): Value {
  return n.affine(v, [images, channels, h + 1, w], { pads: [0, 0, 1, 0] });
}

/** Zeros between the pixels, s − 1 of them: (out − 1)·s + 1 rows and columns. */
export function spacedPixels(n: Nchwc, v: Value, from: readonly number[], axes: readonly Axis[]): Value {
  if (axes.every((a) => a.stride === 1)) return v;
  const [rows, columns] = axes.map((a) => (a.out - 1) * a.stride + 1);
  return scatterPixels(n, v, from, [rows, columns], axes);
}

/** Puts pixels at the multiples of the strides. */
export function scatterPixels(
  n: Nchwc,
  v: Value,
  from: readonly number[],
  size: readonly [number, number],
  [rows, columns]: readonly Axis[],
): Value {
  return gatherPixels(n, v, from, size, `spaced ${rows.stride} ${columns.stride}`, (r, q) =>
    r % rows.stride === 0 && q % columns.stride === 0
      ? (r / rows.stride) * columns.out + q / columns.stride
      : undefined,
  );
}

/**
 * Maps whose pixels are the phases of a larger one, by row and column index modulo the strides, put together.
 * @param parts phase (i, j) at i·s_columns + j, each of the dims `frame`
 */
export function interleavePhases(
  n: Nchwc,
  parts: readonly Value[],
  frame: readonly number[],
  [rows, columns]: readonly [number, number],
  size: readonly [number, number],
): Value {
  const [images, channels, h, w] = frame;
  if (rows > 1 && columns === 1 && size[0] === rows * h && size[1] === w) {
    // Whole rows take turns: half of the time that a Gather takes. Pixels would be slower so.
    const lines = parts.map((p) => n.reshape(p, [images, channels / n.block, h, w * n.block]));
    return n.reshape(n.b.op('Concat', lines, { axis: 3 }), [images, channels, ...size]);
  }
  const sides =
    parts.length === 1
      ? parts[0]
      : n.b.op(
          'Concat',
          parts.map((p) => n.panels(p, frame)),
          { axis: 2 },
        );
  return gatherPixels(
    n,
    sides,
    [images, channels, parts.length * h * w, 1],
    size,
    `phases ${rows} ${columns} of ${h} ${w}`,
    (r, q) =>
      ((r % rows) * columns + (q % columns)) * h * w + Math.floor(r / rows) * w + Math.floor(q / columns),
  );
}

/** Depthwise kernels with one tap of `value`: a convolution with them moves, or picks, pixels. */
export function oneHot(
  n: Nchwc,
  channels: number,
  kernel: readonly number[],
  [row, column]: readonly number[],
  value: number,
): Value {
  const taps = sizeOf(kernel);
  const at = row * kernel[1] + column;
  return n.shared(`one hot ${channels} [${kernel}] ${at} ${value}`, () => {
    const data = new Float32Array(channels * taps);
    for (let block = 0; block < channels / n.block; block++)
      data.fill(value, (block * taps + at) * n.block, (block * taps + at + 1) * n.block);
    return n.b.f32(data, [channels, 1, ...kernel]);
  });
}

/**
 * Maps moved by whole rows and columns, in frames of `counts` pixels, with zeros where nothing comes to lie; and added to
 * what is there. One pass: a depthwise convolution with one tap.
 */
export function movedPixels(
  n: Nchwc,
  v: Value,
  from: readonly number[],
  counts: readonly number[],
  shifts: readonly number[],
  sum?: Value,
): Value {
  const still = shifts.every((s) => s === 0) && counts.every((count, i) => count === from[i + 2]);
  if (still) return sum ? n.b.op('Add', [sum, v]) : v;
  const moves = shifts.map((s, i) => {
    const [hot, before] = [Math.max(0, -s), Math.max(0, s)];
    const after = counts[i] - from[i + 2] - before + hot;
    return { kernel: hot + 1 + Math.max(0, -after), hot, before, after: Math.max(0, after) };
  });
  const [r, q] = moves;
  const kernel = [r.kernel, q.kernel];
  return n.conv(v, oneHot(n, from[1], kernel, [r.hot, q.hot], 1), [...from.slice(0, 2), ...counts], {
    kernel,
    pads: [r.before, q.before, r.after, q.after],
    group: from[1],
    sum,
  });
}
