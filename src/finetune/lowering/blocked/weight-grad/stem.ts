import { Tensor, type Value } from '../../../../onnx/index.js';
import { type Axis, sourceOf } from '../geometry.js';
import { outputDims, sumFirst, type WeightGradTask } from './task.js';

/**
 * The first convolution of a network: few input channels, NCHW. The rows that every tap reads are put together in two
 * steps and multiplied with dY's panels, image by image:
 *   columns: each row of X times a matrix of zeros and ones gives, for each tap of the kernel's row, the pixels that it
 *   reads in that row, stride, dilation and padding included, and one empty line more;
 *   rows: one Gather of whole lines, the empty one where a tap lies outside.
 * The product [O/B, C·kh·kw, B] is the packed kernel.
 */
export function stem(task: WeightGradTask): Value {
  const { n, x, inputs, outputs, images, axes } = task;
  const { b, block } = n;
  const [rows, columns] = axes;
  const lines = columns.kernel + 1;
  const picked = b.op('MatMul', [
    n.reshape(x, [images * inputs * rows.size, columns.size]),
    pickColumns(task, columns, lines),
  ]);
  const gathered = b.op(
    'Gather',
    [
      n.reshape(picked, [images, inputs * rows.size * lines, columns.out]),
      linesOfTaps(task, rows, columns, lines),
    ],
    { axis: 1 },
  );
  const taps = inputs * rows.kernel * columns.kernel;
  const pixels = rows.out * columns.out;
  const product = b.op('MatMul', [
    n.reshape(gathered, [images, 1, taps, pixels]),
    n.panels(task.dy, outputDims(task)),
  ]);
  const kernel = [outputs, inputs, rows.kernel, columns.kernel];
  return n.reshape(n.reshape(sumFirst(task, product), [outputs / block, taps, block]), kernel);
}

/** [W, lines · oW]: 1 where tap j of output column q reads column w; the last line stays empty. */
function pickColumns({ n }: WeightGradTask, columns: Axis, lines: number): Value {
  const width = lines * columns.out;
  const data = new Float32Array(columns.size * width);
  for (let j = 0; j < columns.kernel; j++)
    for (let q = 0; q < columns.out; q++) {
      const at = sourceOf(columns, q, j);
      if (at !== undefined) data[at * width + j * columns.out + q] = 1;
    }
  return n.b.f32(data, [columns.size, width]);
}

/** For each channel, tap and output row the line of {@link pickColumns} that it is. */
function linesOfTaps({ n, inputs }: WeightGradTask, rows: Axis, columns: Axis, lines: number): Value {
  const empty = columns.kernel;
  const order = new Int32Array(inputs * rows.kernel * columns.kernel * rows.out);
  let at = 0;
  for (let c = 0; c < inputs; c++)
    for (let i = 0; i < rows.kernel; i++)
      for (let j = 0; j < columns.kernel; j++)
        for (let r = 0; r < rows.out; r++) {
          const row = sourceOf(rows, r, i);
          order[at++] = row === undefined ? empty : (c * rows.size + row) * lines + j;
        }
  return n.b.constant(Tensor.int32([order.length], order));
}
