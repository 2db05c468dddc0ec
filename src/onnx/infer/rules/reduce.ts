/** Reductions, ArgMax/ArgMin, TopK, softmax-like operators. */
import type { Dim } from '../../ir/types.js';
import { softmaxAxis } from '../../ops/activation.js';
import { axesOf, normalizeAxes, normalizeAxis } from '../../ops/axes.js';
import { keepDims } from '../../ops/layout.js';
import { type InferContext, type InferRule, typed } from '../context.js';
import { type Shape, unknownDims } from '../dims.js';

/** Reduce*: axes absent or empty reduce all, or nothing with noop_with_empty_axes. */
export const reduce: InferRule = (c) => {
  const x = c.shape(0);
  if (!x) return c.like(0, undefined);
  const keep = keepDims(c.node);
  const axes = axesOf(c.node, c.constantOf);
  if (axes === undefined) {
    // How many axes go is known from the length of the input, even where their numbers are not.
    const count = c.shape(1)?.[0];
    if (keep) return c.like(0, unknownDims(x.length));
    return c.like(0, typeof count === 'number' && count > 0 ? unknownDims(x.length - count) : undefined);
  }
  if (axes === 'absent' || axes.length === 0) {
    if (c.node.int('noop_with_empty_axes', 0) !== 0) return c.like(0, x);
    return c.like(0, keep ? x.map(() => 1) : []);
  }
  return c.like(0, without(c, x, axes, keep));
};

function without(c: InferContext, x: Shape, axes: readonly number[], keep: boolean): Dim[] {
  const gone = new Set(normalizeAxes(c.node, axes, x.length));
  if (keep) return x.map((d, i) => (gone.has(i) ? 1 : d));
  return x.filter((_, i) => !gone.has(i));
}

/** ArgMax, ArgMin: int64. */
export const argReduce: InferRule = (c) => {
  const x = c.shape(0);
  return [typed('int64', x && without(c, x, [c.node.int('axis', 0)], keepDims(c.node)))];
};

/** TopK: values and int64 indices; k is an attribute up to opset 9. */
export const topK: InferRule = (c) => {
  const x = c.shape(0);
  if (!x) return [typed(c.dataType(0), undefined), typed('int64', undefined)];
  const axis = normalizeAxis(c.node, c.node.int('axis', -1), x.length);
  const k: Dim = c.has(1) ? (c.known(1)?.data[0] ?? null) : c.node.int('k', 0);
  const d = x[axis];
  if (typeof k === 'number' && (k < 0 || (typeof d === 'number' && k > d)))
    c.refuse('k', `0 to ${d}, the size of axis ${axis}`, `${k}`);
  const shape = x.map((v, i) => (i === axis ? k : v));
  return [typed(c.dataType(0), shape), typed('int64', shape)];
};

/** Softmax, LogSoftmax, Hardmax, CumSum and others that keep the shape, but have an axis. */
export const softmax: InferRule = (c) => {
  const x = c.shape(0);
  if (x && x.length > 0) {
    const axis = softmaxAxis(c.node, c.opset);
    // Before opset 13 the axis splits the dims in two lists, of which the second may be empty.
    if (!(c.opset < 13 && axis === x.length)) normalizeAxis(c.node, axis, x.length);
  }
  return [c.type(0)];
};

export const cumSum: InferRule = (c) => {
  const x = c.shape(0);
  const axis = c.numbers(1)?.[0];
  if (x && axis !== undefined) normalizeAxis(c.node, axis, x.length);
  return [c.type(0)];
};
