/** X as dW by maps reads it (maps.ts): rows of pixels with channels innermost, the rows of all blocks in turn. */
import { Tensor, type Value } from '../../../../onnx/index.js';
import type { Axis } from '../geometry.js';
import type { Nchwc } from '../nchwc.js';
import { movedPixels } from '../pixels.js';
import { permuteRows } from '../rows.js';
import { inputDims, type WeightGradTask } from './task.js';

/** Some of the images of a task; x and dy are of all. */
export interface PartOfTask extends WeightGradTask {
  /** The first of them. */
  readonly first: number;
  /** How many x and dy are of. */
  readonly total: number;
}

/** The images of a tensor of all. */
export function imagesOf({ n, images, first, total }: PartOfTask, v: Value): Value {
  if (images === total) return v;
  const bounds = [first, first + images, 0].map((at) => n.b.i64([at]));
  return n.b.op('Slice', [v, ...bounds]);
}

/** How many lines of X a row of pixels is, and how many channels lie together in one. */
export function linesOf({ kind, n, inputs }: WeightGradTask): {
  readonly lines: number;
  readonly together: number;
} {
  return kind === 'stem' ? { lines: 1, together: inputs } : { lines: inputs / n.block, together: n.block };
}

/** X as the product reads it, and the rows of zeros that are still to be imagined around it. */
export interface Source {
  /** [1, images·bands, rows·lines, columns·channels] */
  readonly rows: Value;
  readonly above: number;
  readonly below: number;
}

/** @param bands that the rows of dY are cut into */
export function sourceOf(task: PartOfTask, bands: number): Source {
  const { begin } = task.axes[0];
  const seen = begin >= 0 && begin < reachOf(task.axes[0]);
  return bands === 1 && seen ? imagined(task) : framed(task, bands);
}

/** Rows of zeros cost nothing where the product passes over them. */
function imagined(task: PartOfTask): Source {
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
function framed(task: PartOfTask, bands: number): Source {
  const { n, images, axes } = task;
  const [rows, columns] = axes;
  const { lines, together } = linesOf(task);
  const [height, width] = [reachOf(rows), reachOf(columns)];
  const step = (rows.out / bands) * rows.stride;
  const each = height - (bands - 1) * step;
  const whole = rowsOf(task, [height, width], [rows.begin, columns.begin]);
  const lying = n.reshape(whole, [images, height, lines * width * together]);
  const x = bands === 1 ? lying : n.b.op('Gather', [lying, rowsOfBands(n, bands, each, step)], { axis: 1 });
  return { rows: n.reshape(x, [1, images * bands, each * lines, width * together]), above: 0, below: 0 };
}

/** Of bands of `each` rows that begin `step` rows apart, one after the other. */
function rowsOfBands(n: Nchwc, bands: number, each: number, step: number): Value {
  return n.shared(`${bands} bands of ${each} rows by ${step}`, () => {
    const rows = Array.from({ length: bands * each }, (_, i) => Math.floor(i / each) * step + (i % each));
    return n.b.constant(Tensor.int32([rows.length], rows));
  });
}

/** From the first pixel that a window reads to the last, padding included. */
function reachOf(a: Axis): number {
  return (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1;
}

/** X moved into a frame of `size`, zeros around it: by image, row, line of channels, column, channel. */
function rowsOf(task: PartOfTask, size: readonly number[], shifts: readonly number[]): Value {
  const { n, t, kind, x, images, first, total } = task;
  const { lines, together } = linesOf(task);
  const [height, width] = size;
  return t.derived(x, `rows of ${size} from ${shifts}, ${images} images from ${first}`, () => {
    if (kind === 'stem') return stemRows({ ...task, x: imagesOf(task, x) }, size, shifts);
    const moved = t.derived(x, `moved by ${shifts} in ${size}`, () =>
      movedPixels(n, x, inputDims({ ...task, images: total }), size, shifts),
    );
    if (lines === 1) return imagesOf(task, moved);
    return permuteRows(n, moved, [images, lines, height], [0, 2, 1], {
      width: width * together,
      total: total * lines * height,
      first: first * lines * height,
    });
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
