/**
 * dW of dense convolutions, stems included: the maps of dY, as large as they are, are kernels that slide
 * over X.
 *
 * For the runtime they are kernels of a convolution of few input channels, whose input is plain and whose kernels have
 * blocks of output channels only: what dY is, as it lies. A row of the plain input is a row of pixels of one block of
 * channels, as it lies in X, so that a step of one column goes from channel to channel, and kw·B columns of the result are
 * a row of taps; the rows of all blocks take turns, so that kh·C/B rows of the result are the taps' rows of all blocks. The
 * stride becomes the kernel's dilation. No copies for the taps, and no product but those that count. (Taps of a dilated
 * kernel do not lie side by side: each is a kernel of its own.)
 *
 * Each image is a group with kernels of its own, and the images are summed afterwards. Where dW is larger than the maps, a
 * group takes several images as input channels. Bands of rows are input channels, too, where whole maps are more than a
 * core's cache keeps.
 */
import { Tensor, type Value } from '../../../../onnx/index.js';
import type { Axis } from '../geometry.js';
import type { Nchwc } from '../nchwc.js';
import { movedPixels } from '../pixels.js';
import { areChained, type Grouping, groupingOf, isWhole } from './grouping.js';
import { inputDims, pixelsOf, sumFirst, type WeightGradTask } from './task.js';

export function byMaps(task: WeightGradTask): Value {
  const { n, outputs, inputs, axes, kind } = task;
  const [first, ...others] = imageParts(task);
  const sum = others.reduce((all, part) => sumByTaps(part, all), sumByTaps(first));
  const [kh, kw] = axes.map((a) => a.kernel);
  const [taps, perm] =
    kind === 'stem'
      ? [n.reshape(sum, [outputs / n.block, kh * kw, inputs, n.block]), [0, 2, 1, 3]]
      : [sum, [0, 2, 1, 3, 4]];
  return n.reshape(n.b.op('Transpose', [taps], { perm }), [outputs, inputs, kh, kw]);
}

/** The task, or several of some of its images where they are no count that the runtime takes, or few large groups. */
function imageParts(task: WeightGradTask): readonly WeightGradTask[] {
  let first = 0;
  return imageCounts(task).map((images) => {
    const [x, dy] = [task.x, task.dy].map((v) => imagesOf(task, v, first, images));
    first += images;
    return { ...task, images, x, dy };
  });
}

function imageCounts(task: WeightGradTask): readonly number[] {
  const { block } = task.n;
  const { images, bands } = groupingOf(task, block);
  if (!isWhole(task.images * bands, block)) {
    const rest = task.images % block;
    return [task.images - rest, rest];
  }
  const groups = task.images / images;
  return areChained(images, groups) ? new Array<number>(groups).fill(images) : [task.images];
}

function imagesOf({ n, images }: WeightGradTask, v: Value, first: number, count: number): Value {
  if (count === images) return v;
  const bounds = [first, first + count, 0].map((at) => n.b.i64([at]));
  return n.b.op('Slice', [v, ...bounds]);
}

/** [O/B, kh, C/B, kw, B·B], or [O/B, kh, 1, kw, C·B] of a stem. @param before is added */
function sumByTaps(task: WeightGradTask, before?: Value): Value {
  const { b } = task.n;
  const [rows, columns] = task.axes.map(undilated);
  const parts = rows.map((r) => columns.map((c) => ({ ...task, axes: [r, c] })));
  if (rows.length * columns.length === 1) return sumOfMaps(parts[0][0], before);
  const joined = parts.map((row) =>
    b.op(
      'Concat',
      row.map((part) => sumOfMaps(part)),
      { axis: 3 },
    ),
  );
  const sum = b.op('Concat', joined, { axis: 1 });
  return before ? b.op('Add', [before, sum]) : sum;
}

function undilated(a: Axis): readonly Axis[] {
  if (a.dilation === 1) return [a];
  return Array.from({ length: a.kernel }, (_, tap) => ({
    ...a,
    kernel: 1,
    dilation: 1,
    begin: a.begin - tap * a.dilation,
  }));
}

/** The same of a kernel without dilation. */
function sumOfMaps(task: WeightGradTask, before?: Value): Value {
  const { n, images, outputs, axes } = task;
  const { lines, together } = linesOf(task);
  const [rows, columns] = axes;
  const grouping = groupingOf(task, n.block);
  const groups = images / grouping.images;
  const x = sourceOf(task, grouping.bands);
  const dims = [1, groups * outputs, rows.kernel * lines, columns.kernel * together];
  const product = n.conv(x.rows, kernelsOf(task, grouping), dims, {
    kernel: [rows.out / grouping.bands, columns.out],
    dilations: [rows.stride * lines, columns.stride * together],
    pads: [x.above, 0, x.below, 0],
    group: groups,
    ...(before && groups === 1 && { sum: n.reshape(before, dims) }),
  });
  const each = [outputs / n.block, rows.kernel, lines, columns.kernel, together * n.block];
  if (groups === 1) return n.reshape(product, each);
  const sum = sumFirst(task, n.reshape(product, [groups, ...each]));
  return before ? n.b.op('Add', [before, sum]) : sum;
}

/** How many lines of X a row of pixels is, and how many channels lie together in one. */
function linesOf({ kind, n, inputs }: WeightGradTask): { readonly lines: number; readonly together: number } {
  return kind === 'stem' ? { lines: 1, together: inputs } : { lines: inputs / n.block, together: n.block };
}

/** dY as [groups·O, images·bands, rows, oW] */
function kernelsOf(task: WeightGradTask, { images, bands }: Grouping): Value {
  const { n, outputs, axes } = task;
  const groups = task.images / images;
  const dims = [groups * outputs, images * bands, axes[0].out / bands, axes[1].out];
  if (images === 1) return n.reshape(task.dy, dims);
  const apart = n.reshape(task.dy, [groups, images, outputs / n.block, pixelsOf(task) * n.block]);
  return n.reshape(n.b.op('Transpose', [apart], { perm: [0, 2, 1, 3] }), dims);
}

/** X as the product reads it, and the rows of zeros that are still to be imagined around it. */
interface Source {
  /** [1, images·bands, rows·lines, columns·channels] */
  readonly rows: Value;
  readonly above: number;
  readonly below: number;
}

function sourceOf(task: WeightGradTask, bands: number): Source {
  const { begin } = task.axes[0];
  const seen = begin >= 0 && begin < reachOf(task.axes[0]);
  return bands === 1 && seen ? imagined(task) : framed(task, bands);
}

/** Rows of zeros cost nothing where the product passes over them. */
function imagined(task: WeightGradTask): Source {
  const { n, images, axes } = task;
  const [rows, columns] = axes;
  const { lines, together } = linesOf(task);
  const [reach, width] = [reachOf(rows), reachOf(columns)];
  const height = Math.min(rows.size, reach - rows.begin);
  const x = rowsOf(task, [height, width], [0, columns.begin]);
  return {
    rows: n.reshape(x, [1, images, height * lines, width * together]),
    above: rows.begin * lines,
    below: (reach - rows.begin - height) * lines,
  };
}

/** The rows that each band of dY's rows reads; neighbours share some. */
function framed(task: WeightGradTask, bands: number): Source {
  const { n, images, axes } = task;
  const [rows, columns] = axes;
  const { lines, together } = linesOf(task);
  const [height, width] = [reachOf(rows), reachOf(columns)];
  const step = (rows.out / bands) * rows.stride;
  const each = height - (bands - 1) * step;
  const whole = rowsOf(task, [height, width], [rows.begin, columns.begin]);
  const order = (): Value =>
    n.shared(`${bands} bands of ${each} rows by ${step}`, () =>
      n.b.constant(
        Tensor.int32(
          [bands * each],
          Array.from({ length: bands * each }, (_, i) => Math.floor(i / each) * step + (i % each)),
        ),
      ),
    );
  const x =
    bands === 1
      ? whole
      : n.b.op('Gather', [n.reshape(whole, [images, height, lines * width * together]), order()], {
          axis: 1,
        });
  return { rows: n.reshape(x, [1, images * bands, each * lines, width * together]), above: 0, below: 0 };
}

/** From the first pixel that a window reads to the last, padding included. */
function reachOf(a: Axis): number {
  return (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1;
}

/** X moved into a frame of `size`, zeros around it: by image, row, line of channels, column, channel. */
function rowsOf(task: WeightGradTask, size: readonly number[], shifts: readonly number[]): Value {
  const { n, t, kind, x, images } = task;
  const { lines, together } = linesOf(task);
  const [height, width] = size;
  return t.derived(x, `rows of ${size} from ${shifts}`, () => {
    if (kind === 'stem') return stemRows(task, size, shifts);
    const moved = movedPixels(n, x, inputDims(task), size, shifts);
    if (lines === 1) return moved;
    const apart = n.reshape(moved, [images, lines, height, width * together]);
    return n.b.op('Transpose', [apart], { perm: [0, 2, 1, 3] });
  });
}

/** X of a stem, in NCHW, with its channels last, and rows and columns of zeros, or fewer than it has. */
function stemRows(
  { n, x, images, inputs, axes }: WeightGradTask,
  size: readonly number[],
  before: readonly number[],
): Value {
  const [h, w] = axes.map((a) => a.size);
  const rows = n.reshape(channelsLast(n, x, [images, inputs, h * w]), [images, h, w * inputs]);
  const [below, right] = axes.map((a, i) => size[i] - a.size - before[i]);
  const pads = [0, before[0], before[1] * inputs, 0, below, right * inputs];
  return pads.every((p) => p === 0) ? rows : n.b.op('Pad', [rows, n.b.i64(pads)]);
}

/** [N, C, P] → [N, P, C] of few channels: put in turn they take a third of the time of a Transpose. */
function channelsLast(n: Nchwc, x: Value, [images, channels, pixels]: readonly number[]): Value {
  const { b } = n;
  const apart = n.reshape(x, [images, channels, pixels]);
  if (channels === 1) return apart;
  const each = b.ops(
    'Split',
    [apart, b.i64(new Array<number>(channels).fill(1))],
    { axis: 1 },
    { outputs: channels },
  );
  return b.op(
    'Concat',
    each.map((v) => n.reshape(v, [images, pixels, 1])),
    { axis: 2 },
  );
}
