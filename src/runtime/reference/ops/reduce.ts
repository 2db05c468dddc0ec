/** Reductions over axes: each output element is f of the elements that differ from it only along them. */
import { keepDims } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { stridedIndices, stridesOf } from '../strides.js';
import { type RefTensor, wrapInteger, zeros } from '../tensor.js';
import { bigMax, bigMin } from './bigint.js';

/** Reduces `count` elements of `data` that `at` lists from `from` on. */
type Reduce = (data: Float64Array, at: Int32Array, from: number, count: number) => number;
type BigFold = (a: bigint, b: bigint) => bigint;

interface Kind {
  readonly real: Reduce;
  /** How 64-bit integers fold, and from what (undefined: from the first element). */
  readonly big?: { readonly fold: BigFold; readonly start?: bigint };
  /** Axes are an input from this opset on, an attribute before. */
  readonly axesInput: number;
}

/** Reduced axes last, so that each output's elements lie together; dims with and without the reduced axes. */
export function gatherRows(
  dims: readonly number[],
  axes: readonly number[],
): { rows: Int32Array; kept: number[]; count: number } {
  const strides = stridesOf(dims);
  const free = dims.map((_, d) => d).filter((d) => !axes.includes(d));
  const order = [...free, ...axes];
  const rows = stridedIndices(
    order.map((d) => dims[d]),
    order.map((d) => strides[d]),
  );
  return { rows, kept: free.map((d) => dims[d]), count: axes.reduce((n, d) => n * dims[d], 1) };
}

function axesOf(call: Call, rank: number, fromInput: number): number[] | 'identity' {
  const given = call.opset >= fromInput ? call.optionalIntegers(1) : call.node.ints('axes');
  if (given === undefined || given.length === 0) {
    if (call.opset >= fromInput && call.node.int('noop_with_empty_axes', 0) === 1) return 'identity';
    return Array.from({ length: rank }, (_, d) => d);
  }
  return [...new Set(given.map((a) => call.axis(a, rank)))].sort((a, b) => a - b);
}

function reduce({ real, big, axesInput }: Kind): RefRule {
  return (call): RefTensor[] => {
    const x = call.input(0);
    const chosen = axesOf(call, x.dims.length, axesInput);
    // With no axis to reduce over, ops like ReduceSumSquare still apply their function to each element.
    const axes = chosen === 'identity' ? [] : chosen;
    const { rows, kept, count } = gatherRows(x.dims, axes);
    const keep = keepDims(call.node);
    const dims = keep ? x.dims.map((d, i) => (axes.includes(i) ? 1 : d)) : kept;
    const y = zeros(x.dataType, dims);
    if (x.dataType === 'int64' || x.dataType === 'uint64') {
      if (!big) return call.fail('input type', 'a float type or a small integer', x.dataType);
      if (y.dataType === 'int64' || y.dataType === 'uint64')
        for (let i = 0; i < y.data.length; i++) {
          let value = big.start ?? x.data[rows[i * count]];
          for (let j = big.start === undefined ? 1 : 0; j < count; j++)
            value = big.fold(value, x.data[rows[i * count + j]]);
          y.data[i] = value;
        }
      return [y];
    }
    const data = new Float64Array(y.data.length);
    for (let i = 0; i < data.length; i++) data[i] = real(x.data, rows, i * count, count);
    return [{ dataType: x.dataType, dims, data: wrapInteger(x.dataType, data) }];
  };
}

function total(f: (x: number) => number): Reduce {
  return (data, at, from, count) => {
    let sum = 0;
    for (let i = from; i < from + count; i++) sum += f(data[at[i]]);
    return sum;
  };
}

const sum = total((x) => x);
const squares = total((x) => x * x);

const highest: Reduce = (data, at, from, count) => {
  let best = Number.NEGATIVE_INFINITY;
  for (let i = from; i < from + count; i++) best = Math.max(best, data[at[i]]);
  return best;
};

export const reduceSum = reduce({ axesInput: 13, real: sum, big: { fold: (a, b) => a + b, start: 0n } });

export const reduceMean = reduce({
  axesInput: 18,
  real: (data, at, from, count) => sum(data, at, from, count) / count,
});

export const reduceMax = reduce({ axesInput: 18, real: highest, big: { fold: bigMax } });

export const reduceMin = reduce({
  axesInput: 18,
  real: (data, at, from, count) => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = from; i < from + count; i++) best = Math.min(best, data[at[i]]);
    return best;
  },
  big: { fold: bigMin },
});

export const reduceProd = reduce({
  axesInput: 18,
  real: (data, at, from, count) => {
    let product = 1;
    for (let i = from; i < from + count; i++) product *= data[at[i]];
    return product;
  },
  big: { fold: (a, b) => a * b, start: 1n },
});

export const reduceL1 = reduce({ axesInput: 18, real: total(Math.abs) });

export const reduceL2 = reduce({
  axesInput: 18,
  real: (data, at, from, count) => Math.sqrt(squares(data, at, from, count)),
});

export const reduceSumSquare = reduce({
  axesInput: 18,
  real: squares,
});

export const reduceLogSum = reduce({
  axesInput: 18,
  real: (data, at, from, count) => Math.log(sum(data, at, from, count)),
});

export const reduceLogSumExp = reduce({
  axesInput: 18,
  real: (data, at, from, count) => {
    const top = highest(data, at, from, count);
    if (!Number.isFinite(top)) return top;
    let rest = 0;
    for (let i = from; i < from + count; i++) rest += Math.exp(data[at[i]] - top);
    return top + Math.log(rest);
  },
});
