/**
 * Softmax e^(x−m)/Σe^(x−m) and its logarithm, m the maximum. From opset 13 on along one axis (default −1); before,
 * over all elements from `axis` (default 1) on, as if the input were flattened to a matrix there.
 */
import { sizeOf, softmaxAxis } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { type RealTensor, type RefTensor, zeros } from '../tensor.js';

type Row = (x: Float64Array, y: Float64Array, start: number, count: number, step: number) => void;

function along(row: Row): RefRule {
  return (call): RefTensor[] => {
    const x = call.real(0);
    const y = zeros(x.dataType, x.dims);
    const { count, step } = extent(call, x);
    if (x.data.length > 0)
      for (let outer = 0; outer < x.data.length; outer += count * step)
        for (let inner = 0; inner < step; inner++) row(x.data, y.data, outer + inner, count, step);
    return [y];
  };
}

function extent(call: Call, x: RealTensor): { count: number; step: number } {
  const rank = x.dims.length;
  if (call.opset >= 13) {
    const axis = call.axis(softmaxAxis(call.node, call.opset), rank);
    return { count: x.dims[axis], step: stridesOf(x.dims)[axis] };
  }
  const axis = call.axis(softmaxAxis(call.node, call.opset), rank, true);
  return { count: sizeOf(x.dims.slice(axis)), step: 1 };
}

function maximum(x: Float64Array, start: number, count: number, step: number): number {
  let top = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) top = Math.max(top, x[start + i * step]);
  return top;
}

export const softmax = along((x, y, start, count, step) => {
  const top = maximum(x, start, count, step);
  let sum = 0;
  for (let i = 0; i < count; i++) {
    const e = Math.exp(x[start + i * step] - top);
    y[start + i * step] = e;
    sum += e;
  }
  for (let i = 0; i < count; i++) y[start + i * step] /= sum;
});

export const logSoftmax = along((x, y, start, count, step) => {
  const top = maximum(x, start, count, step);
  let sum = 0;
  for (let i = 0; i < count; i++) sum += Math.exp(x[start + i * step] - top);
  const shift = top + Math.log(sum);
  for (let i = 0; i < count; i++) y[start + i * step] = x[start + i * step] - shift;
});

/** 1 at the first maximum, 0 elsewhere. */
export const hardmax = along((x, y, start, count, step) => {
  let best = 0;
  for (let i = 1; i < count; i++) if (x[start + i * step] > x[start + best * step]) best = i;
  y[start + best * step] = 1;
});
