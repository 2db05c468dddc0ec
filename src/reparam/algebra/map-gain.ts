/**
 * How far a gradient step of the map moves the kernel. Per group of the transform W_t = W_b + R·U with R [c, c·m²] and U
 * [c·m², k²] the im2col of the group's c base kernels, so with D = ∂L/∂W_t
 *
 *     R ← R − η·D·Uᵀ      moves the kernel by      −η·D·K,      K = UᵀU  [k², k²].
 *
 * A plain convolution moves by −η·D. The largest eigenvalue of K, the *gain*, is how many times farther a refocused
 * kernel moves at most with the same η: about 1 to 20 for dense convolutions (c = 1), thousands for depthwise ones with
 * large kernels (c = C).
 */
import { gram } from './gram.js';
import type { RefConvShape } from './refconv.js';

/** Power iterations; K is small and positive, and a few per cent are enough for a learning rate. */
const ITERATIONS = 60;

/** Largest eigenvalue of K over the groups of the transform. @param base W_b, n kernels */
export function mapGain(base: Float64Array, shape: RefConvShape): number {
  const uses = tapsPerElement(shape);
  const size = shape.channels * uses.length;
  // A dense convolution has as many groups as kernels. No eigenvalue exceeds the trace, so most need no look.
  const traces = Array.from({ length: shape.groups }, (_, group) => {
    let trace = 0;
    for (let i = 0; i < size; i++) trace += uses[i % uses.length] * base[group * size + i] ** 2;
    return { group, trace };
  }).sort((a, b) => b.trace - a.trace);
  let gain = 0;
  for (const { group, trace } of traces) {
    if (trace <= gain) break;
    const kernels = base.subarray(group * size, (group + 1) * size);
    gain = Math.max(gain, largestEigenvalue(gram(kernels, shape), uses.length));
  }
  return gain;
}

/** How many taps of the map see each element of a kernel. */
function tapsPerElement({ kernel, mapKernel }: RefConvShape): number[] {
  const perAxis = kernel.map((k, axis) => {
    const half = mapKernel[axis] >> 1;
    return Array.from({ length: k }, (_, i) => Math.min(k - 1, i + half) - Math.max(0, i - half) + 1);
  });
  return perAxis.reduce<number[]>((all, axis) => all.flatMap((a) => axis.map((b) => a * b)), [1]);
}

function largestEigenvalue(k: Float64Array, size: number): number {
  let v = Float64Array.from({ length: size }, (_, i) => 1 + i / size);
  let value = 0;
  for (let n = 0; n < ITERATIONS; n++) {
    const next = new Float64Array(size);
    for (let i = 0; i < size; i++) for (let j = 0; j < size; j++) next[i] += k[i * size + j] * v[j];
    value = Math.hypot(...next);
    if (value === 0) return 0;
    v = next.map((x) => x / value);
  }
  return value;
}
