/** Average and global pools, and sums over pixels, on blocked tensors. */
import { sizeOf } from '../../../onnx/index.js';
import { geometryOf, poolGeometry } from '../../autodiff/geometry.js';
import { windowShares } from '../portable/pool.js';
import { type Axis, axesOf, poolEnd } from './geometry.js';
import { channelSumOf } from './norm.js';
import { gatherPixels, spacedPixels } from './pixels.js';
import type { BlockedContext } from './rule.js';

export function averagePool(c: BlockedContext): boolean {
  const { n, t, node, shape } = c;
  const x = node.input(0);
  const dims = shape(x);
  if (dims.length !== 4 || t.isPlain(x)) return false;
  const { attributes, ...g } = poolGeometry(node, dims);
  const out = shape(node.output()).slice(2);
  const axes = axesOf(g, dims.slice(2), out);
  if (g.dilations.some((d) => d !== 1)) return false;
  // ceil_mode as pads at the end, which an average that counts them would feel.
  const ends = axes.map(poolEnd);
  if (attributes.countIncludePad && ends.some((e, i) => e !== axes[i].end)) return false;
  const source = t.clean(x);
  const size = [...source.dims.slice(0, 2), ...out];
  const value = n.op('AveragePool', [source.value], size, {
    kernel_shape: g.kernel_shape,
    strides: g.strides,
    pads: [...axes.map((a) => a.begin), ...ends],
    count_include_pad: attributes.countIncludePad ? 1 : 0,
  });
  t.setBlocked(node.output(), { value, dims: size, channels: source.channels, dirty: false });
  return true;
}

export function globalPool(c: BlockedContext): boolean {
  const { n, t, node } = c;
  const x = node.input(0);
  if (c.shape(x).length !== 4 || t.isPlain(x)) return false;
  const source = t.clean(x);
  const dims = [...source.dims.slice(0, 2), 1, 1];
  t.setBlocked(node.output(), { ...source, dims, value: n.op(node.opType, [source.value], dims) });
  return true;
}

/** ReduceMean over the pixels, as exporters write global average pooling. */
export function reduceMean(c: BlockedContext): boolean {
  const { n, t, node } = c;
  const x = node.input(0);
  if (c.shape(x).length !== 4 || t.isPlain(x) || !isPixels(reducedAxes(c))) return false;
  const source = t.clean(x);
  const dims = [...source.dims.slice(0, 2), 1, 1];
  const value = n.op('GlobalAveragePool', [source.value], dims);
  if (node.int('keepdims', 1) !== 0) {
    t.setBlocked(node.output(), { ...source, dims, value });
    return true;
  }
  const plain = n.plain4({ ...source, dims, value }, source.channels);
  t.replace(node.output(), n.reshape(plain, c.shape(node.output())));
  return true;
}

export function reduceSum(c: BlockedContext): boolean {
  const { b, n, t, node } = c;
  const x = node.input(0);
  if (c.shape(x).length !== 4 || t.isPlain(x)) return false;
  const axes = reducedAxes(c);
  const out = c.shape(node.output());
  const overImages = axes.length === 3 && [0, 2, 3].every((a) => axes.includes(a));
  if (overImages) {
    t.replace(node.output(), n.reshape(channelSumOf(n, t.clean(x)), out));
    return true;
  }
  if (!isPixels(axes)) return false;
  const entry = t.entry(x);
  if (entry?.kind !== 'product') return false;
  const { left, right } = entry;
  const sums = n.imageDot(left.value, right.value, left.dims);
  const dims = [...left.dims.slice(0, 2), 1, 1];
  if (out.length === 4) t.setBlocked(node.output(), { ...left, dims, value: n.reshape(sums, dims) });
  else {
    const [images, channels] = c.shape(x);
    const whole =
      left.dims[1] === channels ? sums : b.op('Slice', [sums, b.i64([0]), b.i64([channels]), b.i64([1])]);
    t.replace(node.output(), n.reshape(whole, images * channels === sizeOf(out) ? out : [images, channels]));
  }
  return true;
}

function reducedAxes({ node, shape }: BlockedContext): number[] {
  const rank = shape(node.input(0)).length;
  const axes = node.inputs[1]?.constant?.typed();
  return axes ? Array.from<bigint | number, number>(axes, (a) => (Number(a) + rank) % rank) : [];
}

function isPixels(axes: readonly number[]): boolean {
  return axes.length === 2 && axes.includes(2) && axes.includes(3);
}

/** [N, C, 1, 1] to maps: kept small until someone needs it written out. */
export function expand(c: BlockedContext): boolean {
  const { n, t, node, shape } = c;
  const x = node.input(0);
  const [from, to] = [shape(x), shape(node.output())];
  const fits = from.length === 4 && to.length === 4 && from[0] === to[0] && from[1] === to[1];
  if (!fits || from[2] !== 1 || from[3] !== 1 || sizeOf(from) === sizeOf(to)) return false;
  const dims = [to[0], n.padded(to[1]), to[2], to[3]];
  t.set(node.output(), { kind: 'spread', small: t.clean(x), dims });
  return true;
}

/**
 * Each output's gradient, divided by what its window counts, goes to every pixel of the window: where windows do not
 * overlap a copy, else dY spaced out with zeros and a depthwise convolution with ones.
 */
export function averagePoolGrad(c: BlockedContext): boolean {
  const { b, n, t, node, shape } = c;
  const dy = node.input(0);
  const dyShape = shape(dy);
  const xShape = node.ints('shape') ?? [];
  if (dyShape.length !== 4 || t.isPlain(dy)) return false;
  const g = geometryOf(node);
  const axes = axesOf(g, xShape.slice(2), dyShape.slice(2));
  const [rows, columns] = axes;
  const ends = axes.map((a) => a.size + a.begin - (a.out - 1) * a.stride - 1);
  if (axes.some((a, i) => a.dilation !== 1 || a.begin >= a.kernel || ends[i] < 0)) return false;
  const source = t.clean(dy);
  const share = windowShares(g, xShape.slice(2), dyShape.slice(2), node.int('count_include_pad', 0) !== 0);
  const uniform = share.every((s) => s === share[0]);
  const spread = uniform
    ? b.op('Mul', [source.value, b.f32(share[0])])
    : n.reshape(
        b.op('Mul', [n.panels(source.value, source.dims), b.f32(share, [1, 1, share.length, 1])]),
        source.dims,
      );
  const dims = [...source.dims.slice(0, 2), ...xShape.slice(2)];
  const place = (a: Axis, at: number): number | undefined => {
    const window = Math.floor((at + a.begin) / a.stride);
    const inside = at + a.begin - window * a.stride < a.kernel && window < a.out;
    return inside ? window : undefined;
  };
  if (axes.every((a) => a.kernel <= a.stride)) {
    const key = `windows ${g.kernel_shape} ${g.strides} ${g.pads}`;
    const value = gatherPixels(n, spread, source.dims, [xShape[2], xShape[3]], key, (r, q) => {
      const [y, x] = [place(rows, r), place(columns, q)];
      return y === undefined || x === undefined ? undefined : y * columns.out + x;
    });
    t.setBlocked(node.output(), { value, dims, channels: source.channels, dirty: false });
    return true;
  }
  const value = n.conv(
    spacedPixels(n, spread, source.dims, axes),
    n.constant([dims[1], 1, ...g.kernel_shape], 1),
    dims,
    {
      kernel: g.kernel_shape,
      pads: [...axes.map((a) => a.kernel - 1 - a.begin), ...ends],
      group: dims[1],
    },
  );
  t.setBlocked(node.output(), { value, dims, channels: source.channels, dirty: false });
  return true;
}
