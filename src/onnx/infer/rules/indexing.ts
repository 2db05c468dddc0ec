/** Operators that pick, cut, pad and scatter. */
import type { Dim, ValueType } from '../../ir/types.js';
import { normalizeAxis } from '../../ops/axes.js';
import { showDims } from '../../ops/fail.js';
import { padAttributes, sliceAxes, sliceRange, splitSizes } from '../../ops/layout.js';
import { describeShape, type InferRule, typed } from '../context.js';
import { meetDim, type Shape, unknownDims } from '../dims.js';

export const slice: InferRule = (c) => {
  const x = c.shape(0);
  if (!x) return c.like(0, undefined);
  const cuts = sliceAxes(c.node, x.length, c.constantOf);
  if (!cuts) {
    // Which axes are cut may be known where the bounds are not.
    const axes = c.numbers(3);
    if (!axes) return c.like(0, unknownDims(x.length));
    const cut = new Set(axes.map((a) => normalizeAxis(c.node, a, x.length)));
    return c.like(
      0,
      x.map((d, i) => (cut.has(i) ? null : d)),
    );
  }
  const out = [...x];
  for (const s of cuts) {
    const d = x[s.axis];
    if (typeof d === 'number') out[s.axis] = sliceRange(s, d).count;
    // A symbolic axis stays what it is only where all of it is taken.
    else if (!(s.start === 0 && s.end >= 2 ** 31 - 1 && s.step === 1)) out[s.axis] = null;
  }
  return c.like(0, out);
};

export const pad: InferRule = (c) => {
  const x = c.shape(0);
  if (!x) return c.like(0, undefined);
  const { pads, mode } = padAttributes(c.node, x.length, c.constantOf);
  if (!pads) return c.like(0, unknownDims(x.length));
  return c.like(
    0,
    x.map((d, i): Dim => {
      const [b, e] = [pads[i], pads[x.length + i]];
      if (typeof d !== 'number') return b === 0 && e === 0 ? d : null;
      if (mode === 'reflect' && (b >= d || e >= d) && (b > 0 || e > 0))
        c.refuse('pads', `less than the ${d} entries of axis ${i} with mode reflect`, `${b} and ${e}`);
      const n = d + b + e;
      if (n < 0) c.refuse('pads', 'an output that is not negative', `${n} along axis ${i} of ${showDims(x)}`);
      return n;
    }),
  );
};

export const split: InferRule = (c) => {
  const x = c.shape(0);
  const count = c.node.outputs.length;
  if (!x) return new Array<ValueType | undefined>(count).fill(typed(c.dataType(0), undefined));
  const axis = normalizeAxis(c.node, c.node.int('axis', 0), x.length);
  const d = x[axis];
  const sizes = splitSizes(c.node, typeof d === 'number' ? d : undefined, c.constantOf);
  return c.node.outputs.map((_, i) =>
    typed(
      c.dataType(0),
      x.map((v, a) => (a === axis ? (sizes?.[i] ?? null) : v)),
    ),
  );
};

/** Gather: data's dims with axis replaced by the indices' dims. */
export const gather: InferRule = (c) => {
  const x = c.shape(0);
  const indices = c.shape(1);
  if (!x) return c.like(0, undefined);
  const axis = normalizeAxis(c.node, c.node.int('axis', 0), x.length);
  const d = x[axis];
  for (const i of c.numbers(1) ?? [])
    if (typeof d === 'number' && (i >= d || i < -d))
      c.refuse('indices', `${-d} to ${d - 1} along axis ${axis} of ${showDims(x)}`, `${i}`);
  return c.like(0, indices && [...x.slice(0, axis), ...indices, ...x.slice(axis + 1)]);
};

/** GatherElements: the shape of the indices. */
export const gatherElements: InferRule = (c) => {
  const [x, i] = [c.shape(0), c.shape(1)];
  if (x && i && x.length !== i.length) c.refuse('indices', `rank ${x.length}`, showDims(i));
  if (x) normalizeAxis(c.node, c.node.int('axis', 0), x.length);
  return c.like(0, i);
};

/** GatherND: indices […, k] pick what is left of the data's dims after batch_dims + k. */
export const gatherND: InferRule = (c) => {
  const [x, i] = [c.shape(0), c.shape(1)];
  const last = i?.[i.length - 1];
  if (!x || !i || typeof last !== 'number') return c.like(0, undefined);
  const from = c.node.int('batch_dims', 0) + last;
  if (from > x.length) c.refuse('the last dim of indices', `at most ${x.length}`, `${last}`);
  return c.like(0, [...i.slice(0, -1), ...x.slice(from)]);
};

/** ScatterElements, ScatterND, Scatter: the data's shape. */
export const scatter: InferRule = (c) => {
  const [i, updates] = [c.shape(1), c.shape(2)];
  if (c.node.opType !== 'ScatterND' && i && updates && !matches(i, updates))
    c.refuse('updates', `shape ${describeShape(i)} of the indices`, describeShape(updates));
  return [c.type(0)];
};

function matches(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((d, i) => meetDim(d, b[i]) !== 'clash');
}

/** Trilu: two or more axes, unchanged. */
export const trilu: InferRule = (c) => {
  c.checkRank(0, 'rank 2 or more', (r) => r >= 2);
  return [c.type(0)];
};

/** OneHot: indices' dims with depth inserted at axis (of the output). */
export const oneHot: InferRule = (c) => {
  const i = c.shape(0);
  const depth = c.known(1)?.data[0] ?? null;
  if (!i) return [typed(c.dataType(2), undefined)];
  const axis = normalizeAxis(c.node, c.node.int('axis', -1), i.length + 1);
  return [typed(c.dataType(2), [...i.slice(0, axis), depth, ...i.slice(axis)])];
};

/** NonZero: [rank, as many as there are]. */
export const nonZero: InferRule = (c) => [typed('int64', [c.rank(0) ?? null, null])];

/** Expand's and Where's cousin: mask picks; how many is not known. */
export const compress: InferRule = (c) => {
  const x = c.shape(0);
  if (!c.node.attributes.has('axis')) return c.like(0, [null]);
  if (!x) return c.like(0, undefined);
  const axis = normalizeAxis(c.node, c.node.int('axis', 0), x.length);
  return c.like(
    0,
    x.map((d, i) => (i === axis ? null : d)),
  );
};
