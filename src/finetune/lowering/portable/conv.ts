/**
 * Gradients of Conv in standard operators, NCHW, any rank, groups, strides, dilations and pads.
 *
 * With stride s, dilation d, pads b and e, kernel k, extent K = (k − 1)·d + 1, output o, input h,
 * and r = (h + b + e − K) mod s, the rows that no window reaches:
 *
 * dX, s = 1: Conv(dY, W with taps reversed and channels swapped in each group), pads K − 1 − b and K − 1 − e.
 * dX, s > 1: ConvTranspose(dY, W), pads b and e, output_padding r.
 * dW, depthwise: one convolution over batch and channel together: X [1,N·C,…] with dY [N·C,1,…] as kernels, s and d
 *   changing places; then Σ over N.
 * dW, others: per tap t, the strided window X_t of X, and dW[:,:,t] = Σ dY·X_tᵀ as one product per group over (n, p);
 *   or the windows of all taps side by side and one product, where they are few.
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import { type ConvGeometry, geometryOf, type WindowGeometry } from '../../autodiff/geometry.js';
import type { LoweringContext } from '../rule.js';

/** Windows of all taps side by side may hold this many elements. */
const SIDE_BY_SIDE = 1 << 20;
/** From this many pixels on, a 1×1 convolution's dW is a product per image. */
const PER_IMAGE_PIXELS = 49;

export function convInputGrad({ b, node, shape }: LoweringContext): readonly Value[] {
  const [dy, w] = [node.input(0), node.input(1)];
  const g = geometryOf(node);
  const xShape = node.ints('shape') ?? [];
  const rank = g.kernel_shape.length;
  const kernel_shape = g.kernel_shape;
  const flipped = kernel_shape.map((k, i) => (k - 1) * g.dilations[i]);
  const pads = g.pads.map((p, i) => flipped[i % rank] - p);
  if (g.strides.every((s) => s === 1) && pads.every((p) => p >= 0)) {
    const reversed = reverseAndSwap(b, w, shape(w), g.group);
    return [
      b.op('Conv', [dy, reversed], {
        kernel_shape,
        pads,
        dilations: g.dilations,
        strides: g.strides,
        group: g.group,
      }),
    ];
  }
  return [
    b.op('ConvTranspose', [dy, w], {
      kernel_shape,
      pads: g.pads,
      dilations: g.dilations,
      strides: g.strides,
      group: g.group,
      output_padding: unreached(g, xShape.slice(2)),
    }),
  ];
}

/** r of the file head, per spatial axis. */
export function unreached(g: Omit<ConvGeometry, 'group'>, spatial: readonly number[]): number[] {
  const rank = spatial.length;
  return spatial.map((h, i) => {
    const room = h + g.pads[i] + g.pads[i + rank] - (g.kernel_shape[i] - 1) * g.dilations[i] - 1;
    return room % g.strides[i];
  });
}

/** W [O,C/g,k…] → [C,O/g,k…]: per group, channels swapped and taps reversed. */
export function reverseAndSwap(b: GraphBuilder, w: Value, wShape: readonly number[], group: number): Value {
  const [o, cg, ...kernel] = wShape;
  const taps = sizeOf(kernel);
  const og = o / group;
  let v = b.op('Reshape', [w, b.i64([group, og, cg, taps])]);
  if (og > 1 && cg > 1) v = b.op('Transpose', [v], { perm: [0, 2, 1, 3] });
  if (taps > 1)
    v = b.op('Gather', [v, b.i64(Array.from({ length: taps }, (_, i) => taps - 1 - i))], { axis: 3 });
  return b.op('Reshape', [v, b.i64([group * cg, og, ...kernel])]);
}

export function convWeightGrad(c: LoweringContext): readonly Value[] {
  const { node } = c;
  return [weightGradient(c, geometryOf(node), node.input(0), node.input(1))];
}

/** dW [O,C/g,k…] of a convolution from dY [N,O,…] and X [N,C,…]. */
export function weightGradient(c: LoweringContext, g: ConvGeometry, dy: Value, x: Value): Value {
  const { shape } = c;
  const [n, o, ...out] = shape(dy);
  const [, channels, ...spatial] = shape(x);
  const sizes: Sizes = { n, o, channels, out, spatial, pixels: sizeOf(out), taps: sizeOf(g.kernel_shape) };
  if (isDepthwise(g, shape(dy), shape(x))) return depthwise(c, g, sizes, dy, x);
  const plain = sizes.taps === 1 && g.pads.every((p) => p === 0) && g.strides.every((s) => s === 1);
  if (plain && g.group === 1 && sizes.pixels >= PER_IMAGE_PIXELS) return perImage(c, g, sizes, dy, x);
  return perTap(c, g, sizes, dy, x);
}

/** Whether each channel has a kernel of its own. */
export function isDepthwise(
  { group }: ConvGeometry,
  [, o]: readonly number[],
  [, channels]: readonly number[],
): boolean {
  return group === channels && o === channels && channels > 1;
}

interface Sizes {
  readonly n: number;
  readonly o: number;
  readonly channels: number;
  readonly out: readonly number[];
  readonly spatial: readonly number[];
  readonly pixels: number;
  readonly taps: number;
}

function depthwise({ b }: LoweringContext, g: ConvGeometry, s: Sizes, dy: Value, x: Value): Value {
  const rank = s.spatial.length;
  const ends = unreached(g, s.spatial).map((r, i) => g.pads[i + rank] - r);
  // A negative end pad would cut the input; cut it by hand, for engines that refuse one.
  const cut = s.spatial.map((h, i) => h + Math.min(0, ends[i]));
  // Every window lies in the padding.
  if (cut.some((h) => h <= 0)) {
    const dims = [s.o, 1, ...g.kernel_shape];
    return b.f32(new Float32Array(sizeOf(dims)), dims);
  }
  const source = cut.every((h, i) => h === s.spatial[i])
    ? x
    : b.op('Slice', [x, b.i64(cut.map(() => 0)), b.i64(cut), b.i64(cut.map((_, i) => i + 2))]);
  const folded = b.op('Reshape', [source, b.i64([1, s.n * s.channels, ...cut])]);
  const kernels = b.op('Reshape', [dy, b.i64([s.n * s.channels, 1, ...s.out])]);
  const d = b.op('Conv', [folded, kernels], {
    kernel_shape: s.out,
    strides: g.dilations,
    dilations: g.strides,
    pads: [...g.pads.slice(0, rank), ...ends.map((e) => Math.max(0, e))],
    group: s.n * s.channels,
  });
  const perImage = b.op('Reshape', [d, b.i64([s.n, s.channels, 1, ...g.kernel_shape])]);
  return b.op('ReduceSum', [perImage, b.i64([0])], { keepdims: 0 });
}

function perImage({ b }: LoweringContext, g: ConvGeometry, s: Sizes, dy: Value, x: Value): Value {
  const rows = b.op('Reshape', [dy, b.i64([s.n, s.o, s.pixels])]);
  const columns = b.op('Transpose', [b.op('Reshape', [x, b.i64([s.n, s.channels, s.pixels])])], {
    perm: [0, 2, 1],
  });
  const sum = b.op('ReduceSum', [b.op('MatMul', [rows, columns]), b.i64([0])], { keepdims: 0 });
  return b.op('Reshape', [sum, b.i64([s.o, s.channels, ...g.kernel_shape])]);
}

/** [N,C,…] → [C,N,…], shared by the readers of one tensor. */
function channelMajor({ b, shared }: LoweringContext, v: Value, rank: number): Value {
  const perm = [1, 0, ...Array.from({ length: rank }, (_, i) => i + 2)];
  return shared(v, 'channel major', () => b.op('Transpose', [v], { perm }, { name: 'channels' }));
}

function perTap(c: LoweringContext, g: ConvGeometry, s: Sizes, dy: Value, x: Value): Value {
  const { b } = c;
  const rank = s.spatial.length;
  const columns = s.n * s.pixels;
  const batch = g.group === 1 ? [] : [g.group];
  const cg = s.channels / g.group;
  const rows = b.op('Reshape', [channelMajor(c, dy, rank), b.i64([...batch, s.o / g.group, columns])]);
  let source = channelMajor(c, x, rank);
  if (g.pads.some((p) => p > 0))
    source = b.op('Pad', [source, b.i64([0, 0, ...g.pads.slice(0, rank), 0, 0, ...g.pads.slice(rank)])]);
  const windows = tapsOf(g.kernel_shape).map((tap) => window(b, source, g, s.out, tap, 2));
  const axis = batch.length + 2;
  if (s.taps === 1 || columns * s.channels * s.taps <= SIDE_BY_SIDE) {
    // [group, C/g, taps, N·P] → one product gives [group, O/g, C/g·taps].
    const each = windows.map((v) => b.op('Reshape', [v, b.i64([...batch, cg, 1, columns])]));
    const joined = each.length === 1 ? each[0] : b.op('Concat', each, { axis: axis - 1 });
    const all = b.op('Reshape', [joined, b.i64([...batch, cg * s.taps, columns])]);
    return b.op('Reshape', [
      timesTransposed(b, rows, all, batch.length),
      b.i64([s.o, cg, ...g.kernel_shape]),
    ]);
  }
  const parts = windows.map((v) => {
    const flat = b.op('Reshape', [v, b.i64([...batch, cg, columns])]);
    return b.op('Unsqueeze', [timesTransposed(b, rows, flat, batch.length), b.i64([axis])]);
  });
  return b.op('Reshape', [b.op('Concat', parts, { axis }), b.i64([s.o, cg, ...g.kernel_shape])]);
}

/** A·Bᵀ, with a batch axis in front or none. */
function timesTransposed(b: GraphBuilder, p: Value, q: Value, batchAxes: number): Value {
  if (batchAxes === 0) return b.op('Gemm', [p, q], { transB: 1 });
  return b.op('MatMul', [p, b.op('Transpose', [q], { perm: [0, 2, 1] })]);
}

/**
 * What one tap of a kernel sees of a padded input; the input itself where that is all of it.
 * @param tap by spatial axis; an axis without one stays whole
 * @param first the first spatial axis of the input
 */
export function window(
  b: GraphBuilder,
  of: Value,
  g: Pick<WindowGeometry, 'dilations' | 'strides'>,
  out: readonly number[],
  tap: readonly (number | undefined)[],
  first: number,
): Value {
  const cuts = tap.flatMap((t, i) => {
    if (t === undefined) return [];
    const start = t * g.dilations[i];
    const cut = { axis: first + i, start, end: start + (out[i] - 1) * g.strides[i] + 1, step: g.strides[i] };
    return cut.start === 0 && cut.end === of.shape?.[cut.axis] && cut.step === 1 ? [] : [cut];
  });
  if (cuts.length === 0) return of;
  return b.op('Slice', [
    of,
    b.i64(cuts.map((v) => v.start)),
    b.i64(cuts.map((v) => v.end)),
    b.i64(cuts.map((v) => v.axis)),
    b.i64(cuts.map((v) => v.step)),
  ]);
}

/** All taps of a kernel, row by row. */
export function tapsOf(kernel: readonly number[]): number[][] {
  return kernel.reduce<number[][]>(
    (list, k) => list.flatMap((tap) => Array.from({ length: k }, (_, i) => [...tap, i])),
    [[]],
  );
}
