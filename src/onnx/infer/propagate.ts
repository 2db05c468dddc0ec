/**
 * Follows small tensors of shape arithmetic through the graph: Shape, Gather, Concat, Slice, casts and arithmetic, with
 * symbolic and unknown elements kept apart (see known.ts). What is not listed is simply not known.
 */
import type { DataType } from '../ir/dtype.js';
import { sizeOf } from '../ir/tensor.js';
import { type Dim, staticShape, type ValueType } from '../ir/types.js';
import { axesOf, normalizeAxes, normalizeAxis } from '../ops/axes.js';
import { constantValue } from '../ops/constant.js';
import {
  castTo,
  concatAxis,
  keepDims,
  sliceAxes,
  sliceRange,
  splitSizes,
  transposePerm,
} from '../ops/layout.js';
import {
  binary,
  broadcastIndices,
  broadcastStatic,
  isBinary,
  isUnary,
  map,
  round,
  stridesOf,
  UNARY,
} from './arithmetic.js';
import type { InferContext } from './context.js';
import { productDims } from './dims.js';
import { isKnowable, KNOWN_LIMIT, type Known, knownOf } from './known.js';
import { takenBranch } from './rules/control.js';
import { shapeRange } from './rules/shape.js';

/** @param types of the outputs, as inferred before @returns one entry per output */
export type Propagate = (
  c: InferContext,
  types: readonly (ValueType | undefined)[],
) => readonly (Known | undefined)[];

/** A rule for an operator whose one output is computed from its first input's elements. */
function one(f: (c: InferContext, x: Known, type: ValueType | undefined) => Known | undefined): Propagate {
  return (c, types) => {
    const x = c.known(0);
    return [x && f(c, x, types[0])];
  };
}

/** Same elements under the dims that inference found. */
const reshaped = one((_, x, type) => {
  const dims = staticShape(type);
  return dims && sizeOf(dims) === x.data.length ? { ...x, dims } : undefined;
});

const RULES: Readonly<Record<string, Propagate>> = {
  Shape: (c) => {
    const x = c.shape(0);
    if (!x) return [];
    const [from, to] = shapeRange(c.node.int('start', 0), c.node.int('end', x.length), x.length);
    const data = x.slice(from, Math.max(from, to));
    return [{ dataType: 'int64', dims: [data.length], data }];
  },
  Size: (c) => {
    const x = c.shape(0);
    return [x && { dataType: 'int64', dims: [], data: [productDims(x)] }];
  },
  Constant: (c) => {
    const tensor = constantValue(c.node);
    return [tensor && knownOf(tensor)];
  },
  ConstantOfShape: (c, [type]) => {
    const dims = staticShape(type);
    const fill = c.node.tensor('value');
    const value = fill ? knownOf(fill)?.data[0] : 0;
    const dataType = fill?.dataType ?? 'float32';
    if (!dims || value === undefined || sizeOf(dims) > KNOWN_LIMIT || !isKnowable(dataType)) return [];
    return [{ dataType, dims, data: new Array<Dim>(sizeOf(dims)).fill(value) }];
  },
  Identity: one((_, x) => x),
  Reshape: reshaped,
  Squeeze: reshaped,
  Unsqueeze: reshaped,
  Flatten: reshaped,
  Cast: one((c, x) => cast(x, castTo(c.node))),
  CastLike: one((c, x) => {
    const to = c.dataType(1);
    return to && cast(x, to);
  }),
  Gather: one((c, x) => {
    const indices = c.known(1);
    if (!indices || x.dims.length === 0) return undefined;
    const axis = normalizeAxis(c.node, c.node.int('axis', 0), x.dims.length);
    const [inner, n] = [sizeOf(x.dims.slice(axis + 1)), x.dims[axis]];
    const data: Dim[] = [];
    const outer = sizeOf(x.dims.slice(0, axis));
    if (outer * indices.data.length * inner > KNOWN_LIMIT) return undefined;
    for (let o = 0; o < outer; o++)
      for (const i of indices.data)
        for (let k = 0; k < inner; k++)
          data.push(typeof i === 'number' ? x.data[(o * n + (i < 0 ? i + n : i)) * inner + k] : null);
    return { ...x, dims: [...x.dims.slice(0, axis), ...indices.dims, ...x.dims.slice(axis + 1)], data };
  }),
  Concat: (c) => {
    const parts = c.node.inputs.map((_, i) => c.known(i) ?? unknownOf(c, i));
    const [first] = parts;
    if (!first) return [];
    const axis = concatAxis(c.node, first.dims.length);
    const data: Dim[] = [];
    let length = 0;
    for (let o = 0; o < sizeOf(first.dims.slice(0, axis)); o++)
      for (const p of parts) {
        if (!p) return [];
        const run = sizeOf(p.dims.slice(axis));
        data.push(...p.data.slice(o * run, (o + 1) * run));
      }
    for (const p of parts) length += p?.dims[axis] ?? 0;
    if (data.length > KNOWN_LIMIT) return [];
    return [{ ...first, dims: first.dims.map((d, i) => (i === axis ? length : d)), data }];
  },
  Slice: one((c, x) => {
    const cuts = sliceAxes(c.node, x.dims.length, c.constantOf);
    if (!cuts) return undefined;
    let out = x;
    for (const s of cuts) {
      const { start, count } = sliceRange(s, x.dims[s.axis]);
      const picked = Array.from({ length: count }, (_, i) => start + i * s.step);
      out = take(out, s.axis, picked);
    }
    return out;
  }),
  Split: (c) => {
    const x = c.known(0);
    if (!x || x.dims.length === 0) return [];
    const axis = normalizeAxis(c.node, c.node.int('axis', 0), x.dims.length);
    const sizes = splitSizes(c.node, x.dims[axis], c.constantOf);
    let from = 0;
    return (sizes ?? []).map((n) => {
      const part = take(
        x,
        axis,
        Array.from({ length: n }, (_, i) => from + i),
      );
      from += n;
      return part;
    });
  },
  Transpose: one((c, x) => {
    const perm = transposePerm(c.node, x.dims.length);
    const strides = stridesOf(x.dims);
    const dims = perm.map((p) => x.dims[p]);
    const out = stridesOf(dims);
    const data = x.data.map((_, n) => {
      let at = 0;
      dims.forEach((d, i) => {
        at += (Math.floor(n / out[i]) % d) * strides[perm[i]];
      });
      return x.data[at];
    });
    return { ...x, dims, data };
  }),
  Expand: one((_, x, type) => {
    const dims = staticShape(type);
    if (!dims || sizeOf(dims) > KNOWN_LIMIT) return undefined;
    return { ...x, dims, data: broadcastIndices(x.dims, dims).map((i) => x.data[i]) };
  }),
  Where: (c) => {
    const [condition, a, b] = [c.known(0), c.known(1), c.known(2)];
    if (!condition || !a || !b) return [];
    const dims = broadcastStatic(a.dims, b.dims);
    const all = dims && broadcastStatic(condition.dims, dims);
    if (!all) return [];
    const ia = broadcastIndices(a.dims, all);
    const ib = broadcastIndices(b.dims, all);
    const data = broadcastIndices(condition.dims, all).map((i, n): Dim => {
      const [t, x, y] = [condition.data[i], a.data[ia[n]], b.data[ib[n]]];
      return typeof t === 'number' ? (t ? x : y) : x === y ? x : null;
    });
    return [{ dataType: a.dataType, dims: all, data }];
  },
  Range: (c, [type]) => {
    const count = staticShape(type)?.[0];
    const [start, delta] = [c.known(0), c.known(2)];
    const [from, step] = [start?.data[0], delta?.data[0]];
    if (!start || count === undefined || count > KNOWN_LIMIT) return [];
    if (typeof from !== 'number' || typeof step !== 'number') return [];
    const data = Array.from({ length: count }, (_, i) => round(start.dataType, from + i * step));
    return [{ dataType: start.dataType, dims: [count], data }];
  },
  ReduceProd: one((c, x, type) => reduce(c, x, type, (list) => productDims(list))),
  ReduceSum: one((c, x, type) =>
    reduce(
      c,
      x,
      type,
      numeric((list) => list.reduce((a, b) => a + b, 0)),
    ),
  ),
  ReduceMin: one((c, x, type) =>
    reduce(
      c,
      x,
      type,
      numeric((list) => Math.min(...list)),
    ),
  ),
  ReduceMax: one((c, x, type) =>
    reduce(
      c,
      x,
      type,
      numeric((list) => Math.max(...list)),
    ),
  ),
  If: (c) => takenBranch(c)?.outputs.map((o) => c.facts.known(o)) ?? [],
};

/** Elements of a node's outputs, one entry per output, as far as they can be followed. */
export function propagate(
  c: InferContext,
  types: readonly (ValueType | undefined)[],
): readonly (Known | undefined)[] {
  const { opType, domain } = c.node;
  if (domain !== '') return [];
  if (isBinary(opType)) {
    let out = c.known(0);
    if (c.node.inputs.length === 1) return [out];
    for (let i = 1; i < c.node.inputs.length; i++) {
      const next = c.known(i);
      // fmod = 1 is C's remainder.
      if (opType === 'Mod' && c.node.int('fmod', 0) !== 0) return [];
      out = out && next && binary(opType, out, next);
    }
    return [out];
  }
  if (isUnary(opType)) {
    const x = c.known(0);
    return [x && map(x, x.dataType, UNARY[opType])];
  }
  return Object.hasOwn(RULES, opType) ? RULES[opType](c, types) : [];
}

/** A small tensor of known dims and unknown elements, so that its neighbours in a Concat stay known. */
function unknownOf(c: InferContext, index: number): Known | undefined {
  const dims = staticShape(c.type(index));
  const dataType = c.dataType(index);
  if (!dims || !dataType || !isKnowable(dataType) || dims.length === 0 || sizeOf(dims) > 64) return undefined;
  return { dataType, dims, data: new Array<Dim>(sizeOf(dims)).fill(null) };
}

function cast(x: Known, to: DataType): Known | undefined {
  if (!isKnowable(to)) return undefined;
  const float = to === 'float32' || to === 'float64';
  const data = x.data.map((d): Dim => {
    if (typeof d !== 'number') return to === 'bool' ? null : d;
    return round(to, float || to === 'bool' ? d : Math.trunc(d));
  });
  return { dataType: to, dims: x.dims, data };
}

/** The entries of one axis at these places. */
function take(x: Known, axis: number, picked: readonly number[]): Known {
  const [inner, n] = [sizeOf(x.dims.slice(axis + 1)), x.dims[axis]];
  const data: Dim[] = [];
  for (let o = 0; o < sizeOf(x.dims.slice(0, axis)); o++)
    for (const i of picked) for (let k = 0; k < inner; k++) data.push(x.data[(o * n + i) * inner + k]);
  return { ...x, dims: x.dims.map((d, i) => (i === axis ? picked.length : d)), data };
}

function numeric(f: (list: readonly number[]) => number): (list: readonly Dim[]) => Dim {
  return (list) => {
    const all: number[] = [];
    for (const d of list) {
      if (typeof d !== 'number') return null;
      all.push(d);
    }
    return all.length > 0 ? f(all) : null;
  };
}

/** Reduces a list (rank 1, its only axis) to one element. */
function reduce(
  c: InferContext,
  x: Known,
  type: ValueType | undefined,
  f: (list: readonly Dim[]) => Dim,
): Known | undefined {
  const axes = axesOf(c.node, c.constantOf);
  const dims = staticShape(type);
  if (x.dims.length !== 1 || axes === undefined || dims === undefined || sizeOf(dims) !== 1) return undefined;
  if (axes !== 'absent' && axes.length > 0) normalizeAxes(c.node, axes, 1);
  else if (c.node.int('noop_with_empty_axes', 0) !== 0) return x;
  return { dataType: x.dataType, dims: keepDims(c.node) ? [1] : [], data: [round(x.dataType, f(x.data))] };
}
