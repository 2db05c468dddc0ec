/** dW of dense kernels of more than one tap, by taps and by shifted copies. */
import { Tensor, type Value } from '../../../../onnx/index.js';
import { stacksInputs } from '../cost.js';
import { sourceOf } from '../geometry.js';
import { transposeBlocks } from '../kernel.js';
import { oneHot, withZeroRow } from '../pixels.js';
import { imageProducts, joinedPanels, joinedProduct } from './pixel-product.js';
import {
  channelRows,
  inputDims,
  outputDims,
  pixelsOf,
  sumFirst,
  tapsOf,
  type WeightGradShape,
  type WeightGradTask,
} from './task.js';

function kernelOf({ axes }: Pick<WeightGradShape, 'axes'>): readonly [number, number] {
  return [axes[0].kernel, axes[1].kernel];
}

/** Pixel of X that tap (i, j) of output (r, q) reads, or the first one of the row of zeros. */
function pixelOf(
  { axes: [rows, columns] }: Pick<WeightGradShape, 'axes'>,
  r: number,
  q: number,
  i: number,
  j: number,
): number {
  const [y, x] = [sourceOf(rows, r, i), sourceOf(columns, q, j)];
  return y === undefined || x === undefined ? rows.size * columns.size : y * columns.size + x;
}

/** The lines of B channels, within one block, that a window of every pixel reads: by tap, pixel. */
export function tapLines(task: Pick<WeightGradShape, 'axes'>): Int32Array {
  const [kh, kw] = kernelOf(task);
  const [oh, ow] = task.axes.map((a) => a.out);
  const order = new Int32Array(kh * kw * oh * ow);
  let at = 0;
  for (let i = 0; i < kh; i++)
    for (let j = 0; j < kw; j++)
      for (let r = 0; r < oh; r++) for (let q = 0; q < ow; q++) order[at++] = pixelOf(task, r, q, i, j);
  return order;
}

/** Pixels of a map of X with its row of zeros. */
export function linesOf({ axes: [rows, columns] }: Pick<WeightGradShape, 'axes'>): number {
  return (rows.size + 1) * columns.size;
}

/** For each tap a panel of the pixels it reads, and a product with dY for each image. */
export function byTaps(task: WeightGradTask): Value {
  const { n, images, inputs, outputs } = task;
  const { block } = n;
  const taps = tapsOf(task);
  const perBlock = [images, inputs / block, linesOf(task), block];
  const lines = n.reshape(withZeroRow(n, task.x, inputDims(task)), perBlock);
  const panels = n.b.op('Gather', [lines, linesOfTaps(task, 1)], { axis: 2 });
  const dy = { value: task.dy, dims: outputDims(task) };
  return tapByTap(task, sumFirst(task, imageProducts(task, dy, panels, inputs * taps)), outputs);
}

/** The same over the pixels of all images at once: small maps, whose pixels may not fill blocks. */
export function byJoinedTaps(task: WeightGradTask): Value {
  const { n, images, inputs, outputs, axes } = task;
  const { block } = n;
  const taps = tapsOf(task);
  const high = [images, inputs, axes[0].size + 1, axes[1].size];
  const lines = joinedPanels(task, { value: withZeroRow(n, task.x, inputDims(task)), dims: high });
  const panels = n.reshape(n.b.op('Gather', [lines, linesOfTaps(task, images)], { axis: 1 }), [
    (inputs / block) * taps,
    images * pixelsOf(task),
    block,
  ]);
  const dy = { value: task.dy, dims: outputDims(task) };
  return tapByTap(task, joinedProduct(task, dy, panels, inputs * taps), outputs);
}

/** {@link tapLines} of so many images one behind the other: by tap, image, pixel. */
function linesOfTaps(task: WeightGradTask, images: number): Value {
  const { n, axes } = task;
  const key = axes.flatMap((a) => [a.size, a.out, a.kernel, a.stride, a.dilation, a.begin]);
  return n.shared(`lines of taps [${key}] ${images}`, () => {
    const each = tapLines(task);
    const taps = tapsOf(task);
    const [pixels, lines] = [each.length / taps, linesOf(task)];
    const order = new Int32Array(images * each.length);
    for (let at = 0, tap = 0; tap < taps; tap++)
      for (let image = 0; image < images; image++)
        for (let p = 0; p < pixels; p++) order[at++] = image * lines + each[tap * pixels + p];
    return n.b.constant(Tensor.int32([order.length], order));
  });
}

/** [C/B, taps, O, B] → packed [O, C, kh, kw] */
function tapByTap(task: WeightGradTask, product: Value, outputs: number): Value {
  const { n, inputs, axes } = task;
  const { b, block } = n;
  const ob = outputs / block;
  const panels = (inputs / block) * tapsOf(task);
  const blocks = b.op('Transpose', [n.reshape(product, [panels, ob, block * block])], { perm: [1, 0, 2] });
  const packed = transposeBlocks(b, block, blocks, ob * panels);
  return n.reshape(packed, [outputs, inputs, ...axes.map((a) => a.kernel)]);
}

/**
 * Stride 1: columns shifted on X by one-hot row kernels, rows shifted on dY by padding, so that tap (i, j) is the product
 * of a shifted X and a shifted dY over all pixels of a frame as high as the padded input. No Slice, no Gather.
 */
export function byShifts(task: WeightGradTask): Value {
  const { n, images, inputs, outputs, axes, dy } = task;
  const { b, block } = n;
  const [kh, kw] = kernelOf(task);
  const [rows, columns] = axes;
  const height = rows.size + rows.begin + rows.end;
  const width = columns.out;
  const stacked = stacksInputs(task);
  const frame = [images, inputs, height, width];
  const shifted = stacked ? [] : shiftedRows(task, frame);
  const lowered = Array.from({ length: kh }, (_, i) => {
    const above = i * rows.dilation;
    const dims = [images, outputs, height, width];
    const v = n.affine(dy, dims, { pads: [above, 0, height - rows.out - above, 0] });
    return n.panels(v, dims);
  });
  const [ob, ib] = [outputs / block, inputs / block];
  const kernel = [outputs, inputs, kh, kw];
  if (stacked) {
    const stack = stackedRows(task, frame);
    const each = lowered.map((g) =>
      n.reshape(sumFirst(task, b.op('MatMul', [stack, g])), [ob, kw, ib, block * block]),
    );
    const joined = each.length === 1 ? each[0] : b.op('Concat', each, { axis: 1 });
    return n.reshape(b.op('Transpose', [joined], { perm: [0, 2, 1, 3] }), kernel);
  }
  const each = lowered.flatMap((g) =>
    shifted.map((v) => n.reshape(sumFirst(task, b.op('MatMul', [v, g])), [ob, ib, 1, block * block])),
  );
  return n.reshape(b.op('Concat', each, { axis: 2 }), kernel);
}

/** X shifted by each column of the kernel, [N, 1, C, pixels] each. */
function shiftedRows(task: WeightGradTask, frame: readonly number[]): Value[] {
  const { n, images, inputs, axes } = task;
  const [rows, columns] = axes;
  return Array.from({ length: columns.kernel }, (_, j) => {
    const v = n.conv(task.x, oneHot(n, inputs, [1, columns.kernel], [0, j], 1), frame, {
      kernel: [1, columns.kernel],
      dilations: [1, columns.dilation],
      pads: [rows.begin, columns.begin, rows.end, columns.end],
      group: inputs,
    });
    return n.reshape(channelRows(task, v, frame), [images, 1, inputs, frame[2] * frame[3]]);
  });
}

/** The same, one under the other, [N, 1, k·C, pixels]: each row of X times matrices of zeros and ones. */
function stackedRows(task: WeightGradTask, frame: readonly number[]): Value {
  const { n, images, inputs, axes } = task;
  const [rows, columns] = axes;
  const high = [images, inputs, frame[2], columns.size];
  const padded = n.affine(task.x, high, { pads: [rows.begin, 0, rows.end, 0] });
  const lines = n.reshape(channelRows(task, padded, high), [images, 1, inputs * frame[2], columns.size]);
  const taps = columns.kernel;
  const shifts = n.shared(
    `columns of ${taps} in ${columns.size} from ${columns.begin} by ${columns.dilation} to ${columns.out}`,
    () => {
      const data = new Float32Array(taps * columns.size * columns.out);
      for (let j = 0; j < taps; j++)
        for (let q = 0; q < columns.out; q++) {
          const from = sourceOf(columns, q, j);
          if (from !== undefined) data[(j * columns.size + from) * columns.out + q] = 1;
        }
      return n.b.f32(data, [1, taps, columns.size, columns.out]);
    },
  );
  return n.reshape(n.b.op('MatMul', [lines, shifts]), [images, 1, taps * inputs, frame[2] * frame[3]]);
}
