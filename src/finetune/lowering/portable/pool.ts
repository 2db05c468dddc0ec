/**
 * Gradients of pools. Both put each window's contributions back with one depthwise ConvTranspose: tap t of the window at
 * p lands on s·p + d·t − b.
 *
 * MaxPool: contribution of tap t is dY where X at that tap equals Y and no earlier tap did; kernels are one-hot.
 * AveragePool: dY divided by the window's count; kernels are ones. The count leaves out padded places, or, with
 * count_include_pad, only what lies beyond the padding (PyTorch).
 */
import { type GraphBuilder, Tensor, type Value } from '../../../onnx/index.js';
import { geometryOf, type WindowGeometry } from '../../autodiff/geometry.js';
import type { LoweringContext } from '../rule.js';
import { tapsOf, window } from './conv.js';

const FLOAT = 1;
/** Below every finite input; −∞ itself would make NaN where engines multiply by zero. */
const LOWEST = -3.4028234663852886e38;

export function maxPoolGrad({ b, node, shape }: LoweringContext): readonly Value[] {
  const [dy, x, y] = [node.input(0), node.input(1), node.input(2)];
  const [n, channels, ...spatial] = shape(x);
  const out = shape(y).slice(2);
  const g = geometryOf(node);
  const rank = spatial.length;
  const reach = spatial.map((h, i) => Math.max(h + g.pads[i], lastReach(g, out, i)));
  const ends = reach.map((r, i) => r - spatial[i] - g.pads[i]);
  const pads = [0, 0, ...g.pads.slice(0, rank), 0, 0, ...ends];
  const source = pads.some((p) => p > 0) ? b.op('Pad', [x, b.i64(pads), b.f32(LOWEST)]) : x;
  let free: Value | undefined;
  const parts: Value[] = [];
  const taps = tapsOf(g.kernel_shape);
  for (const tap of taps) {
    const equal = b.op('Equal', [window(b, source, g, out, tap, 2), y]);
    const first = free ? b.op('And', [equal, free]) : equal;
    const taken = b.op('Not', [equal]);
    free = free ? b.op('And', [free, taken]) : taken;
    const part = b.op('Mul', [dy, b.op('Cast', [first], { to: FLOAT })]);
    parts.push(b.op('Reshape', [part, b.i64([n, channels, 1, ...out])]));
  }
  const joined = b.op('Reshape', [
    b.op('Concat', parts, { axis: 2 }),
    b.i64([n, channels * taps.length, ...out]),
  ]);
  const oneHot = new Float32Array(channels * taps.length * taps.length);
  for (let c = 0; c < channels; c++)
    for (let t = 0; t < taps.length; t++) oneHot[(c * taps.length + t) * taps.length + t] = 1;
  const kernels = Tensor.float32([channels * taps.length, 1, ...g.kernel_shape], oneHot);
  return [scatter(b, joined, kernels, g, spatial, out, channels)];
}

export function averagePoolGrad({ b, node, shape }: LoweringContext): readonly Value[] {
  const dy = node.input(0);
  const [, channels, ...out] = shape(dy);
  const spatial = (node.ints('shape') ?? []).slice(2);
  const g = geometryOf(node);
  const share = windowShares(g, spatial, out, node.int('count_include_pad', 0) !== 0);
  const scaled = b.op('Mul', [dy, b.constant(Tensor.float32([1, 1, ...out], share))]);
  const ones = new Float32Array(channels * g.kernel_shape.reduce((a, k) => a * k, 1)).fill(1);
  return [
    scatter(b, scaled, Tensor.float32([channels, 1, ...g.kernel_shape], ones), g, spatial, out, channels),
  ];
}

/** One past the last padded index a window of this axis touches. */
function lastReach(g: WindowGeometry, out: readonly number[], axis: number): number {
  return (out[axis] - 1) * g.strides[axis] + (g.kernel_shape[axis] - 1) * g.dilations[axis] + 1;
}

/** 1 ÷ how many places each window of an average counts, window by window, row by row. */
export function windowShares(
  g: WindowGeometry,
  spatial: readonly number[],
  out: readonly number[],
  includePad: boolean,
): Float32Array {
  const rank = spatial.length;
  const perAxis = spatial.map((h, i) =>
    Array.from({ length: out[i] }, (_, p) => {
      const start = p * g.strides[i] - g.pads[i];
      const [first, stop] = includePad ? [start, h + g.pads[i + rank]] : [0, h];
      const taps = Array.from({ length: g.kernel_shape[i] }, (_, t) => start + t * g.dilations[i]);
      return taps.filter((at) => at >= first && at < stop).length;
    }),
  );
  let counts = [1];
  for (const axis of perAxis) counts = counts.flatMap((a) => axis.map((c) => a * c));
  return Float32Array.from(counts, (c) => 1 / c);
}

function scatter(
  b: GraphBuilder,
  v: Value,
  kernels: Tensor,
  g: WindowGeometry,
  spatial: readonly number[],
  out: readonly number[],
  channels: number,
): Value {
  // What the windows leave of the input at its end (ceil_mode may also reach beyond it).
  const room = spatial.map((h, i) => h + g.pads[i] - lastReach(g, out, i));
  return b.op('ConvTranspose', [v, b.constant(kernels)], {
    kernel_shape: g.kernel_shape,
    strides: g.strides,
    dilations: g.dilations,
    pads: [...g.pads.slice(0, spatial.length), ...room.map((r) => Math.max(0, -r))],
    output_padding: room.map((r) => Math.max(0, r)),
    group: channels,
  });
}
