/**
 * The Gram form of RefConv: the same W_t, trained with a state of the kernel's size instead of the map's.
 *
 * Per group of the transform let U [c·m², k²] be the im2col of the group's c base kernels (its rows are the kernels
 * shifted by each tap of the map), and the map a matrix R [c, c·m²]: W_t = W_b + R·U. The gradient of R is D·Uᵀ with
 * D = ∂L/∂W_t, so every optimizer that is linear in the gradient keeps R = α·R₀ + Z·Uᵀ, and
 *
 *     W_t = W_b + α·P₀ + Z·K        P₀ = R₀·U  [c, k²]        K = UᵀU  [k², k²], the Gram matrix of U's columns.
 *
 * Z [the kernel's size] starts at 0 and is trained with the gradient D; α starts at 1 and is trained with the gradient 0:
 * learning rate, momentum and weight decay act on both as they act on R. The gradient of R has the squared norm
 * ‖D·Uᵀ‖² = tr(D·K·Dᵀ).
 *
 * One or two spatial axes. Kernels are n × k…, maps n × c × m…, both row by row, as in refconv.ts.
 */
import { sizeOf } from '../../onnx/index.js';
import { pseudoInverse } from './pseudo-inverse.js';
import { type RefConvShape, refConvDelta } from './refconv.js';

/** α and Z of R = α·R₀ + Z·Uᵀ. */
export interface GramPoint {
  readonly alpha: number;
  /** n × k…. */
  readonly z: Float64Array;
}

/** K = UᵀU of one group. @param kernels its c base kernels @returns [k²·k²] */
export function gram(kernels: Float64Array, shape: RefConvShape): Float64Array {
  const area = sizeOf(shape.kernel);
  const sources = sourcesOf(shape);
  const k = new Float64Array(area * area);
  const row = new Float64Array(area);
  for (let at = 0; at < kernels.length; at += area)
    for (let tap = 0; tap < sources.length; tap += area) {
      for (let p = 0; p < area; p++) {
        const from = sources[tap + p];
        row[p] = from < 0 ? 0 : kernels[at + from];
      }
      for (let p = 0; p < area; p++) {
        if (row[p] === 0) continue;
        for (let q = 0; q < area; q++) k[p * area + q] += row[p] * row[q];
      }
    }
  return k;
}

/** K of every group. @param base W_b, n kernels @returns [G, k², k²] */
export function gramMatrices(base: Float64Array, shape: RefConvShape): Float64Array {
  const area = sizeOf(shape.kernel);
  const size = shape.channels * area;
  const k = new Float64Array(shape.groups * area * area);
  for (let g = 0; g < shape.groups; g++)
    k.set(gram(base.subarray(g * size, (g + 1) * size), shape), g * area * area);
  return k;
}

/**
 * W_t = W_b + α·P₀ + Z·K.
 * @param p0 {@link refConvDelta} of R₀
 * @param k {@link gramMatrices}
 */
export function gramTransform(
  base: Float64Array,
  p0: Float64Array,
  { alpha, z }: GramPoint,
  k: Float64Array,
  shape: RefConvShape,
): Float64Array {
  const zk = timesPerGroup(z, k, shape);
  return base.map((w, i) => w + alpha * p0[i] + zk[i]);
}

/** D·Uᵀ, the gradient of the map by that of W_t. @param d n × k… @returns n × c × m… */
export function mapGradient(base: Float64Array, d: Float64Array, shape: RefConvShape): Float64Array {
  const { n, channels } = shape;
  const area = sizeOf(shape.kernel);
  const sources = sourcesOf(shape);
  const taps = sources.length / area;
  const gradient = new Float64Array(n * channels * taps);
  let at = 0;
  for (let o = 0; o < n; o++) {
    const first = o - (o % channels);
    for (let j = 0; j < channels; j++) {
      const kernel = (first + j) * area;
      for (let tap = 0; tap < sources.length; tap += area) {
        let sum = 0;
        for (let p = 0; p < area; p++) {
          const from = sources[tap + p];
          if (from >= 0) sum += d[o * area + p] * base[kernel + from];
        }
        gradient[at++] = sum;
      }
    }
  }
  return gradient;
}

/** W_r = α·R₀ + Z·Uᵀ. @returns n × c × m… */
export function mapOfGram(
  base: Float64Array,
  r0: Float64Array,
  { alpha, z }: GramPoint,
  shape: RefConvShape,
): Float64Array {
  const map = mapGradient(base, z, shape);
  for (let i = 0; i < map.length; i++) map[i] += alpha * r0[i];
  return map;
}

/**
 * α and Z of a map that training made from R₀, by least squares (the smallest Z that does it; α = 1 where R₀ is 0 or says
 * no more than Z could). The same function takes a map's momentum to those of α and Z.
 * @returns `residual`: what is left of the map, ‖R − α·R₀ − Z·Uᵀ‖ ÷ ‖R‖; rounding for a map of this form, 0 for R = 0
 */
export function gramOfMap(
  base: Float64Array,
  r0: Float64Array,
  map: Float64Array,
  shape: RefConvShape,
): GramPoint & { readonly residual: number } {
  const inverse = inverses(base, shape);
  const p = refConvDelta(base, map, shape);
  const p0 = refConvDelta(base, r0, shape);
  // Products with the part of R₀ that no Z·Uᵀ reaches: R₀ less its projection R₀·U·K⁺·Uᵀ.
  const p0k = timesPerGroup(p0, inverse, shape);
  const own = dot(r0, r0);
  const beyond = own - dot(p0k, p0);
  const alpha = beyond > INSIDE * own ? (dot(map, r0) - dot(p0k, p)) / beyond : 1;
  const z = timesPerGroup(
    p.map((v, i) => v - alpha * p0[i]),
    inverse,
    shape,
  );
  const size = dot(map, map);
  const back = mapOfGram(base, r0, { alpha, z }, shape);
  let left = 0;
  for (let i = 0; i < map.length; i++) left += (map[i] - back[i]) ** 2;
  return { alpha, z, residual: size === 0 ? 0 : Math.sqrt(left / size) };
}

/** R₀ counts as a map that Z reaches alone when less than this share of its square is beyond. */
const INSIDE = 1e-9;

/** K⁺ of every group. */
function inverses(base: Float64Array, shape: RefConvShape): Float64Array {
  const area = sizeOf(shape.kernel);
  const k = gramMatrices(base, shape);
  for (let at = 0; at < k.length; at += area * area)
    k.set(pseudoInverse(k.subarray(at, at + area * area), area), at);
  return k;
}

/** A·M per group. @param a n × k… @param m [G, k², k²], symmetric */
function timesPerGroup(a: Float64Array, m: Float64Array, shape: RefConvShape): Float64Array {
  const area = sizeOf(shape.kernel);
  const product = new Float64Array(a.length);
  for (let o = 0; o < shape.n; o++) {
    const group = Math.floor(o / shape.channels) * area * area;
    const row = o * area;
    for (let p = 0; p < area; p++) {
      const v = a[row + p];
      if (v === 0) continue;
      for (let q = 0; q < area; q++) product[row + q] += v * m[group + p * area + q];
    }
  }
  return product;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i] * b[i];
  return sum;
}

/** Which element of a kernel U holds at (tap, element of the result): [m², k²], −1 for the padding. */
function sourcesOf({ kernel, mapKernel }: RefConvShape): Int32Array {
  let positions: readonly { readonly tap: number; readonly to: number; readonly from: number }[] = [
    { tap: 0, to: 0, from: 0 },
  ];
  for (const [axis, k] of kernel.entries()) {
    const m = mapKernel[axis];
    positions = positions.flatMap(({ tap, to, from }) =>
      Array.from({ length: m * k }, (_, i) => {
        const [u, y] = [Math.floor(i / k), i % k];
        const source = y + u - (m >> 1);
        const inside = from >= 0 && source >= 0 && source < k;
        return { tap: tap * m + u, to: to * k + y, from: inside ? from * k + source : -1 };
      }),
    );
  }
  const area = sizeOf(kernel);
  const sources = new Int32Array(sizeOf(mapKernel) * area);
  for (const { tap, to, from } of positions) sources[tap * area + to] = from;
  return sources;
}
