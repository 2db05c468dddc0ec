/**
 * RefConv, the re-parameterized refocusing convolution (Cai, Ding et al., "RefConv: Re-parameterized Refocusing
 * Convolution for Powerful ConvNets"), explicit form:
 *
 *     W_t = W_b + conv(view(W_b, [1, n, k…]), W_r, stride 1, padding ⌊m/2⌋, groups G)      viewed back as W_b
 *
 * W_b [C_out, C_in/g, k…] is the frozen kernel of a convolution with g groups, W_r [n, n/G, m…] the trained map with
 *
 *     n = C_out · C_in / g      (the number of k…-kernels)          G = C_in · C_out / g²          n/G = g.
 *
 * Depthwise: g = C, G = 1, every kernel sees all others. Dense: g = 1, each kernel has a map of its own. gram.ts has the
 * same transform with a smaller state.
 */
import { sizeOf } from '../../onnx/index.js';

/** Sizes of the transform of one kernel. */
export interface RefConvShape {
  /** Number of k…-kernels, the channels of the view. */
  readonly n: number;
  /** Groups of the transform's own convolution. */
  readonly groups: number;
  /** Channels per group, n / G. It equals the groups of the convolution whose weight this is. */
  readonly channels: number;
  readonly kernel: readonly number[];
  readonly mapKernel: readonly number[];
  /** [n, n/G, m…]. */
  readonly mapDims: readonly number[];
}

/**
 * @param dims of the kernel, [C_out, C_in/g, k…]
 * @param groups g of the convolution
 * @param mapKernel m, one number per spatial axis
 * @throws RangeError when C_out is no multiple of g
 */
export function refConvShape(
  dims: readonly number[],
  groups: number,
  mapKernel: readonly number[],
): RefConvShape {
  const [outputs, inputs, ...kernel] = dims;
  if (outputs % groups !== 0) throw new RangeError(`${outputs} output channels in ${groups} groups`);
  const n = outputs * inputs;
  // C_in · C_out / g² with C_in = g · inputs
  const transformGroups = (inputs * outputs) / groups;
  return {
    n,
    groups: transformGroups,
    channels: groups,
    kernel,
    mapKernel,
    mapDims: [n, groups, ...mapKernel],
  };
}

/**
 * W_t in float64, by the definition. One or two spatial axes.
 * @param base W_b, n kernels of kh × kw
 * @param map W_r, [n, n/G, mh, mw]
 */
export function refConvTransform(base: Float64Array, map: Float64Array, shape: RefConvShape): Float64Array {
  return addTransformed(Float64Array.from(base), base, map, shape);
}

/** W_t − W_b in float64: the convolution of the kernels with the map alone. */
export function refConvDelta(base: Float64Array, map: Float64Array, shape: RefConvShape): Float64Array {
  return addTransformed(new Float64Array(base.length), base, map, shape);
}

function addTransformed(
  result: Float64Array,
  base: Float64Array,
  map: Float64Array,
  shape: RefConvShape,
): Float64Array {
  const { n, channels } = shape;
  const [kh, kw] = twoAxes(shape.kernel);
  const [mh, mw] = twoAxes(shape.mapKernel);
  const ph = mh >> 1;
  const pw = mw >> 1;
  const area = kh * kw;
  for (let o = 0; o < n; o++) {
    const first = o - (o % channels);
    for (let j = 0; j < channels; j++) {
      const source = (first + j) * area;
      const taps = (o * channels + j) * mh * mw;
      for (let u = 0; u < mh; u++)
        for (let v = 0; v < mw; v++) {
          const r = map[taps + u * mw + v];
          if (r === 0) continue;
          // Output (y, x) reads the kernel at (y + u - ph, x + v - pw); outside it the padding is zero.
          const y1 = Math.min(kh, kh + ph - u);
          const x0 = Math.max(0, pw - v);
          const x1 = Math.min(kw, kw + pw - v);
          for (let y = Math.max(0, ph - u); y < y1; y++) {
            const from = source + (y + u - ph) * kw + v - pw;
            const to = o * area + y * kw;
            for (let x = x0; x < x1; x++) result[to + x] += r * base[from + x];
          }
        }
    }
  }
  return result;
}

function twoAxes(axes: readonly number[]): readonly [number, number] {
  if (axes.length === 1) return [1, axes[0]];
  if (axes.length === 2) return [axes[0], axes[1]];
  throw new RangeError(`the transform is defined for one or two spatial axes, not ${axes.length}`);
}

/**
 * Bound a of the uniform distribution U(-a, a) of `torch.nn.init.xavier_uniform_` for a map [n, n/G, m…]:
 * a = √(6 / (fan_in + fan_out)), fan_in = n/G · Πm, fan_out = n · Πm (Glorot & Bengio, 2010).
 */
export function xavierBound(shape: RefConvShape): number {
  const taps = sizeOf(shape.mapKernel);
  return Math.sqrt(6 / ((shape.channels + shape.n) * taps));
}
