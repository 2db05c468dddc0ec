/**
 * The gradient of a convolution by its input, on blocked tensors.
 *
 * Stride 1: a convolution of dY with the kernel turned around (taps reversed, channels swapped).
 * Stride s, dense: s² such convolutions, one for each phase of the input (see {@link phasesOf}), interleaved.
 * Stride s, depthwise: dY spaced out with zeros, then as for stride 1: its few products cost less than putting phases
 * together.
 */
import type { Value } from '../../../onnx/index.js';
import { geometryOf } from '../../autodiff/geometry.js';
import { type Axis, axesOf, kernelLayout, type Phase, phasesOf } from './geometry.js';
import { convolve } from './images-in-turn.js';
import { inputGradKernel, type KernelLayout, scaleOutputs } from './kernel.js';
import type { Blocked } from './nchwc.js';
import { interleavePhases, scatterPixels, spacedPixels } from './pixels.js';
import type { BlockedContext } from './rule.js';
import type { Pending } from './tracker.js';

export function convInputGrad(c: BlockedContext): boolean {
  const { n, t, node } = c;
  const [dy, w] = [node.input(0), node.input(1)];
  const unstored = t.entry(dy);
  if (unstored?.kind === 'unstored') {
    t.set(node.output(), { kind: 'pending', pending: unstored.gradient.input });
    return true;
  }
  const [dyShape, wShape] = [c.shape(dy), c.shape(w)];
  const g = geometryOf(node);
  const xShape = node.ints('shape') ?? [];
  const layout = kernelLayout(xShape, wShape, g.group, n.block, false);
  if (!layout) return false;
  const axes = axesOf(g, xShape.slice(2), dyShape.slice(2));
  const plan = planOf(axes, layout.kind);
  if (!plan) return false;
  const { gradient, factor } = gradientOf(c, dy);
  const kernel = t.kernel(w, layout);
  const packed = factor ? scaleOutputs(n.b, layout, kernel, factor) : kernel;
  const inputs = n.padded(xShape[1]);
  const dims = [xShape[0], inputs, ...xShape.slice(2)];
  const task: Task = { c, layout, packed, dy: gradient.value, dims, channels: xShape[1], axes };
  t.set(node.output(), { kind: 'pending', pending: plan(task) });
  return true;
}

/** dY as the convolution's gradients read it: a per-channel factor is left to them. */
export function gradientOf(c: BlockedContext, dy: Value): { gradient: Blocked; factor: Value | undefined } {
  const entry = c.t.entry(dy);
  return entry?.kind === 'scaled'
    ? { gradient: entry.blocked, factor: entry.factor }
    : { gradient: c.t.clean(dy), factor: undefined };
}

interface Task {
  readonly c: BlockedContext;
  readonly layout: KernelLayout;
  /** The kernel of the forward convolution, packed. */
  readonly packed: Value;
  readonly dy: Value;
  /** Of dX, padded. */
  readonly dims: readonly number[];
  readonly channels: number;
  readonly axes: readonly Axis[];
}

type Plan = (task: Task) => Pending;

function planOf(axes: readonly Axis[], kind: KernelLayout['kind']): Plan | undefined {
  const unit = axes.every((a) => a.stride === 1);
  const pointwise = axes.every((a) => a.kernel === 1 && a.begin === 0);
  if (!unit && pointwise) return sparse;
  if (unit || kind === 'depthwise') {
    const pads = axes.map((a) => (a.kernel - 1) * a.dilation - a.begin);
    // As many rows as the input has: (out − 1)·s + 1 spaced ones, the pads, less the kernel's reach.
    const ends = axes.map((a) => a.size + a.begin - (a.out - 1) * a.stride - 1);
    if ([...pads, ...ends].some((p) => p < 0)) return undefined;
    return (task) => spaced(task, [...pads, ...ends]);
  }
  if (axes.some((a) => a.dilation !== 1)) return undefined;
  const [rows, columns] = axes.map(phasesOf);
  return rows && columns ? (task) => phased(task, rows, columns) : undefined;
}

function spaced(task: Task, pads: readonly number[]): Pending {
  const { c, layout, dims, channels, axes } = task;
  const taps = axes[0].kernel * axes[1].kernel;
  const reversed = Array.from({ length: taps }, (_, i) => taps - 1 - i);
  const kernel = axes.map((a) => a.kernel);
  const outputs = c.n.padded(layout.dims[0]);
  const from = [dims[0], outputs, ...axes.map((a) => a.out)];
  const spread = [dims[0], outputs, ...axes.map((a) => (a.out - 1) * a.stride + 1)];
  return {
    takes: ['sum'],
    emit: ({ sum }) => {
      const source = spacedPixels(c.n, task.dy, from, axes);
      const turned = inputGradKernel(c.n.b, layout, task.packed, reversed, kernel);
      const dilations = axes.map((a) => a.dilation);
      const options = { kernel, dilations, pads, group: groupOf(task), sum };
      return { value: convolve(c.n, source, spread, turned, dims, options), dims, channels, dirty: false };
    },
  };
}

/** Depthwise kernels have as many groups as padded channels. */
function groupOf({ layout, dims }: Task): number {
  return layout.kind === 'depthwise' ? dims[1] : 1;
}

/** 1×1 with a stride: dX is zero off the multiples of the stride. */
function sparse(task: Task): Pending {
  const { c, layout, dims, channels, axes } = task;
  const out = [dims[0], dims[1], ...axes.map((a) => a.out)];
  const compact = (): Blocked => ({
    value: c.n.conv(task.dy, inputGradKernel(c.n.b, layout, task.packed, [0], [1, 1]), out, {
      kernel: [1, 1],
      group: groupOf(task),
    }),
    dims: out,
    channels,
    dirty: false,
  });
  return {
    takes: [],
    compact: { strides: axes.map((a) => a.stride), emit: compact },
    emit: () => ({
      value: scatterPixels(c.n, compact().value, out, [dims[2], dims[3]], axes),
      dims,
      channels,
      dirty: false,
    }),
  };
}

function phased(task: Task, rows: readonly Phase[], columns: readonly Phase[]): Pending {
  const { c, layout, dims, channels, axes } = task;
  const { n } = c;
  const kernelWidth = axes[1].kernel;
  const h = Math.ceil(dims[2] / rows.length);
  const w = Math.ceil(dims[3] / columns.length);
  const size = [dims[0], dims[1], h, w];
  const phase = (r: Phase, q: Phase, sum: Value | undefined): Value => {
    const taps = r.taps.flatMap((i) => q.taps.map((j) => i * kernelWidth + j));
    if (taps.length === 0) return sum ?? n.constant(size, 0);
    const kernel = [r.taps.length, q.taps.length];
    return n.conv(task.dy, inputGradKernel(n.b, layout, task.packed, taps, kernel), size, {
      kernel,
      pads: [r.begin, q.begin, r.end, q.end],
      group: groupOf(task),
      sum,
    });
  };
  return {
    takes: ['compact'],
    strides: axes.map((a) => a.stride),
    emit: ({ compact }) => {
      const parts = rows.flatMap((r, i) =>
        columns.map((q, j) => phase(r, q, i === 0 && j === 0 ? compact : undefined)),
      );
      const value = interleavePhases(n, parts, size, [rows.length, columns.length], [dims[2], dims[3]]);
      return { value, dims, channels, dirty: false };
    },
  };
}
