/** Ops that change only the dims; data is shared with the input. */

import { sizeOf } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { type RefTensor, withDims } from '../tensor.js';

/** A 0 copies the input's dim (unless allowzero), a −1 is what remains. */
export const reshape: RefRule = (call) => {
  const x = call.input(0);
  const wanted = call.integers(1);
  const copyZero = call.node.int('allowzero', 0) === 0;
  const dims = wanted.map((d, i) =>
    d === 0 && copyZero
      ? (x.dims[i] ?? call.fail('shape', "no 0 beyond the input's rank", `[${wanted}]`))
      : d,
  );
  const open = dims.indexOf(-1);
  if (open >= 0) {
    const known = dims.reduce((n, d, i) => (i === open ? n : n * d), 1);
    dims[open] = known === 0 ? 0 : x.data.length / known;
  }
  if (!dims.every((d) => Number.isInteger(d) && d >= 0) || sizeOf(dims) !== x.data.length)
    call.fail('shape', `${x.data.length} elements, as [${x.dims}] has`, `[${wanted}]`);
  return [withDims(x, dims)];
};

export const flatten: RefRule = (call) => {
  const x = call.input(0);
  const axis = call.axis(call.node.int('axis', 1), x.dims.length, true);
  return [withDims(x, [sizeOf(x.dims.slice(0, axis)), sizeOf(x.dims.slice(axis))])];
};

function axesOf(call: Call): readonly number[] | undefined {
  return call.opset >= 13 ? call.optionalIntegers(1) : call.node.ints('axes');
}

export const squeeze: RefRule = (call): RefTensor[] => {
  const x = call.input(0);
  const axes = axesOf(call)?.map((a) => call.axis(a, x.dims.length));
  for (const a of axes ?? []) if (x.dims[a] !== 1) call.fail(`dim of axis ${a}`, '1', `${x.dims[a]}`);
  return [
    withDims(
      x,
      x.dims.filter((d, i) => (axes ? !axes.includes(i) : d !== 1)),
    ),
  ];
};

/** Axes count in the output's rank. */
export const unsqueeze: RefRule = (call) => {
  const x = call.input(0);
  const given = axesOf(call) ?? call.fail('axes are missing');
  const rank = x.dims.length + given.length;
  const axes = given.map((a) => call.axis(a, rank));
  if (new Set(axes).size !== axes.length) call.fail('axes', 'different ones', `[${given}]`);
  const rest = x.dims.values();
  const dims = Array.from({ length: rank }, (_, i) => (axes.includes(i) ? 1 : Number(rest.next().value)));
  return [withDims(x, dims)];
};

/** Dims from `start` to `end` (opset 15), as int64. */
export const shape: RefRule = (call) => {
  const { dims } = call.input(0);
  const clamp = (v: number): number => Math.min(dims.length, Math.max(0, v < 0 ? v + dims.length : v));
  const start = clamp(call.node.int('start', 0));
  const end = clamp(call.node.int('end', dims.length));
  const part = dims.slice(start, end);
  return [{ dataType: 'int64', dims: [part.length], data: BigInt64Array.from(part, (d) => BigInt(d)) }];
};

export const size: RefRule = (call) => [
  { dataType: 'int64', dims: [], data: BigInt64Array.of(BigInt(call.input(0).data.length)) },
];
