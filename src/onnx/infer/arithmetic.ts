/** Element-wise arithmetic on partly known small tensors, in the element type's own precision. */
import type { DataType } from '../ir/dtype.js';
import { sizeOf } from '../ir/tensor.js';
import type { Dim } from '../ir/types.js';
import { KNOWN_LIMIT, type Known } from './known.js';

/** Row-major indices into a tensor of `dims` for each element of `shape`, to which `dims` broadcasts. */
export function broadcastIndices(dims: readonly number[], shape: readonly number[]): number[] {
  const shift = shape.length - dims.length;
  const strides = stridesOf(dims);
  const out: number[] = [];
  const count = sizeOf(shape);
  for (let n = 0; n < count; n++) {
    let rest = n;
    let at = 0;
    for (let a = shape.length - 1; a >= 0; a--) {
      const i = rest % shape[a];
      rest = (rest - i) / shape[a];
      if (a >= shift && dims[a - shift] !== 1) at += i * strides[a - shift];
    }
    out.push(at);
  }
  return out;
}

export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length).fill(1);
  for (let i = dims.length - 2; i >= 0; i--) strides[i] = strides[i + 1] * dims[i + 1];
  return strides;
}

/** The shape two static shapes broadcast to; undefined when they do not, or the result is too large to follow. */
export function broadcastStatic(a: readonly number[], b: readonly number[]): readonly number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const out: number[] = [];
  for (let i = 0; i < rank; i++) {
    const x = a[i - (rank - a.length)] ?? 1;
    const y = b[i - (rank - b.length)] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    out.push(x === 1 ? y : x);
  }
  return sizeOf(out) > KNOWN_LIMIT ? undefined : out;
}

/** Applies `f` to broadcast pairs. `f` sees names and nulls too and says what is still known. */
export function zip(a: Known, b: Known, dataType: DataType, f: (x: Dim, y: Dim) => Dim): Known | undefined {
  const dims = broadcastStatic(a.dims, b.dims);
  if (!dims) return undefined;
  const ia = broadcastIndices(a.dims, dims);
  const ib = broadcastIndices(b.dims, dims);
  return { dataType, dims, data: ia.map((i, n) => round(dataType, f(a.data[i], b.data[ib[n]]))) };
}

/** Applies `f` to the elements that are numbers; the others are unknown afterwards. */
export function map(a: Known, dataType: DataType, f: (x: number) => number): Known {
  return {
    dataType,
    dims: a.dims,
    data: a.data.map((x) => (typeof x === 'number' ? round(dataType, f(x)) : null)),
  };
}

export function isInteger(dataType: DataType): boolean {
  return dataType !== 'float32' && dataType !== 'float64';
}

/** Brings a result into its type; null where a number leaves what a double holds exactly. */
export function round(dataType: DataType, x: Dim): Dim {
  if (typeof x !== 'number') return x;
  if (dataType === 'float32') return Math.fround(x);
  if (dataType === 'float64') return x;
  if (dataType === 'bool') return x !== 0 ? 1 : 0;
  // INT64_MAX, the usual "to the end", is no safe integer, but passes through unchanged.
  if (dataType === 'int64' && Math.abs(x) >= 2 ** 63 - 1024) return x;
  const limit = dataType === 'int32' ? 2 ** 31 : Number.MAX_SAFE_INTEGER;
  return Number.isInteger(x) && Math.abs(x) <= limit ? x : null;
}

type Binary = (x: Dim, y: Dim, integer: boolean) => Dim;

const both =
  (f: (x: number, y: number, integer: boolean) => number): Binary =>
  (x, y, integer) =>
    typeof x === 'number' && typeof y === 'number' ? f(x, y, integer) : null;

/** Names survive where they must: n + 0, n · 1, n = n. */
export const BINARY = {
  Add: (x, y) => (x === 0 ? y : y === 0 ? x : both((a, b) => a + b)(x, y, true)),
  Sub: (x, y) => (y === 0 ? x : typeof x === 'string' && x === y ? 0 : both((a, b) => a - b)(x, y, true)),
  Mul: (x, y) => (x === 1 ? y : y === 1 ? x : x === 0 || y === 0 ? 0 : both((a, b) => a * b)(x, y, true)),
  Div: (x, y, integer) => {
    if (y === 1) return x;
    if (integer && y === 0) return null;
    return both((a, b) => (integer ? Math.trunc(a / b) : a / b))(x, y, integer);
  },
  // Python's sign convention, as fmod = 0 says.
  Mod: (x, y) => (y === 0 ? null : both((a, b) => a - Math.floor(a / b) * b)(x, y, true)),
  Pow: both((a, b) => a ** b),
  Min: (x, y) => (x === y ? x : both((a, b) => Math.min(a, b))(x, y, true)),
  Max: (x, y) => (x === y ? x : both((a, b) => Math.max(a, b))(x, y, true)),
  Equal: (x, y) => {
    if (typeof x === 'number' && typeof y === 'number') return Number(x === y);
    if (typeof x === 'string' && x === y) return 1;
    // A name stands for a size, which is never negative.
    const n = typeof x === 'number' ? x : y;
    const s = typeof x === 'number' ? y : x;
    return typeof s === 'string' && typeof n === 'number' && n < 0 ? 0 : null;
  },
  Less: both((a, b) => Number(a < b)),
  LessOrEqual: both((a, b) => Number(a <= b)),
  Greater: both((a, b) => Number(a > b)),
  GreaterOrEqual: both((a, b) => Number(a >= b)),
  And: (x, y) => (x === 0 || y === 0 ? 0 : both((a, b) => Number(a !== 0 && b !== 0))(x, y, true)),
  Or: (x, y) => (x === 1 || y === 1 ? 1 : both((a, b) => Number(a !== 0 || b !== 0))(x, y, true)),
  Xor: both((a, b) => Number((a !== 0) !== (b !== 0))),
} satisfies Record<string, Binary>;

export const UNARY = {
  Neg: (x: number) => (x === 0 ? 0 : -x),
  Abs: Math.abs,
  Floor: Math.floor,
  Ceil: Math.ceil,
  Sqrt: Math.sqrt,
  Sign: Math.sign,
  Reciprocal: (x: number) => 1 / x,
  Not: (x: number) => Number(x === 0),
  /** To even at ties. */
  Round: (x: number) => {
    const r = Math.round(x);
    return r - x === 0.5 && r % 2 !== 0 ? r - 1 : r;
  },
} satisfies Record<string, (x: number) => number>;

export function isBinary(op: string): op is keyof typeof BINARY {
  return Object.hasOwn(BINARY, op);
}

export function isUnary(op: string): op is keyof typeof UNARY {
  return Object.hasOwn(UNARY, op);
}

const BOOLEAN = new Set(['Equal', 'Less', 'LessOrEqual', 'Greater', 'GreaterOrEqual', 'And', 'Or', 'Xor']);

export function binary(op: keyof typeof BINARY, a: Known, b: Known): Known | undefined {
  const dataType: DataType = BOOLEAN.has(op) ? 'bool' : a.dataType;
  const f: Binary = BINARY[op];
  return zip(a, b, dataType, (x, y) => f(x, y, isInteger(a.dataType)));
}
