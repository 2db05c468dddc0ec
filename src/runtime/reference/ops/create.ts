/** Ops that make tensors: constants, ranges, one-hot codes. */
import { constantValue } from '../../../onnx/index.js';
import type { RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { checkedSize, fromTensor, isReal, produce, realTensor, toNumbers, zeros } from '../tensor.js';
import { castTo, refTypeOf } from './cast.js';

export const constant: RefRule = (call) => [
  fromTensor(
    constantValue(call.node) ??
      call.fail('value', 'a dense tensor or number', [...call.node.attributes.keys()].join(', ')),
  ),
];

export const constantOfShape: RefRule = (call) => {
  const dims = call.integers(0);
  if (dims.some((d) => d < 0)) call.fail('shape', 'no negative dims', `[${dims}]`);
  const tensor = call.node.tensor('value');
  if (!tensor) return [zeros('float32', dims)];
  const value = fromTensor(tensor);
  if (value.data.length !== 1) call.fail('attribute value', 'one element', `[${value.dims}]`);
  return [
    produce(value, dims, (from, to) => {
      for (let i = 0; i < to.length; i++) to[i] = from[0];
    }),
  ];
};

/** start, start + delta, … up to limit (left out). */
export const range: RefRule = (call) => {
  const start = call.input(0);
  const [from, limit, delta] = [0, 1, 2].map((i) => call.scalar(i));
  if (delta === 0) call.fail('delta', 'not 0', '0');
  const count = Math.max(0, Math.ceil((limit - from) / delta));
  const dims = [
    Number.isNaN(count) ? call.fail('start, limit, delta', 'numbers', `${from}, ${limit}, ${delta}`) : count,
  ];
  const y = zeros(start.dataType, dims);
  if (isReal(y)) for (let i = 0; i < count; i++) y.data[i] = from + i * delta;
  else for (let i = 0; i < count; i++) y.data[i] = BigInt(from + i * delta);
  return [y];
};

/** A new axis of `depth` with values[1] where it equals the index, values[0] elsewhere (and for an index outside). */
export const oneHot: RefRule = (call) => {
  const indices = call.input(0);
  const depth = call.scalar(1);
  const values = call.input(2);
  if (values.data.length !== 2) call.fail('values', 'two elements', `[${values.dims}]`);
  if (!Number.isInteger(depth) || depth < 1) call.fail('depth', 'a positive integer', `${depth}`);
  const axis = call.axis(call.node.int('axis', -1), indices.dims.length + 1);
  const dims = [...indices.dims.slice(0, axis), depth, ...indices.dims.slice(axis)];
  const picks = toNumbers(indices);
  checkedSize(dims);
  const inner = stridesOf(dims)[axis];
  return [
    produce(values, dims, (from, to) => {
      for (let i = 0; i < to.length; i++) to[i] = from[0];
      for (let i = 0; i < picks.length; i++) {
        const pick = picks[i] < 0 ? picks[i] + depth : picks[i];
        if (pick >= 0 && pick < depth)
          to[(Math.floor(i / inner) * depth + pick) * inner + (i % inner)] = from[1];
      }
    }),
  ];
};

/** Running sums along an axis, from the end with `reverse`, each without its own element with `exclusive`. */
export const cumSum: RefRule = (call) => {
  const x = call.input(0);
  const axis = call.axis(call.scalar(1), x.dims.length);
  const exclusive = call.node.int('exclusive', 0) === 1;
  const reverse = call.node.int('reverse', 0) === 1;
  const count = x.dims[axis];
  const step = stridesOf(x.dims)[axis];
  const y = zeros(x.dataType, x.dims);
  const rows = count === 0 ? 0 : x.data.length / count;
  for (let row = 0; row < rows; row++) {
    const start = Math.floor(row / step) * step * count + (row % step);
    const place = (j: number): number => start + (reverse ? count - 1 - j : j) * step;
    if (isReal(x) && isReal(y)) {
      let sum = 0;
      for (let j = 0; j < count; j++) {
        const before = sum;
        sum += x.data[place(j)];
        y.data[place(j)] = exclusive ? before : sum;
      }
    } else if (!isReal(x) && !isReal(y)) {
      let sum = 0n;
      for (let j = 0; j < count; j++) {
        const before = sum;
        sum += x.data[place(j)];
        y.data[place(j)] = exclusive ? before : sum;
      }
    }
  }
  return [y];
};

/** Ones on diagonal k of a matrix of the input's dims. */
export const eyeLike: RefRule = (call) => {
  const x = call.input(0);
  if (x.dims.length !== 2) call.fail('input', 'a matrix', `[${x.dims}]`);
  const k = call.node.int('k', 0);
  const dataType = call.node.attributes.has('dtype') ? refTypeOf(call, 'dtype') : x.dataType;
  const [rows, columns] = x.dims;
  const ones = new Float64Array(rows * columns);
  for (let row = Math.max(0, -k); row < Math.min(rows, columns - k); row++) ones[row * columns + row + k] = 1;
  return [castTo(realTensor(x.dims, ones), dataType)];
};
