/**
 * Refocused kernels (RefConv) computed straight in the layout of their convolution.
 *
 * Explicit, dense: W_b and the map as B images to a block, one for each pair (i, o): the transform is then a depthwise
 * convolution of the runtime, and so is the map's gradient; only the axes (taps, B of I) change places on the way.
 * Gram, depthwise: Z·K on the rows as they lie, [C/B, taps, B]: a product with K from the left, for K is symmetric.
 */
import { type Node, sizeOf, type Value } from '../../../onnx/index.js';
import { hasInputBlocks, type KernelLayout, packedDims } from './kernel.js';
import type { Nchwc } from './nchwc.js';
import { permuteRows } from './rows.js';
import type { BlockedContext } from './rule.js';

export function refocusKernel(c: BlockedContext, plain: () => Value): boolean {
  const { n, t, node, shape } = c;
  const [base, map] = [node.input(0), node.input(1)];
  if (node.int('channels', 1) !== 1 || shape(base).length !== 4) return false;
  const mapKernel = shape(map).slice(2);
  t.setMaker(node.output(), {
    plain,
    packed: (layout) => {
      if (layout.kind !== 'dense') return undefined;
      const images = refocusLayout(layout);
      const size = packedDims(images);
      const count = size[0] * size[1];
      const [kh, kw] = size.slice(2);
      const source = n.reshape(t.kernel(base, images), [1, count, kh, kw]);
      const maps = n.reshape(t.kernel(map, { ...images, dims: [...images.dims.slice(0, 2), ...mapKernel] }), [
        count,
        1,
        ...mapKernel,
      ]);
      const transformed = n.conv(source, maps, [1, count, kh, kw], {
        kernel: mapKernel,
        pads: around(mapKernel),
        group: count,
      });
      // In the dims of the transform: constants in two dims would be held twice.
      const sum = n.plus(transformed, source, [1, count, kh, kw]);
      return n.reshape(swapInner(n, sum, count, [n.block, kh * kw]), packedDims(layout));
    },
  });
  return true;
}

export function refocusMapGrad({ n, t, node }: BlockedContext): boolean {
  const [base, gradient] = [node.input(0), node.input(1)];
  const kernel = t.packed(gradient);
  if (node.int('channels', 1) !== 1 || !kernel || !hasInputBlocks(kernel.layout.kind)) return false;
  const images = refocusLayout(kernel.layout);
  const size = packedDims(images);
  const count = size[0] * size[1];
  const [kh, kw] = size.slice(2);
  const mapKernel = (node.ints('shape') ?? []).slice(2);
  const turned =
    kernel.layout.kind === 'map' ? kernel.value : swapInner(n, kernel.value, count, [kh * kw, n.block]);
  const value = n.conv(
    n.reshape(t.kernel(base, images), [1, count, kh, kw]),
    n.reshape(turned, [count, 1, kh, kw]),
    [1, count, ...mapKernel],
    { kernel: [kh, kw], pads: around(mapKernel), group: count },
  );
  const layout: KernelLayout = { ...images, dims: [...images.dims.slice(0, 2), ...mapKernel] };
  t.setKernel(node.output(), { layout, value: n.reshape(value, packedDims(layout)) });
  return true;
}

export function gramKernel(c: BlockedContext, plain: () => Value): boolean {
  const { b, n, t, node, shape } = c;
  const [base, p0, z, alpha, k] = [0, 1, 2, 3, 4].map((i) => node.input(i));
  const [groups, area] = shape(k);
  if (groups !== 1 || shape(base).length !== 4) return false;
  t.setMaker(node.output(), {
    plain,
    packed: (layout) => {
      if (layout.kind !== 'depthwise') return undefined;
      const dims = packedDims(layout);
      // One axis: a scalar times a tensor of trailing 1s would run one element at a time.
      const flat = (v: Value): Value => n.reshape(v, [sizeOf(dims)]);
      const rows = n.reshape(t.kernel(z, layout), [dims[0] / n.block, area, n.block]);
      const focus = b.op('MatMul', [n.reshape(k, [area, area]), rows]);
      const start = b.op('Add', [
        flat(t.kernel(base, layout)),
        b.op('Mul', [flat(t.kernel(p0, layout)), alpha]),
      ]);
      return n.reshape(b.op('Add', [start, flat(focus)]), dims);
    },
  });
  return true;
}

/** How a dense kernel, or its gradient, lies for its transform. */
export function refocusLayout({ block, dims }: KernelLayout): KernelLayout {
  return { kind: 'map', block, dims };
}

/** Whether nothing but the gradients of maps reads the gradient of a kernel, in that layout. */
export function onlyRefocused(gradient: Value): boolean {
  const fits = (node: Node): boolean => node.opType === 'RefocusMapGrad' && node.int('channels', 1) === 1;
  return gradient.uses.length > 0 && gradient.uses.every((u) => fits(u.node));
}

/** ⌊m/2⌋ on each side. */
function around(mapKernel: readonly number[]): number[] {
  const pads = mapKernel.map((m) => m >> 1);
  return [...pads, ...pads];
}

/** [O/B · I/B, p, q, B] → [O/B · I/B, q, p, B]. */
function swapInner(n: Nchwc, v: Value, count: number, [p, q]: readonly [number, number]): Value {
  return permuteRows(n, v, [count / n.block / n.block, p, q], [0, 2, 1]);
}
