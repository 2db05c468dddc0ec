/**
 * Conv forward, and its gradient by the input, on blocked tensors.
 *
 * dX, stride 1: a convolution of dY with the kernel turned around (taps reversed, channels swapped).
 * dX, stride s: s² such convolutions, one for each phase of the input (see {@link phasesOf}), interleaved.
 */
import type { Value } from '../../../onnx/index.js';
import { convGeometry, geometryOf } from '../../autodiff/geometry.js';
import { type Axis, axesOf, kernelLayout, type Phase, phasesOf } from './geometry.js';
import { inputGradKernel, type KernelLayout, packedDims, scaleOutputs } from './kernel.js';
import type { Blocked } from './nchwc.js';
import type { Pointwise } from './pointwise-norm.js';
import type { BlockedContext } from './rule.js';
import type { Extra, Pending } from './tracker.js';
import { fromVector } from './vector.js';

export function conv(c: BlockedContext): boolean {
  const { n, t, node, b } = c;
  const [x, w] = [node.input(0), node.input(1)];
  const [xShape, wShape] = [c.shape(x), c.shape(w)];
  const g = convGeometry(node, xShape, wShape);
  const layout = kernelLayout(xShape, wShape, g.group, n.block, t.isPlain(x));
  if (!layout) return false;
  const source = layout.kind === 'stem' ? x : t.clean(x).value;
  const packed = t.kernel(w, layout);
  const [outputs] = packedDims(layout);
  const [count, channels, ...out] = c.shape(node.output());
  const dims = [count, outputs, ...out];
  const bias = node.inputs[2] ? fromVector(n, node.inputs[2], channels) : undefined;
  const emit = ({ activation, sum, shift }: Extra): Blocked => ({
    value: n.conv(source, packed, dims, {
      kernel: g.kernel_shape,
      strides: g.strides,
      dilations: g.dilations,
      pads: g.pads,
      group: layout.kind === 'depthwise' ? outputs : 1,
      bias: shift ? (bias ? b.op('Sub', [bias, shift]) : b.op('Neg', [shift])) : bias,
      sum,
      activation,
    }),
    dims,
    channels,
    dirty: false,
  });
  const unit = [...g.kernel_shape, ...g.strides].every((k) => k === 1) && g.pads.every((p) => p === 0);
  const pointwise: Pointwise | undefined =
    unit && layout.kind === 'dense'
      ? { x: t.clean(x), kernel: packed, layout, bias: node.inputs[2] }
      : undefined;
  const pending: Pending = {
    takes: ['activation', 'sum', 'shift'],
    emit,
    ...(pointwise ? { pointwise } : {}),
  };
  t.set(node.output(), { kind: 'pending', pending });
  return true;
}

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
  const plan = planOf(axes);
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

function planOf(axes: readonly Axis[]): Plan | undefined {
  if (axes.every((a) => a.stride === 1)) {
    const pads = axes.map((a) => (a.kernel - 1) * a.dilation - a.begin);
    const ends = axes.map((a) => (a.kernel - 1) * a.dilation - a.end);
    if ([...pads, ...ends].some((p) => p < 0)) return undefined;
    return (task) => strideOne(task, [...pads, ...ends]);
  }
  if (axes.some((a) => a.dilation !== 1)) return undefined;
  const phases = axes.map(phasesOf);
  const [rows, columns] = phases;
  if (!rows || !columns) return undefined;
  const pointwise = axes.every((a) => a.kernel === 1 && a.begin === 0);
  return (task) => (pointwise ? sparse(task) : strided(task, rows, columns));
}

function strideOne(task: Task, pads: readonly number[]): Pending {
  const { c, layout, dims, channels, axes } = task;
  const taps = axes[0].kernel * axes[1].kernel;
  const reversed = Array.from({ length: taps }, (_, i) => taps - 1 - i);
  const kernel = axes.map((a) => a.kernel);
  return {
    takes: ['sum'],
    emit: ({ sum }) => ({
      value: c.n.conv(task.dy, inputGradKernel(c.n.b, layout, task.packed, reversed, kernel), dims, {
        kernel,
        dilations: axes.map((a) => a.dilation),
        pads,
        group: groupOf(task),
        sum,
      }),
      dims,
      channels,
      dirty: false,
    }),
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
  const strides = axes.map((a) => a.stride);
  return {
    takes: [],
    compact: { strides, emit: compact },
    emit: () => ({ value: spaceOut(task, compact()), dims, channels, dirty: false }),
  };
}

/** Puts pixels at the multiples of the stride and zeros between them. */
function spaceOut({ c, dims, axes }: Task, { value }: Blocked): Value {
  const { n } = c;
  const { block } = n;
  const [rows, columns] = axes;
  const maps = (dims[0] * dims[1]) / block;
  // One row of the result is a row of pixels, each followed by its zeros, and then rows of zeros.
  const lines = n.reshape(value, [maps * rows.out, 1, columns.out, block]);
  const wide = n.b.op('Pad', [
    lines,
    n.b.i64([0, 0, 0, 0, 0, rows.stride - 1, 0, (columns.stride - 1) * block]),
  ]);
  return crop(c, wide, dims, rows.out * rows.stride, columns.out * columns.stride);
}

/** [maps, h·w·B] seen as dims[0] × dims[1] maps of h × w, cut to the size of `dims`. */
function crop(c: BlockedContext, v: Value, dims: readonly number[], h: number, w: number): Value {
  const { n } = c;
  if (h === dims[2] && w === dims[3]) return n.reshape(v, dims);
  const whole = n.reshape(v, [dims[0], dims[1] / n.block, h, w, n.block]);
  const cut = n.b.op('Slice', [whole, n.b.i64([0, 0]), n.b.i64([dims[2], dims[3]]), n.b.i64([2, 3])]);
  return n.reshape(cut, dims);
}

function strided(task: Task, rows: readonly Phase[], columns: readonly Phase[]): Pending {
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
    emit: ({ compact }) => ({
      value: interleaved(c, dims, rows, columns, (r, q, first) => phase(r, q, first ? compact : undefined)),
      dims,
      channels,
      dirty: false,
    }),
  };
}

/** Makes each phase, [N, Cp, ⌈H/s⌉, ⌈W/s⌉], and puts their pixels in turn. */
export function interleaved(
  c: BlockedContext,
  dims: readonly number[],
  rows: readonly Phase[],
  columns: readonly Phase[],
  phase: (row: Phase, column: Phase, first: boolean) => Value,
): Value {
  const { n } = c;
  const maps = [dims[0], dims[1] / n.block];
  const h = Math.ceil(dims[2] / rows.length);
  const w = Math.ceil(dims[3] / columns.length);
  const lines = rows.map((r, i) => {
    const parts = columns.map((q, j) => n.reshape(phase(r, q, i === 0 && j === 0), [...maps, h, w, n.block]));
    return n.reshape(join(c, parts, 4), [...maps, h, w * columns.length * n.block]);
  });
  return crop(c, join(c, lines, 3), dims, h * rows.length, w * columns.length);
}

function join({ n }: BlockedContext, parts: readonly Value[], axis: number): Value {
  return parts.length === 1 ? parts[0] : n.b.op('Concat', parts, { axis });
}
