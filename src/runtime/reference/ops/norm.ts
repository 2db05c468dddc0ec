/**
 * Normalizations within a sample: (x − μ)/√(σ² + ε) over a run of elements, then a scale and a shift.
 * Variances are biased and taken from the differences to the mean.
 */
import {
  groupNormAttributes,
  instanceNormAttributes,
  layerNormAttributes,
  lrnAttributes,
  sizeOf,
} from '../../../onnx/index.js';
import type { RefRule } from '../call.js';
import { expandTo, stridesOf } from '../strides.js';
import { type RealTensor, realTensor, toNumbers, zeros } from '../tensor.js';
import { gatherRows } from './reduce.js';

interface Moments {
  readonly mean: Float64Array;
  readonly inverse: Float64Array;
}

/** Writes the normalized rows of `length` elements to `y`; returns each row's mean and 1/√(σ² + ε). */
function normalizeRows(x: Float64Array, y: Float64Array, length: number, epsilon: number): Moments {
  const rows = length === 0 ? 0 : x.length / length;
  const mean = new Float64Array(rows);
  const inverse = new Float64Array(rows);
  for (let r = 0; r < rows; r++) {
    const from = r * length;
    let sum = 0;
    for (let i = 0; i < length; i++) sum += x[from + i];
    mean[r] = sum / length;
    let squares = 0;
    for (let i = 0; i < length; i++) squares += (x[from + i] - mean[r]) ** 2;
    inverse[r] = 1 / Math.sqrt(squares / length + epsilon);
    for (let i = 0; i < length; i++) y[from + i] = (x[from + i] - mean[r]) * inverse[r];
  }
  return { mean, inverse };
}

/** y ← y·scale + shift with parameters per channel (axis 1), given by `of(channel)`. */
function affine(
  y: RealTensor,
  scale: Float64Array,
  shift: Float64Array,
  of: (channel: number) => number = (c) => c,
): void {
  const channels = y.dims[1];
  const plane = y.data.length / (y.dims[0] * channels) || 0;
  for (let i = 0, p = 0; i < y.data.length; p++) {
    const c = of(p % channels);
    for (let j = 0; j < plane; j++, i++) y.data[i] = y.data[i] * scale[c] + shift[c];
  }
}

/** Per sample and channel. */
export const instanceNormalization: RefRule = (call) => {
  const x = call.real(0);
  if (x.dims.length < 3) call.fail('input', 'rank 3 or more', `[${x.dims}]`);
  const [scale, shift] = [call.real(1), call.real(2)];
  for (const t of [scale, shift])
    if (t.data.length !== x.dims[1]) call.fail('scale and bias', `${x.dims[1]} elements`, `[${t.dims}]`);
  const y = zeros(x.dataType, x.dims);
  normalizeRows(x.data, y.data, stridesOf(x.dims)[1], instanceNormAttributes(call.node).epsilon);
  affine(y, scale.data, shift.data);
  return [y];
};

/** Over the axes from `axis` on; scale and bias broadcast to the input. Outputs 1 and 2: mean and 1/√(σ² + ε). */
export const layerNormalization: RefRule = (call) => {
  const x = call.real(0);
  const attributes = layerNormAttributes(call.node);
  const axis = call.axis(attributes.axis, x.dims.length);
  const length = sizeOf(x.dims.slice(axis));
  const y = zeros(x.dataType, x.dims);
  const { mean, inverse } = normalizeRows(x.data, y.data, length, attributes.epsilon);
  const scale = toNumbers(expandTo(call.real(1), x.dims));
  const bias = call.inputs[2] && toNumbers(expandTo(call.real(2), x.dims));
  for (let i = 0; i < y.data.length; i++) y.data[i] = y.data[i] * scale[i] + (bias ? bias[i] : 0);
  const reduced = x.dims.map((d, i) => (i < axis ? d : 1));
  return [y, realTensor(reduced, mean, x.dataType), realTensor(reduced, inverse, x.dataType)];
};

/** Per sample and group of channels; scale and bias are per group at opset 18, per channel from 21 on. */
export const groupNormalization: RefRule = (call) => {
  const x = call.real(0);
  const { groups, epsilon } = groupNormAttributes(call.node);
  const channels = x.dims[1];
  if (channels % groups !== 0) call.fail('attribute num_groups', `a divisor of ${channels}`, `${groups}`);
  const parameters = call.opset >= 21 ? channels : groups;
  const [scale, shift] = [call.real(1), call.real(2)];
  for (const t of [scale, shift])
    if (t.data.length !== parameters) call.fail('scale and bias', `${parameters} elements`, `[${t.dims}]`);
  const y = zeros(x.dataType, x.dims);
  const length = (channels / groups) * stridesOf(x.dims)[1];
  normalizeRows(x.data, y.data, length, epsilon);
  affine(y, scale.data, shift.data, call.opset >= 21 ? (c) => c : (c) => Math.floor(c / (channels / groups)));
  return [y];
};

/** y = x / (bias + alpha/size · Σ x²)^beta, the sum over ⌊(size−1)/2⌋ channels before and ⌈(size−1)/2⌉ after. */
export const lrn: RefRule = (call) => {
  const x = call.real(0);
  const { size, alpha, beta, bias } = lrnAttributes(call.node);
  if (x.dims.length < 2) call.fail('input', 'rank 2 or more', `[${x.dims}]`);
  const [batch, channels] = x.dims;
  const plane = stridesOf(x.dims)[1];
  const y = zeros(x.dataType, x.dims);
  for (let n = 0; n < batch; n++)
    for (let c = 0; c < channels; c++) {
      const first = Math.max(0, c - Math.floor((size - 1) / 2));
      const last = Math.min(channels - 1, c + Math.ceil((size - 1) / 2));
      for (let j = 0; j < plane; j++) {
        let squares = 0;
        for (let k = first; k <= last; k++) squares += x.data[(n * channels + k) * plane + j] ** 2;
        const i = (n * channels + c) * plane + j;
        y.data[i] = x.data[i] / (bias + (alpha / size) * squares) ** beta;
      }
    }
  return [y];
};

/** y = scale · x / √(mean x² + ε) over the axes from `axis` on. */
export const rmsNormalization: RefRule = (call) => {
  const x = call.real(0);
  const axis = call.axis(call.node.int('axis', -1), x.dims.length);
  const epsilon = call.node.float('epsilon', Math.fround(1e-5));
  const length = sizeOf(x.dims.slice(axis));
  const scale = toNumbers(expandTo(call.real(1), x.dims));
  const y = zeros(x.dataType, x.dims);
  for (let from = 0; from < y.data.length; from += length) {
    let squares = 0;
    for (let i = from; i < from + length; i++) squares += x.data[i] ** 2;
    const root = Math.sqrt(squares / length + epsilon);
    for (let i = from; i < from + length; i++) y.data[i] = (x.data[i] / root) * scale[i];
  }
  return [y];
};

/** x / ‖x‖_p along an axis (p 1 or 2); a zero vector stays one. */
export const lpNormalization: RefRule = (call) => {
  const x = call.real(0);
  const axis = call.axis(call.node.int('axis', -1), x.dims.length);
  const p = call.node.int('p', 2);
  if (p !== 1 && p !== 2) call.fail('attribute p', '1 or 2', `${p}`);
  const { rows, count } = gatherRows(x.dims, [axis]);
  const y = zeros(x.dataType, x.dims);
  for (let from = 0; from < rows.length; from += count) {
    let sum = 0;
    for (let i = from; i < from + count; i++) sum += Math.abs(x.data[rows[i]]) ** p;
    const length = sum ** (1 / p);
    for (let i = from; i < from + count; i++) y.data[rows[i]] = length === 0 ? 0 : x.data[rows[i]] / length;
  }
  return [y];
};

/** (x − μ)/(σ + 1e-9) over the axes (default: all but the channels, of rank 4). */
export const meanVarianceNormalization: RefRule = (call) => {
  const x = call.real(0);
  const axes = (call.node.ints('axes') ?? [0, 2, 3]).map((a) => call.axis(a, x.dims.length));
  const { rows, count } = gatherRows(x.dims, axes);
  const y = zeros(x.dataType, x.dims);
  for (let from = 0; from < rows.length; from += count) {
    let sum = 0;
    for (let i = from; i < from + count; i++) sum += x.data[rows[i]];
    const mean = sum / count;
    let squares = 0;
    for (let i = from; i < from + count; i++) squares += (x.data[rows[i]] - mean) ** 2;
    const deviation = Math.sqrt(squares / count) + 1e-9;
    for (let i = from; i < from + count; i++) y.data[rows[i]] = (x.data[rows[i]] - mean) / deviation;
  }
  return [y];
};
