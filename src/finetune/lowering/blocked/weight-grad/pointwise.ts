import type { Value } from '../../../../onnx/index.js';
import { transposeBlocks } from '../kernel.js';
import { channelRows, inputDims, outputDims, sumFirst, type WeightGradTask } from './task.js';

/** From so many pixels on a product for each image and a sum over images; below one product over all. */
const PER_IMAGE_PIXELS = 100;

/** 1×1 without padding. A stride first drops the pixels that it skips. */
export function pointwise(task: WeightGradTask): Value {
  const { n, axes } = task;
  if (axes.every((a) => a.stride === 1)) return dense(task);
  const dims = [task.images, task.inputs, ...axes.map((a) => a.out)];
  const x = n.affine(task.x, dims, { strides: axes.map((a) => a.stride), pads: axes.flatMap(() => [0, 0]) });
  // The runtime counts whole windows, which are the pixels of dY.
  return dense({ ...task, x, axes: axes.map((a) => ({ ...a, size: a.out, stride: 1 })) });
}

function dense(task: WeightGradTask): Value {
  const { n, x, dy, images, inputs, outputs, axes } = task;
  const { b, block } = n;
  const pixels = axes[0].out * axes[1].out;
  const [ob, ib] = [outputs / block, inputs / block];
  const kernel = [outputs, inputs, 1, 1];
  if (pixels < PER_IMAGE_PIXELS) {
    const rows = b.op('Transpose', [channelRows(task, x, inputDims(task))], { perm: [1, 0, 2] });
    const panels = b.op('Transpose', [n.panels(dy, outputDims(task))], { perm: [0, 2, 1, 3] });
    const product = b.op('MatMul', [
      n.reshape(rows, [inputs, images * pixels]),
      n.reshape(panels, [images * pixels, outputs]),
    ]);
    const blocks = b.op('Transpose', [n.reshape(product, [inputs, ob, block])], { perm: [1, 0, 2] });
    return n.reshape(blocks, kernel);
  }
  if (inputs <= 2 * outputs) {
    const rows = n.reshape(channelRows(task, x, inputDims(task)), [images, 1, inputs, pixels]);
    const product = b.op('MatMul', [rows, n.panels(dy, outputDims(task))]);
    return n.reshape(sumFirst(task, product), kernel);
  }
  const rows = n.reshape(channelRows(task, dy, outputDims(task)), [images, 1, outputs, pixels]);
  const product = sumFirst(task, b.op('MatMul', [rows, n.panels(x, inputDims(task))]));
  const blocks = b.op('Transpose', [n.reshape(product, [ib, ob, block * block])], { perm: [1, 0, 2] });
  return n.reshape(transposeBlocks(b, block, blocks, ob * ib), kernel);
}
