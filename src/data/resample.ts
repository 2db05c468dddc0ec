import type { Image } from './image.js';

/**
 * Pillow's image resizing (`ImagingResample` in libImaging/Resample.c), bit for bit for 8-bit images.
 *
 * Output pixel x of n, from a source of m pixels, is centred at c = (x + ½)·m/n and is a weighted sum of the source pixels
 * within `support · max(1, m/n)` of it (so shrinking filters out what would alias); the weights are the filter at
 * (i + ½ − c) / max(1, m/n), normalized to sum 1, then rounded to fixed point with 22 bits. Rows first, rounded and
 * clipped to 8 bits, then columns. An axis whose length does not change is left alone. Nearest takes the source pixel
 * under the centre.
 */
export type Interpolation = 'nearest' | 'bilinear' | 'bicubic' | 'lanczos' | 'box' | 'hamming';

export interface Rect {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
}

const PRECISION_BITS = 32 - 8 - 2;
const HALF = 1 << (PRECISION_BITS - 1);

function sinc(x: number): number {
  if (x === 0) return 1;
  const a = x * Math.PI;
  return Math.sin(a) / a;
}

interface Filter {
  readonly support: number;
  readonly weight: (x: number) => number;
}

const FILTERS = {
  box: { support: 0.5, weight: (x) => (x > -0.5 && x <= 0.5 ? 1 : 0) },
  bilinear: { support: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  hamming: {
    support: 1,
    weight: (v) => {
      const x = Math.abs(v);
      if (x === 0) return 1;
      return x >= 1 ? 0 : sinc(x) * (0.54 + 0.46 * Math.cos(x * Math.PI));
    },
  },
  bicubic: {
    support: 2,
    weight: (v) => {
      const a = -0.5;
      const x = Math.abs(v);
      if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
      return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
    },
  },
  lanczos: { support: 3, weight: (x) => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0) },
} as const satisfies Record<Exclude<Interpolation, 'nearest'>, Filter>;

/** Weights of `count` output pixels from `first`: pixel i reads `lengths[i]` source pixels from `starts[i]`. */
interface Taps {
  readonly starts: Int32Array;
  readonly lengths: Int32Array;
  /** `stride` per output pixel, fixed point. */
  readonly weights: Int32Array;
  readonly stride: number;
}

function makeTaps(from: number, to: number, filter: Filter, first: number, count: number): Taps {
  const scale = from / to;
  const filterScale = Math.max(1, scale);
  const support = filter.support * filterScale;
  const stride = Math.ceil(support) * 2 + 1;
  const starts = new Int32Array(count);
  const lengths = new Int32Array(count);
  const weights = new Int32Array(count * stride);
  const exact = new Float64Array(stride);
  const inverse = 1 / filterScale;
  for (let i = 0; i < count; i++) {
    const centre = (first + i + 0.5) * scale;
    const start = Math.max(0, Math.trunc(centre - support + 0.5));
    const length = Math.min(from, Math.trunc(centre + support + 0.5)) - start;
    let sum = 0;
    for (let k = 0; k < length; k++) {
      exact[k] = filter.weight((k + start - centre + 0.5) * inverse);
      sum += exact[k];
    }
    for (let k = 0; k < length; k++) {
      const w = (sum === 0 ? exact[k] : exact[k] / sum) * (1 << PRECISION_BITS);
      weights[i * stride + k] = Math.trunc(w < 0 ? w - 0.5 : w + 0.5);
    }
    starts[i] = start;
    lengths[i] = length;
  }
  return { starts, lengths, weights, stride };
}

/** Source positions of nearest neighbour: Pillow adds the scale up step by step, and so do we. */
function nearestPositions(from: number, to: number, first: number, count: number): Int32Array {
  const scale = from / to;
  const positions = new Int32Array(count);
  let at = scale * 0.5;
  for (let i = 0; i < first + count; i++, at += scale)
    if (i >= first) positions[i - first] = Math.min(from - 1, Math.trunc(at));
  return positions;
}

function nearest(image: Image, source: Rect, to: Size, window: Rect): Image {
  const { channels } = image;
  const xs = nearestPositions(source.width, to.width, window.left, window.width);
  const ys = nearestPositions(source.height, to.height, window.top, window.height);
  const pixels = new Uint8Array(window.width * window.height * channels);
  let o = 0;
  for (let y = 0; y < window.height; y++) {
    const row = (source.top + ys[y]) * image.width + source.left;
    for (let x = 0; x < window.width; x++) {
      const at = (row + xs[x]) * channels;
      for (let c = 0; c < channels; c++) pixels[o++] = image.pixels[at + c];
    }
  }
  return { width: window.width, height: window.height, channels, pixels };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** Rows `top` … of the source rectangle, filtered along x. The clamped array clips the sums to 8 bits. */
function horizontal(image: Image, left: number, top: number, rows: number, taps: Taps): Uint8ClampedArray {
  const { channels, pixels } = image;
  const { starts, lengths, weights, stride } = taps;
  const count = starts.length;
  const out = new Uint8ClampedArray(rows * count * channels);
  let o = 0;
  for (let y = 0; y < rows; y++) {
    const row = (top + y) * image.width + left;
    if (channels === 3)
      for (let x = 0; x < count; x++) {
        let at = (row + starts[x]) * 3;
        let k = x * stride;
        const end = k + lengths[x];
        let r = HALF;
        let g = HALF;
        let b = HALF;
        for (; k < end; k++, at += 3) {
          const w = weights[k];
          r = (r + Math.imul(pixels[at], w)) | 0;
          g = (g + Math.imul(pixels[at + 1], w)) | 0;
          b = (b + Math.imul(pixels[at + 2], w)) | 0;
        }
        out[o] = r >> PRECISION_BITS;
        out[o + 1] = g >> PRECISION_BITS;
        out[o + 2] = b >> PRECISION_BITS;
        o += 3;
      }
    else
      for (let x = 0; x < count; x++) {
        let at = row + starts[x];
        let k = x * stride;
        const end = k + lengths[x];
        let v = HALF;
        for (; k < end; k++, at++) v = (v + Math.imul(pixels[at], weights[k])) | 0;
        out[o++] = v >> PRECISION_BITS;
      }
  }
  return out;
}

type Bytes = Uint8Array | Uint8ClampedArray;

/** `rows` holds lines of `line` bytes, the first of them source row `origin`; filtered along y, four rows at a time. */
function vertical(rows: Bytes, line: number, origin: number, taps: Taps): Uint8ClampedArray {
  const { starts, lengths, weights, stride } = taps;
  const count = starts.length;
  const out = new Uint8ClampedArray(count * line);
  const sums = new Int32Array(line);
  for (let y = 0; y < count; y++) {
    const target = out.subarray(y * line, (y + 1) * line);
    sums.fill(HALF);
    const length = lengths[y];
    for (let k = 0; k < length; k += 4) {
      // Beyond the last tap the weight is 0 and the row any one there is.
      const weight = (j: number): number => (k + j < length ? weights[y * stride + k + j] : 0);
      const row = (j: number): Bytes => {
        const at = (starts[y] + Math.min(k + j, length - 1) - origin) * line;
        return rows.subarray(at, at + line);
      };
      const [a, b, c, d] = [weight(0), weight(1), weight(2), weight(3)];
      const [p, q, r, s] = [row(0), row(1), row(2), row(3)];
      const last = k + 4 >= length;
      if (length <= 2)
        for (let i = 0; i < line; i++)
          target[i] = (HALF + Math.imul(p[i], a) + Math.imul(q[i], b)) >> PRECISION_BITS;
      else
        for (let i = 0; i < line; i++) {
          const sum =
            sums[i] + Math.imul(p[i], a) + Math.imul(q[i], b) + Math.imul(r[i], c) + Math.imul(s[i], d);
          if (last) target[i] = sum >> PRECISION_BITS;
          else sums[i] = sum;
        }
    }
  }
  return out;
}

/** The part `rect` of an image, which must lie inside it. */
export function cropInside(image: Image, rect: Rect): Image {
  const { channels } = image;
  if (rect.left === 0 && rect.top === 0 && rect.width === image.width && rect.height === image.height)
    return image;
  const line = rect.width * channels;
  const pixels = new Uint8Array(rect.height * line);
  for (let y = 0; y < rect.height; y++) {
    const at = ((rect.top + y) * image.width + rect.left) * channels;
    pixels.set(image.pixels.subarray(at, at + line), y * line);
  }
  return { width: rect.width, height: rect.height, channels, pixels };
}

/**
 * The part `source` of the image resized to `to`, of which only `window` is computed (resizing, then cropping, gives the
 * same pixels and costs more).
 * @param source inside the image; pixels beyond it are not read, as if it had been cut out first
 * @param window inside `to`
 */
export function resample(
  image: Image,
  source: Rect,
  to: Size,
  interpolation: Interpolation,
  window: Rect = { left: 0, top: 0, width: to.width, height: to.height },
): Image {
  const sameWidth = source.width === to.width;
  const sameHeight = source.height === to.height;
  if (sameWidth && sameHeight)
    return cropInside(image, {
      left: source.left + window.left,
      top: source.top + window.top,
      width: window.width,
      height: window.height,
    });
  if (interpolation === 'nearest') return nearest(image, source, to, window);
  const filter: Filter = FILTERS[interpolation];
  const { channels } = image;
  const size = { width: window.width, height: window.height, channels };

  const down = sameHeight ? undefined : makeTaps(source.height, to.height, filter, window.top, window.height);
  const firstRow = down ? down.starts[0] : window.top;
  const last = window.height - 1;
  const endRow = down ? down.starts[last] + down.lengths[last] : window.top + window.height;
  const across = sameWidth
    ? cropInside(image, {
        left: source.left + window.left,
        top: source.top + firstRow,
        width: window.width,
        height: endRow - firstRow,
      }).pixels
    : horizontal(
        image,
        source.left,
        source.top + firstRow,
        endRow - firstRow,
        makeTaps(source.width, to.width, filter, window.left, window.width),
      );
  const pixels = down ? vertical(across, window.width * channels, firstRow, down) : across;
  return { ...size, pixels: new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength) };
}
