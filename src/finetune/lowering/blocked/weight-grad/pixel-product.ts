import type { Value } from '../../../../onnx/index.js';
import { channelRows, type WeightGradTask } from './task.js';

/** A blocked tensor, [N, C, H, W]. */
export interface BlockedMap {
  readonly value: Value;
  readonly dims: readonly number[];
}

/**
 * For each image Σ over the pixels p of v[c, p]·panels[k, p], [N, K/B, C, B].
 * @param panels [N, K/B, P, B]
 */
export function imageProducts(task: WeightGradTask, v: BlockedMap, panels: Value, outputs: number): Value {
  return productsOfPixels(task, v, panels, outputs, v.dims[0]);
}

/**
 * The same over the pixels of all images at once, [1, K/B, C, B].
 * @param panels [K/B, N·P, B]
 */
export function joinedProduct(task: WeightGradTask, v: BlockedMap, panels: Value, outputs: number): Value {
  return productsOfPixels(task, v, panels, outputs, 1);
}

/**
 * A blocked 1×1 convolution with the pixels in the place of channels, where they fill blocks. The panels are its kernel as
 * they lie; one reorder puts blocks of pixels inside v. It keeps more sums in registers than the runtime's matrix product
 * with a panel of B columns does.
 * @param groups N, or 1 for all images in one
 */
function productsOfPixels(
  task: WeightGradTask,
  v: BlockedMap,
  panels: Value,
  outputs: number,
  groups: number,
): Value {
  const { n } = task;
  const [images, channels, h, w] = v.dims;
  const pixels = (images * h * w) / groups;
  const dims = [groups, outputs / n.block, channels, n.block];
  if (pixels % n.block === 0) {
    const product = n.conv(
      n.reshape(pixelBlocks(task, v), [1, groups * pixels, channels, 1]),
      n.reshape(panels, [groups * outputs, pixels, 1, 1]),
      [1, groups * outputs, channels, 1],
      { kernel: [1, 1], group: groups },
    );
    return n.reshape(product, dims);
  }
  const apart = channelRows(task, v.value, v.dims);
  const rows = groups === images ? apart : n.b.op('Transpose', [apart], { perm: [1, 0, 2] });
  return n.b.op('MatMul', [
    n.reshape(rows, [groups, 1, channels, pixels]),
    n.reshape(panels, [groups, outputs / n.block, pixels, n.block]),
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

/** [N·P/B, C, B]: blocks of B pixels in the place of blocks of channels; made once for all readers. */
function pixelBlocks({ n, t }: WeightGradTask, v: BlockedMap): Value {
  const { b, block } = n;
  const [images, channels, h, w] = v.dims;
  const pixels = h * w;
  return t.derived(v.value, 'pixel blocks', () => {
    if (pixels % block !== 0) {
      const rows = n.op('ReorderOutput', [v.value], [images, h, w, channels], { channels, channels_last: 1 });
      const size = [1, images * pixels, channels, 1];
      return n.op('ReorderInput', [n.reshape(rows, size)], size);
    }
    const size = [(images * channels) / block, pixels, block, 1];
    const turned = n.op('ReorderInput', [n.reshape(v.value, size)], size);
    if (channels === block) return turned;
    const blocks = [images, channels / block, pixels / block, block * block];
    return b.op('Transpose', [n.reshape(turned, blocks)], { perm: [0, 2, 1, 3] });
  });
}
