/** dW of dense kernels of stride 1, by rows of X. */
import { Tensor, type Value } from '../../../../onnx/index.js';
import { roundUp } from '../block.js';
import { movedPixels, withZeroRow } from '../pixels.js';
import { rowBlocks } from './pixel-product.js';
import { inputDims, outputDims, sumFirst, type WeightGradTask } from './task.js';

/**
 * Stride 1: dY as kernels as large as the maps, once for each column of the kernel and shifted by it, slid over the rows of
 * X. The blocks of B pixels of a row, filled up with zeros, lie side by side, so the kernel is dilated over them.
 */
export function byRows(task: WeightGradTask): Value {
  const { n, images, inputs, outputs, axes } = task;
  const { b, block } = n;
  const [rows, columns] = axes;
  const [ob, ib, parts] = [outputs / block, inputs / block, Math.ceil(columns.size / block)];
  const x = n.reshape(rowBlocks(task, { value: task.x, dims: inputDims(task) }), [
    1,
    images * block,
    rows.size,
    parts * inputs,
  ]);
  const sums = rowKernels(task).map(({ kernels, count }) => {
    const product = n.conv(
      x,
      n.reshape(kernels, [images * count * outputs, block, rows.out, parts]),
      [1, images * count * outputs, rows.kernel, inputs],
      {
        kernel: [rows.out, parts],
        strides: [rows.dilation, 1],
        dilations: [1, inputs],
        pads: [rows.begin, 0, rows.end, 0],
        group: images,
      },
    );
    return sumFirst(task, n.reshape(product, [images, ob, count, rows.kernel, ib, block * block]));
  });
  const sum = sums.length === 1 ? sums[0] : b.op('Concat', sums, { axis: 1 });
  const packed = b.op('Transpose', [sum], { perm: [0, 3, 2, 1, 4] });
  return n.reshape(packed, [outputs, inputs, rows.kernel, columns.kernel]);
}

/** The runtime computes so many blocks of output channels at once; fewer make it slower. */
const BLOCKS_AT_ONCE = 4;

/** dY for each column of the kernel, [N, O/B, columns, oH·W, B]; those of few channels in one, made by a Gather. */
function rowKernels(task: WeightGradTask): { readonly kernels: Value; readonly count: number }[] {
  const { n, images, outputs, axes } = task;
  const [rows, columns] = axes;
  const dims = outputDims(task);
  if (outputs >= BLOCKS_AT_ONCE * n.block) {
    const frame = [rows.out, roundUp(columns.size, n.block)];
    return Array.from({ length: columns.kernel }, (_, j) => ({
      kernels: movedPixels(n, task.dy, dims, frame, [0, j * columns.dilation - columns.begin]),
      count: 1,
    }));
  }
  const lines = n.panels(withZeroRow(n, task.dy, dims), [images, outputs, rows.out + 1, columns.out]);
  const kernels = n.b.op('Gather', [lines, shiftedLines(task)], { axis: 2 });
  return [{ kernels, count: columns.kernel }];
}

/** The line of dY that meets a pixel of X for each column of the kernel, or the first of zeros: by column, row of dY, pixel. */
function shiftedLines({ n, axes }: WeightGradTask): Value {
  const [rows, columns] = axes;
  const { out, kernel, begin, dilation } = columns;
  const width = roundUp(columns.size, n.block);
  const key = `shifted lines of ${rows.out}×${out}, ${kernel} by ${dilation} from ${begin} on ${columns.size}`;
  return n.shared(key, () => {
    const order = new Int32Array(kernel * rows.out * width);
    let at = 0;
    for (let j = 0; j < kernel; j++)
      for (let r = 0; r < rows.out; r++)
        for (let x = 0; x < width; x++) {
          const q = x + begin - j * dilation;
          order[at++] = x >= columns.size || q < 0 || q >= out ? rows.out * out : r * out + q;
        }
    return n.b.constant(Tensor.int32([order.length], order));
  });
}
