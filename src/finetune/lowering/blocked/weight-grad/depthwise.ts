import type { Value } from '../../../../onnx/index.js';
import { inputDims, sumFirst, type WeightGradTask } from './task.js';

/**
 * "Dot convolution": batch and channels as one axis of groups, dY as kernels as large as the maps, stride and dilation
 * changing places. No copies: the depthwise kernel's layout is the activation's.
 */
export function depthwise(task: WeightGradTask): Value {
  const { n, x, dy, images, inputs, axes } = task;
  const groups = images * inputs;
  const ends = axes.map((a) => {
    const extent = (a.kernel - 1) * a.dilation + 1;
    return a.end - ((a.size + a.begin + a.end - extent) % a.stride);
  });
  // Where windows leave rows of the input itself unread, those are cut off: a pad cannot be negative.
  const cut = axes.map((a, i) => a.size + Math.min(0, ends[i]));
  // Every window lies in the padding.
  if (cut.some((h) => h <= 0)) return n.constant([inputs, 1, ...axes.map((a) => a.kernel)], 0);
  const source = cut.every((h, i) => h === axes[i].size) ? x : cropped(task, cut);
  const kernel = axes.map((a) => a.kernel);
  const d = n.conv(
    n.reshape(source, [1, groups, ...cut]),
    n.reshape(dy, [groups, 1, ...axes.map((a) => a.out)]),
    [1, groups, ...kernel],
    {
      kernel: axes.map((a) => a.out),
      strides: axes.map((a) => a.dilation),
      dilations: axes.map((a) => a.stride),
      pads: [...axes.map((a) => a.begin), ...ends.map((e) => Math.max(0, e))],
      group: groups,
    },
  );
  const taps = kernel[0] * kernel[1];
  return n.reshape(sumFirst(task, n.reshape(d, [images, inputs * taps])), [inputs, 1, ...kernel]);
}

function cropped(task: WeightGradTask, to: readonly number[]): Value {
  const { n, x, images, inputs } = task;
  const [, , h, w] = inputDims(task);
  const whole = n.reshape(x, [images, inputs / n.block, h, w, n.block]);
  return n.b.op('Slice', [whole, n.b.i64([0, 0]), n.b.i64(to), n.b.i64([2, 3])]);
}
