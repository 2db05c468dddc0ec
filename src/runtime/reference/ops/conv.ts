/**
 * Conv: y[n,m,o] = b[m] + Σ_{c,k} x[n, g·C/G + c, o·s − p + k·d] · w[m,c,k], g the group of m. x [N,C,…],
 * w [M,C/G,k…], b [M], y [N,M,…]; one to three spatial axes.
 * ConvTranspose is its adjoint: each x[n,c,i] is added to y[n,m, i·s − p + k·d], times w[c,m,k], w [C,M/G,k…].
 */
import { convAttributes, convTransposeAttributes } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { type RealTensor, zeros } from '../tensor.js';
import { slidingWindows, spatial, transposedWindows, triple, type Windows } from '../window.js';

export const conv: RefRule = (call) => {
  const x = call.real(0);
  const w = call.real(1);
  checkRanks(call, x, w);
  const attributes = convAttributes(call.node, w.dims.slice(2));
  const group = attributes.groups;
  const [batch, channels] = x.dims;
  const [maps, perGroup] = w.dims;
  if (perGroup * group !== channels || maps % group !== 0)
    call.fail(
      'weight',
      `[multiple of ${group}, ${channels / group}, …] for ${channels} channels`,
      `[${w.dims}]`,
    );
  const bias = biasOf(call, maps);
  const shaped = slidingWindows(call, attributes, x.dims.slice(2));
  const windows = flatten1x1(shaped);
  const y = zeros(x.dataType, [batch, maps, ...spatial(shaped.output, shaped.rank)]);
  const inputPlane = volume(windows.input);
  const outputPlane = volume(windows.output);
  const kernelPlane = volume(windows.kernel);
  for (let n = 0; n < batch; n++)
    for (let m = 0; m < maps; m++) {
      const g = Math.floor(m / (maps / group));
      const to = (n * maps + m) * outputPlane;
      if (bias) y.data.fill(bias[m], to, to + outputPlane);
      for (let c = 0; c < perGroup; c++) {
        const from = (n * channels + g * perGroup + c) * inputPlane;
        gatherPlane(x.data, from, w.data, (m * perGroup + c) * kernelPlane, y.data, to, windows);
      }
    }
  return [y];
};

export const convTranspose: RefRule = (call) => {
  const x = call.real(0);
  const w = call.real(1);
  checkRanks(call, x, w);
  const attributes = convTransposeAttributes(call.node, w.dims.slice(2));
  const group = attributes.groups;
  const [batch, channels] = x.dims;
  const perGroup = w.dims[1];
  if (w.dims[0] !== channels || channels % group !== 0)
    call.fail('weight', `[${channels}, …] with ${channels} a multiple of group ${group}`, `[${w.dims}]`);
  const maps = perGroup * group;
  const bias = biasOf(call, maps);
  const windows = transposedWindows(call, attributes, x.dims.slice(2));
  const y = zeros(x.dataType, [batch, maps, ...spatial(windows.input, windows.rank)]);
  const smallPlane = volume(windows.output);
  const largePlane = volume(windows.input);
  const kernelPlane = volume(windows.kernel);
  for (let n = 0; n < batch; n++) {
    if (bias)
      for (let m = 0; m < maps; m++)
        y.data.fill(bias[m], (n * maps + m) * largePlane, (n * maps + m + 1) * largePlane);
    for (let c = 0; c < channels; c++) {
      const g = Math.floor(c / (channels / group));
      for (let m = 0; m < perGroup; m++) {
        const to = (n * maps + g * perGroup + m) * largePlane;
        const from = (n * channels + c) * smallPlane;
        scatterPlane(x.data, from, w.data, (c * perGroup + m) * kernelPlane, y.data, to, windows);
      }
    }
  }
  return [y];
};

/** y += one input plane correlated with one kernel plane. */
function gatherPlane(
  x: Float64Array,
  from: number,
  w: Float64Array,
  kernelAt: number,
  y: Float64Array,
  to: number,
  windows: Windows,
): void {
  const { input, output, strides } = windows;
  const step = strides[2];
  forTaps(windows, kernelAt, (tap, d, h, first, last, offset) => {
    const weight = w[tap];
    for (let od = d.first; od < d.last; od++)
      for (let oh = h.first; oh < h.last; oh++) {
        const id = od * strides[0] + d.offset;
        const ih = oh * strides[1] + h.offset;
        const row = from + (id * input[1] + ih) * input[2] + offset;
        const out = to + (od * output[1] + oh) * output[2];
        for (let ow = first, at = row + first * step; ow < last; ow++, at += step)
          y[out + ow] += weight * x[at];
      }
  });
}

/** The adjoint: `output` of the windows is the small side (x), `input` the large one (y). */
function scatterPlane(
  x: Float64Array,
  from: number,
  w: Float64Array,
  kernelAt: number,
  y: Float64Array,
  to: number,
  windows: Windows,
): void {
  const { input, output, strides } = windows;
  const step = strides[2];
  forTaps(windows, kernelAt, (tap, d, h, first, last, offset) => {
    const weight = w[tap];
    for (let od = d.first; od < d.last; od++)
      for (let oh = h.first; oh < h.last; oh++) {
        const id = od * strides[0] + d.offset;
        const ih = oh * strides[1] + h.offset;
        const row = to + (id * input[1] + ih) * input[2] + offset;
        const out = from + (od * output[1] + oh) * output[2];
        for (let ow = first, at = row + first * step; ow < last; ow++, at += step)
          y[at] += weight * x[out + ow];
      }
  });
}

interface Range {
  /** Outputs first ≤ o < last read inside the input; input position = o·stride + offset. */
  readonly first: number;
  readonly last: number;
  readonly offset: number;
}

type Tap = (tap: number, d: Range, h: Range, first: number, last: number, offset: number) => void;

function forTaps(windows: Windows, kernelAt: number, visit: Tap): void {
  const { kernel } = windows;
  let tap = kernelAt;
  for (let kd = 0; kd < kernel[0]; kd++) {
    const d = inside(windows, 0, kd);
    for (let kh = 0; kh < kernel[1]; kh++) {
      const h = inside(windows, 1, kh);
      for (let kw = 0; kw < kernel[2]; kw++) {
        const { first, last, offset } = inside(windows, 2, kw);
        visit(tap++, d, h, first, last, offset);
      }
    }
  }
}

function inside({ input, output, strides, dilations, begin }: Windows, axis: 0 | 1 | 2, k: number): Range {
  const offset = k * dilations[axis] - begin[axis];
  const first = Math.max(0, Math.ceil(-offset / strides[axis]));
  const last = Math.min(output[axis], Math.floor((input[axis] - 1 - offset) / strides[axis]) + 1);
  return { first, last, offset };
}

/** A 1×1 convolution sees the plane as one row: long inner loops. */
function flatten1x1(w: Windows): Windows {
  const plain =
    [...w.kernel, ...w.strides].every((v) => v === 1) && [...w.begin, ...w.end].every((v) => v === 0);
  if (!plain) return w;
  const row = triple([volume(w.input)], 1);
  return { ...w, input: row, output: row };
}

function volume(t: readonly [number, number, number]): number {
  return t[0] * t[1] * t[2];
}

function checkRanks(call: Call, x: RealTensor, w: RealTensor): void {
  if (w.dims.length !== x.dims.length || x.dims.length < 3)
    call.fail('ranks of input and weight', 'equal ones from 3', `${x.dims.length} and ${w.dims.length}`);
}

function biasOf(call: Call, maps: number): Float64Array | undefined {
  const bias = call.optionalReal(2);
  if (bias && bias.data.length !== maps) call.fail('bias', `${maps} elements`, `[${bias.dims}]`);
  return bias?.data;
}
