/**
 * dW of dense convolutions, stems included: the maps of dY, as large as they are, are kernels that slide over X.
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
import type { Value } from '../../../../onnx/index.js';
import type { Axis } from '../geometry.js';
import { permuteRows } from '../rows.js';
import { areChained, type Grouping, groupingOf, isWhole } from './grouping.js';
import { imagesOf, linesOf, type PartOfTask, sourceOf } from './map-source.js';
import { pixelsOf, sumFirst, type WeightGradTask } from './task.js';

export function byMaps(task: WeightGradTask): Value {
  const { n, outputs, inputs, axes } = task;
  const [first, ...others] = imageParts(task);
  const sum = others.reduce((all, part) => sumByTaps(part, all), sumByTaps(first));
  return n.reshape(inOrder(task, sum), [outputs, inputs, ...axes.map((a) => a.kernel)]);
}

/** What {@link sumByTaps} makes, as the kernel lies. */
function inOrder(task: WeightGradTask, sum: Value): Value {
  const { n, outputs, inputs, axes, kind } = task;
  const { b, block } = n;
  const [kh, kw] = axes.map((a) => a.kernel);
  switch (kind) {
    case 'dense':
      return b.op('Transpose', [sum], { perm: [0, 2, 1, 3, 4] });
    case 'stem':
      return b.op('Transpose', [n.reshape(sum, [outputs / block, kh * kw, inputs, block])], {
        perm: [0, 2, 1, 3],
      });
    case 'map':
      return permuteRows(n, sum, [outputs / block, kh, inputs / block, kw, block], [0, 2, 4, 1, 3]);
  }
}

/** All images of a task, or some, where they are no count that the runtime takes, or few large groups. */
function imageParts(task: WeightGradTask): readonly PartOfTask[] {
  let next = 0;
  return imageCounts(task).map((images) => {
    const first = next;
    next += images;
    return { ...task, images, first, total: task.images };
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

/** [O/B, kh, C/B, kw, B·B], or [O/B, kh, 1, kw, C·B] of a stem. @param before is added */
function sumByTaps(task: PartOfTask, before?: Value): Value {
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
function sumOfMaps(task: PartOfTask, before?: Value): Value {
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

/** dY as [groups·O, images·bands, rows, oW] */
function kernelsOf(task: PartOfTask, { images, bands }: Grouping): Value {
  const { n, outputs, axes } = task;
  const groups = task.images / images;
  const dims = [groups * outputs, images * bands, axes[0].out / bands, axes[1].out];
  if (images === 1) return n.reshape(imagesOf(task, task.dy), dims);
  const blocks = outputs / n.block;
  const turned = permuteRows(n, task.dy, [groups, images, blocks], [0, 2, 1], {
    width: pixelsOf(task) * n.block,
    total: task.total * blocks,
    first: task.first * blocks,
  });
  return n.reshape(turned, dims);
}
