/**
 * dX of a dense convolution with strides, for devices with thousands of lanes, in standard operators.
 *
 * ConvTranspose is computed there value by value, each from the kernel's taps that reach it. Two formulations made of
 * convolutions, which are computed in tiles, take its place. With stride s, kernel k, begin pad b:
 *
 * k = 1: Conv(dY, W with channels swapped), then zeros between its pixels.
 * k > 1: rows h = s·q + c of dX, for each c < s, are a convolution of dY with stride 1, by the taps t = ρ + s·j of W,
 *   where ρ = (c + b) mod s: dX[h] = Σ_j dY[q + ⌊(c + b)/s⌋ − j]·W[ρ + s·j]. The s² convolutions are one, of s²·C channels, and
 *   DepthToSpace puts its pixels in their places. (Shi et al., Is the deconvolution layer the same as a convolutional
 *   layer?, arXiv 1609.07009.)
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import { type ConvGeometry, geometryOf } from '../../autodiff/geometry.js';
import { convInputGrad as portable, reverseAndSwap, unreached } from '../portable/conv.js';
import type { LoweringContext } from '../rule.js';

export function convInputGrad(c: LoweringContext): readonly Value[] {
  const { b, node, shape } = c;
  const g = geometryOf(node);
  const [dy, w] = [node.input(0), node.input(1)];
  const spatial = (node.ints('shape') ?? []).slice(2);
  const [stride] = g.strides;
  const square = g.strides.length === 2 && g.strides.every((s) => s === stride);
  if (g.group > 1 || !square || stride === 1 || g.dilations.some((d) => d > 1)) return portable(c);
  if (sizeOf(g.kernel_shape) === 1 && g.pads.every((p) => p === 0))
    return [
      apart(b, b.op('Conv', [dy, reverseAndSwap(b, w, shape(w), 1)], { kernel_shape: [1, 1] }), g, spatial),
    ];
  const out = shape(dy).slice(2);
  const axes = spatial.map((size, i) => phasesOf(size, out[i], g, i));
  if (axes.some((a) => a.pads.some((p) => p < 0))) return portable(c);
  return [phases(b, dy, w, shape(w), stride, axes, spatial)];
}

/** Zeros between the pixels: ConvTranspose by a one, channel by channel. */
function apart(b: GraphBuilder, v: Value, g: ConvGeometry, spatial: readonly number[]): Value {
  const channels = v.shape?.[1] ?? 1;
  return b.op('ConvTranspose', [v, b.f32(new Float32Array(channels).fill(1), [channels, 1, 1, 1])], {
    kernel_shape: g.kernel_shape,
    strides: g.strides,
    group: channels,
    output_padding: unreached(g, spatial),
  });
}

/** One axis: what the phases c < s have in common. */
interface Phases {
  /** By phase and place in the common window, the tap of W; k where there is none. */
  readonly taps: readonly number[];
  /** Length of the window. */
  readonly length: number;
  readonly pads: readonly [begin: number, end: number];
}

function phasesOf(size: number, out: number, g: ConvGeometry, axis: number): Phases {
  const [s, k, begin] = [g.strides[axis], g.kernel_shape[axis], g.pads[axis]];
  const each = Array.from({ length: s }, (_, c) => {
    const first = (c + begin) % s;
    const at = Math.floor((c + begin) / s);
    return { first, at, count: Math.max(0, Math.ceil((k - first) / s)) };
  });
  const reached = each.filter((p) => p.count > 0);
  const least = Math.min(...reached.map((p) => p.at - p.count + 1));
  const most = Math.max(...reached.map((p) => p.at));
  const length = most - least + 1;
  const taps = each.flatMap(({ first, at, count }) =>
    Array.from({ length }, (_, u) => {
      const j = at - least - u;
      return j >= 0 && j < count ? first + s * j : k;
    }),
  );
  return { taps, length, pads: [-least, Math.ceil(size / s) + most - out] };
}

function phases(
  b: GraphBuilder,
  dy: Value,
  w: Value,
  [o, channels, ...kernel]: readonly number[],
  s: number,
  axes: readonly Phases[],
  spatial: readonly number[],
): Value {
  const window = axes.map((a) => a.length);
  const missing = axes.map((a, i) => (a.taps.includes(kernel[i]) ? 1 : 0));
  const withZeros = missing.some((m) => m > 0) ? b.op('Pad', [w, b.i64([0, 0, 0, 0, 0, 0, ...missing])]) : w;
  const taps = axes.reduce((v, a, i) => b.op('Gather', [v, b.i64(a.taps)], { axis: i + 2 }), withZeros);
  const byPhase = b.op('Reshape', [taps, b.i64([o, channels, s, window[0], s, window[1]])]);
  const kernels = b.op('Reshape', [
    b.op('Transpose', [byPhase], { perm: [1, 2, 4, 0, 3, 5] }),
    b.i64([channels * s * s, o, ...window]),
  ]);
  const pads = [...axes.map((a) => a.pads[0]), ...axes.map((a) => a.pads[1])];
  const maps = b.op('Conv', [dy, kernels], { kernel_shape: window, pads });
  const dx = b.op('DepthToSpace', [maps], { blocksize: s, mode: 'CRD' });
  if (spatial.every((size) => size % s === 0)) return dx;
  return b.op('Slice', [dx, b.i64([0, 0]), b.i64(spatial), b.i64([2, 3])]);
}
