/** dW of 1×1 kernels of stride 1 without padding: X·dYᵀ over the pixels of all images. */
import type { Value } from '../../../../onnx/index.js';
import { transposeBlocks } from '../kernel.js';
import { channelRows, inputDims, outputDims, sumFirst, type WeightGradTask } from './task.js';

/** The pixels that a stride takes, side by side; from there on it is a task of stride 1. */
export function withoutStride(task: WeightGradTask): WeightGradTask {
  const { n, axes } = task;
  if (axes.every((a) => a.stride === 1)) return task;
  const dims = [task.images, task.inputs, ...axes.map((a) => a.out)];
  const x = n.affine(task.x, dims, { strides: axes.map((a) => a.stride), pads: axes.flatMap(() => [0, 0]) });
  // The runtime counts whole windows, which are the pixels of dY.
  return { ...task, x, axes: axes.map((a) => ({ ...a, size: a.out, stride: 1 })) };
}

/** One product over the pixels of all images: both maps are transposed, nothing is summed. */
export function byOneProduct(task: WeightGradTask): Value {
  const { n, x, dy, images, inputs, outputs } = task;
  const { b, block } = n;
  const pixels = pixelsOf(task);
  const rows = b.op('Transpose', [channelRows(task, x, inputDims(task))], { perm: [1, 0, 2] });
  const panels = b.op('Transpose', [n.panels(dy, outputDims(task))], { perm: [0, 2, 1, 3] });
  const product = b.op('MatMul', [
    n.reshape(rows, [inputs, images * pixels]),
    n.reshape(panels, [images * pixels, outputs]),
  ]);
  const size = [inputs, outputs / block, block];
  const blocks = b.op('Transpose', [n.reshape(product, size)], { perm: [1, 0, 2] });
  return n.reshape(blocks, [outputs, inputs, 1, 1]);
}

/** A product for each image, of the rows of X with the panels of dY: the sum is the packed kernel. */
export function byInputRows(task: WeightGradTask): Value {
  const { n, x, dy, images, inputs, outputs } = task;
  const rows = n.reshape(channelRows(task, x, inputDims(task)), [images, 1, inputs, pixelsOf(task)]);
  const product = n.b.op('MatMul', [rows, n.panels(dy, outputDims(task))]);
  return n.reshape(sumFirst(task, product), [outputs, inputs, 1, 1]);
}

/** A product for each image, of the rows of dY with the panels of X: less to reorder where dY has fewer channels. */
export function byOutputRows(task: WeightGradTask): Value {
  const { n, x, dy, images, inputs, outputs } = task;
  const { b, block } = n;
  const [ob, ib] = [outputs / block, inputs / block];
  const rows = n.reshape(channelRows(task, dy, outputDims(task)), [images, 1, outputs, pixelsOf(task)]);
  const product = sumFirst(task, b.op('MatMul', [rows, n.panels(x, inputDims(task))]));
  const blocks = b.op('Transpose', [n.reshape(product, [ib, ob, block * block])], { perm: [1, 0, 2] });
  return n.reshape(transposeBlocks(b, block, blocks, ob * ib), [outputs, inputs, 1, 1]);
}

function pixelsOf({ axes }: WeightGradTask): number {
  return axes[0].out * axes[1].out;
}
