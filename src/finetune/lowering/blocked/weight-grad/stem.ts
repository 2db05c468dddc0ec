import { Tensor, type Value } from '../../../../onnx/index.js';
import type { Axis } from '../geometry.js';
import { outputDims, sumFirst, type WeightGradTask } from './task.js';

/**
 * The first convolution of a network: few input channels, NCHW. The stride's residues become channels (space to depth),
 * so that one block holds them all and every tap of the strided kernel is a tap of a smaller stride-1 kernel on it. For
 * each of these X is shifted by one-hot depthwise convolutions, and a product with dY per image gives B input channels.
 */
export function stem(task: WeightGradTask): Value {
  const { n, inputs, outputs, images, axes } = task;
  const { b, block } = n;
  const [rows, columns] = axes;
  const [top, left] = axes.map(shiftsOf);
  const cells = [Math.ceil(rows.size / rows.stride), Math.ceil(columns.size / columns.stride)];
  const folded = foldStride(task, cells);
  const frame = [images, block, ...cells];
  const source = n.op('ReorderInput', [folded], frame);
  const out = outputDims(task);
  const pixels = out[2] * out[3];
  const dyRows = n.reshape(n.op('ReorderOutput', [task.dy], out, { channels: outputs }), [
    images,
    outputs,
    pixels,
  ]);
  const parts: Value[] = [];
  // Shifted by columns first, on all rows that any shift by rows needs.
  const height = out[2] + top.count - 1;
  const above = -top.first;
  const below = height - cells[0] - above;
  for (let j = 0; j < left.count; j++) {
    const before = -left.first;
    const after = out[3] + left.count - 1 - cells[1] - before;
    const byColumn = shift(n, source, [images, block, height, out[3]], [1, left.count], j, [
      above,
      before,
      below,
      after,
    ]);
    for (let i = 0; i < top.count; i++) {
      const window = shift(n, byColumn, [images, block, out[2], out[3]], [top.count, 1], i, [0, 0, 0, 0]);
      const panel = n.reshape(window, [images, pixels, block]);
      parts[i * left.count + j] = n.reshape(sumFirst(task, b.op('MatMul', [dyRows, panel])), [
        1,
        outputs,
        block,
      ]);
    }
  }
  // [shifts, O, cell channel] → [(shift, cell channel), O/B, B] → the rows that are taps, in the order of the kernel.
  const all = parts.length === 1 ? parts[0] : b.op('Concat', parts, { axis: 0 });
  const turned = n.reshape(b.op('Transpose', [all], { perm: [0, 2, 1] }), [
    parts.length * block,
    outputs / block,
    block,
  ]);
  const picked: number[] = [];
  for (let c = 0; c < inputs; c++)
    for (let i = 0; i < rows.kernel; i++)
      for (let j = 0; j < columns.kernel; j++) {
        const [y, x] = [placeOf(rows, i), placeOf(columns, j)];
        const part = (y.shift - top.first) * left.count + (x.shift - left.first);
        picked.push(part * block + (y.residue * columns.stride + x.residue) * inputs + c);
      }
  const taken = b.op('Gather', [turned, b.constant(Tensor.int32([picked.length], picked))], { axis: 0 });
  return n.reshape(b.op('Transpose', [taken], { perm: [1, 0, 2] }), [
    outputs,
    inputs,
    rows.kernel,
    columns.kernel,
  ]);
}

/** Whether all residues of all channels fit into one block, and no window leaves rows out. */
export function stemFits(axes: readonly Axis[], channels: number, block: number): boolean {
  return (
    axes.every((a) => a.dilation === 1) &&
    channels * axes[0].stride * axes[1].stride <= block &&
    axes.every((a) => {
      const { first, count } = shiftsOf(a);
      return first <= 0 && a.out + count - 1 - Math.ceil(a.size / a.stride) + first >= 0;
    })
  );
}

/** Tap i reads index s·o + i − begin = s·(o + shift) + residue. */
function placeOf(a: Axis, tap: number): { shift: number; residue: number } {
  const at = tap - a.begin;
  const shift = Math.floor(at / a.stride);
  return { shift, residue: at - shift * a.stride };
}

function shiftsOf(a: Axis): { first: number; count: number } {
  const first = placeOf(a, 0).shift;
  return { first, count: placeOf(a, a.kernel - 1).shift - first + 1 };
}

/** [N, C, H, W] → [N, B, H/s, W/s]: channel (residue row, residue column, c), the rest zero. */
function foldStride({ n, x, images, inputs, axes }: WeightGradTask, cells: readonly number[]): Value {
  const { b, block } = n;
  const [rows, columns] = axes;
  const room = axes.map((a, i) => cells[i] * a.stride - a.size);
  const even = room.every((r) => r === 0) ? x : b.op('Pad', [x, b.i64([0, 0, 0, 0, 0, 0, room[0], room[1]])]);
  const folded =
    rows.stride === 1 && columns.stride === 1
      ? even
      : n.reshape(
          b.op(
            'Transpose',
            [n.reshape(even, [images, inputs, cells[0], rows.stride, cells[1], columns.stride])],
            { perm: [0, 3, 5, 1, 2, 4] },
          ),
          [images, inputs * rows.stride * columns.stride, ...cells],
        );
  const missing = block - inputs * rows.stride * columns.stride;
  return missing === 0 ? folded : b.op('Pad', [folded, b.i64([0, 0, 0, 0, 0, missing, 0, 0])]);
}

/** Moves a one-block tensor by tap `at` of a kernel of `size`: a one-hot depthwise convolution. */
function shift(
  n: WeightGradTask['n'],
  v: Value,
  dims: readonly number[],
  size: readonly number[],
  at: number,
  pads: readonly number[],
): Value {
  const taps = size[0] * size[1];
  const kernel = n.shared(`stem tap ${at} of [${size}]`, () => {
    const data = new Float32Array(taps * n.block);
    data.fill(1, at * n.block, (at + 1) * n.block);
    return n.b.f32(data, [n.block, 1, ...size]);
  });
  return n.conv(v, kernel, dims, { kernel: size, pads, group: n.block });
}
