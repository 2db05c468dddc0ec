/** Element-wise ops of two or more inputs, broadcast as numpy does. Integers are exact and wrap as in their type. */
import type { Call, RefRule } from '../call.js';
import { broadcastDims, broadcastStrides, select, stridedIndices } from '../strides.js';
import { isFloatType, isReal, type RefTensor, sameKind, toNumbers, wrapInteger, zeros } from '../tensor.js';
import { bigMax, bigMin } from './bigint.js';

type RealFunction = (a: number, b: number) => number;
type BigFunction = (a: bigint, b: bigint) => bigint;

/** How two shapes meet: the result's dims, and for each of its elements which of `a` and of `b` it reads. */
export interface Pairing {
  readonly dims: readonly number[];
  readonly a: Int32Array;
  readonly b: Int32Array;
}

export function pair(call: Call, a: readonly number[], b: readonly number[]): Pairing {
  const dims = broadcastDims(a, b) ?? call.fail('shapes', 'ones that broadcast', `[${a}] and [${b}]`);
  return {
    dims,
    a: stridedIndices(dims, broadcastStrides(a, dims)),
    b: stridedIndices(dims, broadcastStrides(b, dims)),
  };
}

function sameDims(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((d, i) => d === b[i]);
}

/** f over doubles, broadcast; the type is left to the caller. */
export function zipReal(
  call: Call,
  a: { readonly dims: readonly number[]; readonly data: Float64Array },
  b: { readonly dims: readonly number[]; readonly data: Float64Array },
  f: RealFunction,
): { readonly dims: readonly number[]; readonly data: Float64Array } {
  if (sameDims(a.dims, b.dims)) {
    const data = new Float64Array(a.data.length);
    for (let i = 0; i < data.length; i++) data[i] = f(a.data[i], b.data[i]);
    return { dims: a.dims, data };
  }
  const p = pair(call, a.dims, b.dims);
  const data = new Float64Array(p.a.length);
  for (let i = 0; i < data.length; i++) data[i] = f(a.data[p.a[i]], b.data[p.b[i]]);
  return { dims: p.dims, data };
}

/** Both inputs of one type; the result has it too. */
function combine(call: Call, a: RefTensor, b: RefTensor, f: RealFunction, big: BigFunction): RefTensor {
  if (!sameKind(a, b)) call.fail('input types', 'equal ones', `${a.dataType} and ${b.dataType}`);
  if (isReal(a) && isReal(b)) {
    const { dims, data } = zipReal(call, a, b, f);
    return { dataType: a.dataType, dims, data: wrapInteger(a.dataType, data) };
  }
  const p = pair(call, a.dims, b.dims);
  const y = zeros(a.dataType, p.dims);
  if (!isReal(y) && !isReal(a) && !isReal(b))
    for (let i = 0; i < y.data.length; i++) y.data[i] = big(a.data[p.a[i]], b.data[p.b[i]]);
  return y;
}

function arithmetic(f: RealFunction, big: BigFunction, integer: RealFunction = f): RefRule {
  return (call) => {
    const a = call.input(0);
    return [combine(call, a, call.input(1), isFloatType(a.dataType) ? f : integer, big)];
  };
}

export const add = arithmetic(
  (a, b) => a + b,
  (a, b) => a + b,
);
export const sub = arithmetic(
  (a, b) => a - b,
  (a, b) => a - b,
);
/** A product of two 32-bit integers does not fit a double: Math.imul keeps its low 32 bits. */
export const mul = arithmetic(
  (a, b) => a * b,
  (a, b) => a * b,
  Math.imul,
);

function needDivisor(call: Call): void {
  const b = call.input(1);
  if (!isFloatType(b.dataType) && toNumbers(b).includes(0)) call.fail('integer division by zero');
}

export const div: RefRule = (call) => {
  needDivisor(call);
  return divide(call);
};

const divide = arithmetic(
  (a, b) => a / b,
  (a, b) => a / b,
  (a, b) => Math.trunc(a / b),
);

/** fmod=0 (integers): the result has the divisor's sign, as in Python; fmod=1: the dividend's, as in C. */
export const mod: RefRule = (call) => {
  needDivisor(call);
  const fmod = call.node.int('fmod', 0) === 1;
  if (!fmod && isFloatType(call.input(0).dataType)) call.fail('attribute fmod', '1 for floats', '0');
  return fmod ? remainder(call) : modulo(call);
};

const remainder = arithmetic(
  (a, b) => a % b,
  (a, b) => a % b,
);
const modulo = arithmetic(
  (a, b) => {
    const r = a % b;
    return r !== 0 && r < 0 !== b < 0 ? r + b : r;
  },
  (a, b) => {
    const r = a % b;
    return r !== 0n && r < 0n !== b < 0n ? r + b : r;
  },
);

/** The result has the base's type, whatever the exponent's is. */
export const pow: RefRule = (call) => {
  const base = call.input(0);
  const exponent = call.input(1);
  const { dims, data } = zipReal(
    call,
    { dims: base.dims, data: toNumbers(base) },
    { dims: exponent.dims, data: toNumbers(exponent) },
    power,
  );
  if (isReal(base)) return [{ dataType: base.dataType, dims, data: wrapInteger(base.dataType, data) }];
  const y = zeros(base.dataType, dims);
  if (!isReal(y)) for (let i = 0; i < data.length; i++) y.data[i] = BigInt(Math.trunc(data[i]));
  return [y];
};

/** C's pow: where it differs from JavaScript's, 1 to any power is 1. */
function power(a: number, b: number): number {
  return a === 1 ? 1 : a ** b;
}

/** Sum, Min, Max of one or more inputs: a fold from the left. */
function fold(f: RealFunction, big: BigFunction): RefRule {
  return (call) => {
    let y = call.input(0);
    for (let i = 1; i < call.inputs.length; i++) y = combine(call, y, call.input(i), f, big);
    return [y];
  };
}

export const sum = fold(
  (a, b) => a + b,
  (a, b) => a + b,
);
/** NaN wins, as in Math.min. */
export const min = fold(Math.min, bigMin);
export const max = fold(Math.max, bigMax);

export const mean: RefRule = (call) => {
  const [total] = sum(call);
  if (!isReal(total)) return call.fail('input type', 'a float type', total.dataType);
  const n = call.inputs.length;
  return [{ ...total, data: total.data.map((v) => v / n) }];
};

/** Comparisons: bool results. */
function compare(test: (a: number | bigint, b: number | bigint) => boolean): RefRule {
  return (call) => {
    const a = call.input(0);
    const b = call.input(1);
    const p = pair(call, a.dims, b.dims);
    const data = new Float64Array(p.a.length);
    for (let i = 0; i < data.length; i++) data[i] = test(a.data[p.a[i]], b.data[p.b[i]]) ? 1 : 0;
    return [{ dataType: 'bool', dims: p.dims, data }];
  };
}

export const equal = compare((a, b) => a === b);
export const greater = compare((a, b) => a > b);
export const greaterOrEqual = compare((a, b) => a >= b);
export const less = compare((a, b) => a < b);
export const lessOrEqual = compare((a, b) => a <= b);

function logical(f: (a: boolean, b: boolean) => boolean): RefRule {
  return (call) => {
    const y = zipReal(call, call.real(0), call.real(1), (a, b) => (f(a !== 0, b !== 0) ? 1 : 0));
    return [{ dataType: 'bool', ...y }];
  };
}

export const and = logical((a, b) => a && b);
export const or = logical((a, b) => a || b);
export const xor = logical((a, b) => a !== b);

/** The slope broadcasts to the input (one way). */
export const prelu: RefRule = (call) => {
  const x = call.real(0);
  const y = zipReal(call, x, call.real(1), (v, slope) => (v < 0 ? v * slope : v));
  if (!sameDims(y.dims, x.dims))
    call.fail('slope', `one that broadcasts to [${x.dims}]`, `[${call.real(1).dims}]`);
  return [{ dataType: x.dataType, ...y }];
};

export const where: RefRule = (call) => {
  const condition = call.real(0);
  const a = call.input(1);
  const b = call.input(2);
  const inner =
    broadcastDims(a.dims, b.dims) ??
    call.fail('shapes', 'ones that broadcast', `[${a.dims}] and [${b.dims}]`);
  const { dims, a: pick } = pair(call, condition.dims, inner);
  const indices = (t: RefTensor): Int32Array => stridedIndices(dims, broadcastStrides(t.dims, dims));
  const x = select(a, dims, indices(a));
  const other = select(b, dims, indices(b));
  const at = (i: number): boolean => condition.data[pick[i]] !== 0;
  if (isReal(x) && isReal(other)) {
    for (let i = 0; i < x.data.length; i++) if (!at(i)) x.data[i] = other.data[i];
  } else if (!isReal(x) && !isReal(other)) {
    for (let i = 0; i < x.data.length; i++) if (!at(i)) x.data[i] = other.data[i];
  } else call.fail('input types', 'equal ones', `${a.dataType} and ${b.dataType}`);
  return [x];
};

/** Bits of integers of up to 32 bits, and of 64. */
function bitwise(f: RealFunction, big: BigFunction): RefRule {
  return (call) => {
    const a = call.input(0);
    if (isFloatType(a.dataType)) call.fail('input type', 'an integer type', a.dataType);
    return [combine(call, a, call.input(1), f, big)];
  };
}

export const bitwiseAnd = bitwise(
  (a, b) => a & b,
  (a, b) => a & b,
);
export const bitwiseOr = bitwise(
  (a, b) => a | b,
  (a, b) => a | b,
);
export const bitwiseXor = bitwise(
  (a, b) => a ^ b,
  (a, b) => a ^ b,
);

/** Unsigned integers; a shift by the type's width or more gives 0. */
export const bitShift: RefRule = (call) => {
  const direction = call.node.string('direction', '');
  if (direction === 'LEFT') return shiftLeft(call);
  if (direction === 'RIGHT') return shiftRight(call);
  return call.fail('attribute direction', 'LEFT or RIGHT', `'${direction}'`);
};

const shiftLeft = bitwise(
  (a, b) => (b > 31 ? 0 : a << b),
  (a, b) => (b > 63n ? 0n : a << b),
);
const shiftRight = bitwise(
  (a, b) => (b > 31 ? 0 : a >>> b),
  (a, b) => (b > 63n ? 0n : a >> b),
);
