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
  if (channels % group !== 0) call.fail('attribute group', `a divisor of ${channels} channels`, `${group}`);
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
  const taps = tapsOf(windows);
  for (let n = 0; n < batch; n++)
    for (let m = 0; m < maps; m++) {
      const g = Math.floor(m / (maps / group));
      const to = (n * maps + m) * outputPlane;
      if (bias) y.data.fill(bias[m], to, to + outputPlane);
      for (let c = 0; c < perGroup; c++) {
        const from = (n * channels + g * perGroup + c) * inputPlane;
        gatherPlane(x.data, from, w.data, (m * perGroup + c) * taps.length, y.data, to, windows, taps);
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
  const taps = tapsOf(windows);
  for (let n = 0; n < batch; n++) {
    if (bias)
      for (let m = 0; m < maps; m++)
        y.data.fill(bias[m], (n * maps + m) * largePlane, (n * maps + m + 1) * largePlane);
    for (let c = 0; c < channels; c++) {
      const g = Math.floor(c / (channels / group));
      for (let m = 0; m < perGroup; m++) {
        const to = (n * maps + g * perGroup + m) * largePlane;
        const from = (n * channels + c) * smallPlane;
        scatterPlane(x.data, from, w.data, (c * perGroup + m) * taps.length, y.data, to, windows, taps);
      }
    }
  }
  return [y];
};

/** What one kernel element multiplies: outputs first ≤ o < last of each axis, at input o·stride + offset. */
interface Tap {
  readonly d: Range;
  readonly h: Range;
  readonly w: Range;
}

interface Range {
  readonly first: number;
  readonly last: number;
  readonly offset: number;
}

/** The kernel's elements in row-major order; the same for every pair of planes. */
function tapsOf(windows: Windows): Tap[] {
  const [depth, height, width] = windows.kernel;
  const taps: Tap[] = [];
  for (let kd = 0; kd < depth; kd++)
    for (let kh = 0; kh < height; kh++)
      for (let kw = 0; kw < width; kw++)
        taps.push({ d: inside(windows, 0, kd), h: inside(windows, 1, kh), w: inside(windows, 2, kw) });
  return taps;
}

function inside({ input, output, strides, dilations, begin }: Windows, axis: 0 | 1 | 2, k: number): Range {
  const offset = k * dilations[axis] - begin[axis];
  const first = Math.max(0, Math.ceil(-offset / strides[axis]));
  const last = Math.min(output[axis], Math.floor((input[axis] - 1 - offset) / strides[axis]) + 1);
  return { first, last, offset };
}

/** A row of the small side (`output` of the windows) and what a tap pairs it with: every `step`-th of the large side. */
type Row = (tap: number, small: number, large: number, count: number, step: number) => void;

function eachRow({ input, output, strides }: Windows, taps: readonly Tap[], visit: Row): void {
  for (let k = 0; k < taps.length; k++) {
    const { d, h, w } = taps[k];
    for (let od = d.first; od < d.last; od++)
      for (let oh = h.first; oh < h.last; oh++) {
        const id = od * strides[0] + d.offset;
        const ih = oh * strides[1] + h.offset;
        const small = (od * output[1] + oh) * output[2] + w.first;
        const large = (id * input[1] + ih) * input[2] + w.first * strides[2] + w.offset;
        visit(k, small, large, w.last - w.first, strides[2]);
      }
  }
}

/** y += one input plane correlated with one kernel plane. */
function gatherPlane(
  x: Float64Array,
  from: number,
  weights: Float64Array,
  kernelAt: number,
  y: Float64Array,
  to: number,
  windows: Windows,
  taps: readonly Tap[],
): void {
  eachRow(windows, taps, (k, small, large, count, step) => {
    const weight = weights[kernelAt + k];
    const out = to + small;
    let at = from + large;
    for (let i = 0; i < count; i++, at += step) y[out + i] += weight * x[at];
  });
}

/** The adjoint: `output` of the windows is the small side (x), `input` the large one (y). */
function scatterPlane(
  x: Float64Array,
  from: number,
  weights: Float64Array,
  kernelAt: number,
  y: Float64Array,
  to: number,
  windows: Windows,
  taps: readonly Tap[],
): void {
  eachRow(windows, taps, (k, small, large, count, step) => {
    const weight = weights[kernelAt + k];
    const row = from + small;
    let at = to + large;
    for (let i = 0; i < count; i++, at += step) y[at] += weight * x[row + i];
  });
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
