/**
 * dW of a dense or grouped convolution for devices with thousands of lanes, in standard operators.
 *
 * dW[o,c,t] = Σ dY[n,o,p]·X_t[n,p,c] over images n and output pixels p, where X_t is what tap t of the kernel sees. The result
 * is small (O × C) and the sum long (N·P: 800,000 terms for the stem of a ResNet at 224², 64 images). A matrix product that
 * gives each tile of its result to one group of lanes leaves most of a graphics card idle there. So the images are
 * shared out: a product for each of S sets of images, and the sum of the S results.
 *
 * X is turned to channels last once, and what a tap sees is a slice of that. Where channels are few, what the taps of a
 * kernel's row see lies side by side, so that tiles are not mostly empty.
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import { type ConvGeometry, geometryOf } from '../../autodiff/geometry.js';
import { isDepthwise, tapsOf, weightGradient, window } from '../portable/conv.js';
import type { LoweringContext } from '../rule.js';

/** Rows and columns of a product's result that one group of lanes computes. */
const TILE = 32;
/** Groups that a large card computes at the same time: 132 processors with 8 groups of 64 lanes each. */
const GROUPS = 1024;

export function convWeightGrad(c: LoweringContext): readonly Value[] {
  const { node, shape } = c;
  const g = geometryOf(node);
  const [dy, x] = [node.input(0), node.input(1)];
  return [isDepthwise(g, shape(dy), shape(x)) ? weightGradient(c, g, dy, x) : inSets(c, g, dy, x)];
}

/** How the work is shared out. */
interface Sets {
  /** S: sets of images. */
  readonly sets: number;
  /** Images in a set. */
  readonly each: number;
  readonly group: number;
  /** Channels of a group. */
  readonly channels: number;
}

function inSets(c: LoweringContext, g: ConvGeometry, dy: Value, x: Value): Value {
  const { b, shape, shared } = c;
  const [n, o, ...out] = shape(dy);
  const [, allChannels, ...spatial] = shape(x);
  const { group, kernel_shape: kernel } = g;
  const [outputs, channels] = [o / group, allChannels / group];
  const rowTaps = kernel[kernel.length - 1];
  const beside = channels < TILE ? rowTaps : 1;
  const columns = beside * channels;
  const sets = setsOf(n, group * Math.ceil(outputs / TILE) * Math.ceil(columns / TILE));
  const s: Sets = { sets, each: n / sets, group, channels };
  const batch = group === 1 ? [sets] : [sets, group];
  const terms = s.each * sizeOf(out);

  const rows = b.op('Reshape', [
    shared(dy, `images inside ${sets} sets of ${group} groups`, () => imagesInside(b, dy, s, outputs, out)),
    b.i64([...batch, outputs, terms]),
  ]);
  const source = padded(
    b,
    shared(x, group === 1 ? 'channels last' : `channels of ${group} groups last in ${sets} sets`, () =>
      channelsLast(b, x, s, spatial),
    ),
    g,
  );
  const products = windows(b, source, g, out, beside).map((v) =>
    b.op('Reshape', [
      b.op('MatMul', [rows, b.op('Reshape', [v, b.i64([...batch, terms, columns])])]),
      b.i64([sets, group * outputs * columns]),
    ]),
  );
  const joined = products.length === 1 ? products[0] : b.op('Concat', products, { axis: 1 });
  const sum = sets === 1 ? joined : b.op('ReduceSum', [joined, b.i64([0])], { keepdims: 0 });
  const taps = products.length * beside;
  const result = b.i64([o, channels, ...kernel]);
  if (taps === 1) return b.op('Reshape', [sum, result]);
  // [windows, O, taps side by side, C/g] → [O, C/g, windows, taps side by side]
  const byTap = b.op('Reshape', [sum, b.i64([products.length, o, beside, channels])]);
  return b.op('Reshape', [b.op('Transpose', [byTap], { perm: [1, 3, 0, 2] }), result]);
}

/** The fewest sets of equal size that keep the device busy. */
function setsOf(images: number, tiles: number): number {
  for (let sets = 1; sets < images; sets++) if (images % sets === 0 && sets * tiles >= GROUPS) return sets;
  return images;
}

/** dY [N,O,…] with the images of a set inside its channels: [S, group, O/g, images, pixels]. */
function imagesInside(
  b: GraphBuilder,
  dy: Value,
  { sets, each, group }: Sets,
  outputs: number,
  out: readonly number[],
): Value {
  if (each === 1) return dy;
  const apart = b.op('Reshape', [dy, b.i64([sets, each, group * outputs, sizeOf(out)])]);
  return b.op('Transpose', [apart], { perm: [0, 2, 1, 3] });
}

/** X [N,C,…] → [images,…,C/g], the groups of a set before its images. */
function channelsLast(
  b: GraphBuilder,
  x: Value,
  { sets, each, group, channels }: Sets,
  spatial: readonly number[],
): Value {
  const axes = spatial.map((_, i) => i);
  if (group === 1)
    return b.op('Transpose', [x], { perm: [0, ...axes.map((i) => i + 2), 1] }, { name: 'channels' });
  const apart = b.op('Reshape', [x, b.i64([sets, each, group, channels, ...spatial])]);
  const turned = b.op(
    'Transpose',
    [apart],
    { perm: [0, 2, 1, ...axes.map((i) => i + 4), 3] },
    { name: 'channels' },
  );
  return b.op('Reshape', [turned, b.i64([sets * group * each, ...spatial, channels])]);
}

function padded(b: GraphBuilder, source: Value, { pads }: ConvGeometry): Value {
  if (pads.every((p) => p === 0)) return source;
  const rank = pads.length / 2;
  return b.op('Pad', [source, b.i64([0, ...pads.slice(0, rank), 0, 0, ...pads.slice(rank), 0])]);
}

/** What each tap sees, [images,out…,channels], in the order of the kernel; the last axis' taps side by side, or not. */
function windows(
  b: GraphBuilder,
  source: Value,
  g: ConvGeometry,
  out: readonly number[],
  beside: number,
): readonly Value[] {
  if (beside === 1) return tapsOf(g.kernel_shape).map((tap) => window(b, source, g, out, tap, 1));
  const last = g.kernel_shape.length - 1;
  const rowTaps = Array.from({ length: beside }, (_, t) =>
    window(b, source, g, out, [...new Array<undefined>(last).fill(undefined), t], 1),
  );
  const rows = b.op('Concat', rowTaps, { axis: last + 2 });
  return tapsOf(g.kernel_shape.slice(0, last)).map((tap) => window(b, rows, g, out, tap, 1));
}
