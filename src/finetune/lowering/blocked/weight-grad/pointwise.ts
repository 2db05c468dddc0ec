/** dW of 1×1 kernels of stride 1 without padding: X·dYᵀ over the pixels of all images. */
import type { Value } from '../../../../onnx/index.js';
import { transposeBlocks } from '../kernel.js';
import { type BlockedMap, imageProducts, joinedPanels, joinedProduct } from './pixel-product.js';
import { inputDims, outputDims, sumFirst, type WeightGradTask } from './task.js';

/** The pixels that a stride takes, side by side; from there on it is a task of stride 1. */
export function withoutStride(task: WeightGradTask): WeightGradTask {
  const { n, axes } = task;
  if (axes.every((a) => a.stride === 1)) return task;
  const dims = [task.images, task.inputs, ...axes.map((a) => a.out)];
  const x = n.affine(task.x, dims, { strides: axes.map((a) => a.stride), pads: axes.flatMap(() => [0, 0]) });
  // The runtime counts whole windows, which are the pixels of dY.
  return { ...task, x, axes: axes.map((a) => ({ ...a, size: a.out, stride: 1 })) };
}

/** A product for each image, of X with the panels of dY: the sum is the packed kernel. */
export function byInputRows(task: WeightGradTask): Value {
  const { n, inputs, outputs, dy } = task;
  const product = imageProducts(task, inputOf(task), n.panels(dy, outputDims(task)), outputs);
  return n.reshape(sumFirst(task, product), [outputs, inputs, 1, 1]);
}

/** A product for each image, of dY with the panels of X: less to reorder where dY has fewer channels. */
export function byOutputRows(task: WeightGradTask): Value {
  const { n, inputs, x } = task;
  return turned(
    task,
    sumFirst(task, imageProducts(task, outputOf(task), n.panels(x, inputDims(task)), inputs)),
  );
}

/** One product over the pixels of all images, of X with the panels of dY: nothing is summed. */
export function byJoinedInputRows(task: WeightGradTask): Value {
  const { n, inputs, outputs } = task;
  const product = joinedProduct(task, inputOf(task), joinedPanels(task, outputOf(task)), outputs);
  return n.reshape(product, [outputs, inputs, 1, 1]);
}

/** One product over the pixels of all images, of dY with the panels of X. */
export function byJoinedOutputRows(task: WeightGradTask): Value {
  return turned(task, joinedProduct(task, outputOf(task), joinedPanels(task, inputOf(task)), task.inputs));
}

/** [C/B, O, B] → packed [O, C, 1, 1] */
function turned({ n, inputs, outputs }: WeightGradTask, product: Value): Value {
  const { b, block } = n;
  const [ob, ib] = [outputs / block, inputs / block];
  const blocks = b.op('Transpose', [n.reshape(product, [ib, ob, block * block])], { perm: [1, 0, 2] });
  return n.reshape(transposeBlocks(b, block, blocks, ob * ib), [outputs, inputs, 1, 1]);
}

function inputOf(task: WeightGradTask): BlockedMap {
  return { value: task.x, dims: inputDims(task) };
}

function outputOf(task: WeightGradTask): BlockedMap {
  return { value: task.dy, dims: outputDims(task) };
}
