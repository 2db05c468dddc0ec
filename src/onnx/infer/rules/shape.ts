/** Operators that change the shape and keep the elements, or make shapes. */
import type { Dim } from '../../ir/types.js';
import { axesOf, normalizeAxes, normalizeAxis } from '../../ops/axes.js';
import { showDims } from '../../ops/fail.js';
import { concatAxis, depthToSpaceAttributes, transposePerm } from '../../ops/layout.js';
import { type InferContext, type InferRule, typed } from '../context.js';
import { broadcast, productDims, quotient, type Shape, sameDim, sumDims, unknownDims } from '../dims.js';
import type { Known } from '../known.js';

/** Reshape: 0 copies the input's dim unless allowzero, one -1 is what remains. */
export const reshape: InferRule = (c) => {
  const x = c.shape(0);
  const target = c.known(1);
  if (!target) {
    return c.like(0, unknownDims(c.shape(1)?.[0]));
  }
  if (target.dims.length !== 1) c.refuse('shape', 'a list', showDims(target.dims));
  return c.like(0, reshapeTo(c, x, target));
};

function reshapeTo(c: InferContext, x: Shape | undefined, target: Known): Shape {
  const allowZero = c.node.int('allowzero', 0) !== 0;
  const wanted = target.data;
  let open = -1;
  const out = wanted.map((d, i): Dim => {
    if (d === -1) {
      if (open >= 0) c.refuse('shape', 'at most one -1', showDims(wanted));
      open = i;
      return null;
    }
    if (typeof d === 'number' && (d < -1 || !Number.isInteger(d)))
      c.refuse('shape', 'dims from -1', showDims(wanted));
    if (d !== 0 || allowZero) return d;
    if (x && i >= x.length)
      c.refuse('shape', `a 0 only at axes of the input ${showDims(x)}`, showDims(wanted));
    return x ? x[i] : null;
  });
  if (open >= 0 && allowZero && out.includes(0))
    c.refuse('shape', '-1 or 0, with allowzero', showDims(wanted));
  if (!x) return out;
  const rest = out.filter((_, i) => i !== open);
  if (open >= 0) {
    const d = quotient(x, rest);
    if (d === 'inexact') c.refuse('shape', `a divisor of the elements of ${showDims(x)}`, showDims(wanted));
    out[open] = d;
    return out;
  }
  const before = productDims(x);
  const after = productDims(out);
  if (typeof before === 'number' && typeof after === 'number' && before !== after)
    c.refuse('shape', `${before} elements, as the input ${showDims(x)}`, `${after}: ${showDims(wanted)}`);
  return out;
}

/** Flatten: two axes, the first the product of those before `axis`. */
export const flatten: InferRule = (c) => {
  const x = c.shape(0);
  if (!x) return c.like(0, [null, null]);
  const axis = c.node.int('axis', 1);
  // axis = rank is legal: everything goes to the first.
  const at = axis === x.length ? axis : normalizeAxis(c.node, axis, x.length);
  return c.like(0, [productDims(x.slice(0, at)), productDims(x.slice(at))]);
};

export const transpose: InferRule = (c) => {
  const x = c.shape(0);
  return c.like(0, x && transposePerm(c.node, x.length).map((p) => x[p]));
};

export const squeeze: InferRule = (c) => {
  const x = c.shape(0);
  const axes = axesOf(c.node, c.constantOf);
  if (!x || axes === undefined) {
    const count = c.shape(1)?.[0];
    return c.like(0, x && typeof count === 'number' ? unknownDims(x.length - count) : undefined);
  }
  if (axes === 'absent' || axes.length === 0)
    return c.like(0, x.every((d) => typeof d === 'number') ? x.filter((d) => d !== 1) : undefined);
  const gone = new Set(normalizeAxes(c.node, axes, x.length));
  for (const a of gone) {
    const d = x[a];
    if (typeof d === 'number' && d !== 1) c.refuse(`axis ${a}`, 'size 1', `${d} of ${showDims(x)}`);
  }
  return c.like(
    0,
    x.filter((_, i) => !gone.has(i)),
  );
};

export const unsqueeze: InferRule = (c) => {
  const x = c.shape(0);
  const axes = axesOf(c.node, c.constantOf);
  if (axes === 'absent') return c.refuse('axes', 'a list', 'none');
  if (!x || axes === undefined) {
    const count = c.shape(1)?.[0];
    return c.like(0, x && typeof count === 'number' ? unknownDims(x.length + count) : undefined);
  }
  const added = new Set(normalizeAxes(c.node, axes, x.length + axes.length));
  const out: Dim[] = [];
  let next = 0;
  for (let i = 0; i < x.length + axes.length; i++) out.push(added.has(i) ? 1 : x[next++]);
  return c.like(0, out);
};

export const concat: InferRule = (c) => {
  const shapes: Shape[] = [];
  for (let i = 0; i < c.node.inputs.length; i++) {
    const s = c.shape(i);
    if (s) shapes.push(s);
  }
  const [first] = shapes;
  if (!first) return c.like(0, undefined);
  const axis = concatAxis(c.node, first.length);
  const out = [...first];
  for (const s of shapes) {
    if (s.length !== first.length)
      c.refuse('inputs', `rank ${first.length}, as ${showDims(first)}`, `${s.length}: ${showDims(s)}`);
    s.forEach((d, i) => {
      if (i !== axis) out[i] = sameDim(c.node, `axis ${i} of the inputs`, out[i], d);
    });
  }
  out[axis] = shapes.length === c.node.inputs.length ? sumDims(shapes.map((s) => s[axis])) : null;
  return c.like(0, out);
};

export const expand: InferRule = (c) => {
  const x = c.shape(0);
  const target = c.known(1);
  if (!target) {
    const rank = c.shape(1)?.[0];
    return c.like(0, typeof rank === 'number' && x ? unknownDims(Math.max(rank, x.length)) : undefined);
  }
  return c.like(0, x && broadcast(c.node, x, target.data));
};

export const tile: InferRule = (c) => {
  const x = c.shape(0);
  const repeats = c.known(1);
  if (!x || !repeats) return c.like(0, x && unknownDims(x.length));
  if (repeats.data.length !== x.length) c.refuse('repeats', `${x.length} numbers`, showDims(repeats.data));
  return c.like(
    0,
    x.map((d, i) => productDims([d, repeats.data[i]])),
  );
};

/** Shape: int64 list of the dims from start to end (15 up). */
export const shapeOf: InferRule = (c) => {
  const x = c.shape(0);
  if (!x) return [typed('int64', [null])];
  const [from, to] = shapeRange(c.node.int('start', 0), c.node.int('end', x.length), x.length);
  return [typed('int64', [Math.max(0, to - from)])];
};

/** Shape's start and end, counted from the end where negative, clamped to the rank. */
export function shapeRange(start: number, end: number, rank: number): readonly [number, number] {
  const at = (v: number): number => Math.min(Math.max(v < 0 ? v + rank : v, 0), rank);
  return [at(start), at(end)];
}

export const size: InferRule = () => [typed('int64', [])];

export const depthToSpace: InferRule = (c) => {
  const { blockSize: b } = depthToSpaceAttributes(c.node);
  c.checkRank(0, 'rank 4', (r) => r === 4);
  const x = c.shape(0);
  if (!x) return c.like(0, undefined);
  const [n, ch, h, w] = x;
  if (typeof ch === 'number' && ch % (b * b) !== 0)
    c.refuse('channels', `a multiple of blocksize² = ${b * b}`, `${ch}`);
  return c.like(0, [n, divide(ch, b * b), productDims([h, b]), productDims([w, b])]);
};

export const spaceToDepth: InferRule = (c) => {
  const { blockSize: b } = depthToSpaceAttributes(c.node);
  c.checkRank(0, 'rank 4', (r) => r === 4);
  const x = c.shape(0);
  if (!x) return c.like(0, undefined);
  const [n, ch, h, w] = x;
  for (const d of [h, w])
    if (typeof d === 'number' && d % b !== 0)
      c.refuse('height and width', `multiples of blocksize ${b}`, showDims(x));
  return c.like(0, [n, productDims([ch, b * b]), divide(h, b), divide(w, b)]);
};

function divide(d: Dim, by: number): Dim {
  return typeof d === 'number' ? d / by : by === 1 ? d : null;
}
