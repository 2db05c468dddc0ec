import type { Value } from '../../../../onnx/index.js';
import type { Nchwc } from '../nchwc.js';
import { channelRows, type WeightGradTask } from './task.js';

/** A blocked tensor, [N, C, H, W]. */
export interface BlockedMap {
  readonly value: Value;
  readonly dims: readonly number[];
}

/**
 * For each image Σ over the pixels p of v[c, p]·panels[k, p], [N, K/B, C, B]: a blocked 1×1 convolution with the pixels in
 * the place of channels and the images as groups, where the pixels fill blocks. The panels are its kernel as they lie; one
 * reorder puts blocks of pixels inside v. It keeps more sums in registers than the runtime's matrix product with a panel
 * of B columns does.
 * @param panels [N, K/B, P, B]
 */
export function imageProducts(task: WeightGradTask, v: BlockedMap, panels: Value, outputs: number): Value {
  const { n } = task;
  const [images, channels, h, w] = v.dims;
  const pixels = h * w;
  const dims = [images, outputs / n.block, channels, n.block];
  if (pixels % n.block === 0) {
    const rows = pixelBlocks(task, v);
    return n.reshape(productOfPixels(n, rows, panels, images, [channels, pixels, outputs]), dims);
  }
  const rows = n.reshape(channelRows(task, v.value, v.dims), [images, 1, channels, pixels]);
  return n.b.op('MatMul', [rows, n.reshape(panels, [images, outputs / n.block, pixels, n.block])]);
}

/**
 * The same over the pixels of all images at once, [K/B, C, B].
 * @param panels [K/B, N·P, B]
 */
export function joinedProduct(task: WeightGradTask, v: BlockedMap, panels: Value, outputs: number): Value {
  const { n } = task;
  const [images, channels, h, w] = v.dims;
  const pixels = images * h * w;
  const dims = [outputs / n.block, channels, n.block];
  if (pixels % n.block === 0) {
    const rows = pixelBlocks(task, v);
    return n.reshape(productOfPixels(n, rows, panels, 1, [channels, pixels, outputs]), dims);
  }
  const rows = n.b.op('Transpose', [channelRows(task, v.value, v.dims)], { perm: [1, 0, 2] });
  return n.b.op('MatMul', [
    n.reshape(rows, [1, channels, pixels]),
    n.reshape(panels, [outputs / n.block, pixels, n.block]),
  ]);
}

/** The panels of each block of channels, those of all images one behind the other: [C/B, N·P, B]. */
export function joinedPanels({ n }: WeightGradTask, { value, dims }: BlockedMap): Value {
  const [images, channels, h, w] = dims;
  const [blocks, size] = [channels / n.block, h * w * n.block];
  const apart = images === 1 || blocks === 1;
  const panels = n.reshape(value, [images, blocks, size]);
  return n.reshape(apart ? panels : n.b.op('Transpose', [panels], { perm: [1, 0, 2] }), [
    blocks,
    images * h * w,
    n.block,
  ]);
}

/** @param rows [groups·P/B, C, B], as they lie, @param panels [groups, K/B, P, B] */
function productOfPixels(
  n: Nchwc,
  rows: Value,
  panels: Value,
  groups: number,
  [channels, pixels, outputs]: readonly [number, number, number],
): Value {
  return n.conv(
    n.reshape(rows, [1, groups * pixels, channels, 1]),
    n.reshape(panels, [groups * outputs, pixels, 1, 1]),
    [1, groups * outputs, channels, 1],
    { kernel: [1, 1], group: groups },
  );
}

/** [N·P/B, C, B]: blocks of B pixels in the place of blocks of channels; made once for all readers. */
function pixelBlocks({ n, t }: WeightGradTask, { value, dims }: BlockedMap): Value {
  const [images, channels, h, w] = dims;
  const { b, block } = n;
  const pixels = h * w;
  return t.derived(value, 'pixel blocks', () => {
    if (pixels % block === 0) {
      const size = [(images * channels) / block, pixels, block, 1];
      const turned = n.op('ReorderInput', [n.reshape(value, size)], size);
      if (channels === block) return turned;
      const blocks = [images, channels / block, pixels / block, block * block];
      return b.op('Transpose', [n.reshape(turned, blocks)], { perm: [0, 2, 1, 3] });
    }
    const rows = n.op('ReorderOutput', [value], [images, h, w, channels], { channels, channels_last: 1 });
    const size = [1, images * pixels, channels, 1];
    return n.op('ReorderInput', [n.reshape(rows, size)], size);
  });
}

/** The same by rows, each filled up with zeros to whole blocks: [N·H·⌈W/B⌉, C, B]. The runtime wants W in fours. */
export function rowBlocks(task: WeightGradTask, v: BlockedMap): Value {
  const { n, t } = task;
  const { b, block } = n;
  const [images, channels, h, w] = v.dims;
  if (w % block === 0) return pixelBlocks(task, v);
  const parts = Math.ceil(w / block);
  return t.derived(v.value, 'row blocks', () => {
    const rows = (images * channels * h) / block;
    const lines = n.reshape(v.value, [rows, w, block, 1]);
    const turned = n.op('ReorderInput', [lines], [rows, parts * block, block, 1]);
    if (channels === block) return turned;
    const blocks = [images, channels / block, h * parts, block * block];
    return b.op('Transpose', [n.reshape(turned, blocks)], { perm: [0, 2, 1, 3] });
  });
}
