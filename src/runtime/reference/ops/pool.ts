/**
 * Pools over sliding windows of x [N,C,…]; padding never wins a maximum. AveragePool divides by the window's elements
 * inside the input, or with count_include_pad inside input and pads (a ceil_mode overhang counts in neither).
 */
import { type PoolAttributes, poolAttributes } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { type RealTensor, type RefTensor, realTensor, zeros } from '../tensor.js';
import { slidingWindows, spatial, type Triple, type Windows } from '../window.js';

/** Calls `visit` per window with the output position and, in order, the input positions it covers. */
function forWindows(
  planes: number,
  { input, output, kernel, strides, dilations, begin }: Windows,
  visit: (out: number, covered: Int32Array, count: number, corner: Triple) => void,
): void {
  const covered = new Int32Array(kernel[0] * kernel[1] * kernel[2]);
  const plane = input[0] * input[1] * input[2];
  let out = 0;
  for (let p = 0; p < planes; p++)
    for (let od = 0; od < output[0]; od++)
      for (let oh = 0; oh < output[1]; oh++)
        for (let ow = 0; ow < output[2]; ow++) {
          const d0 = od * strides[0] - begin[0];
          const h0 = oh * strides[1] - begin[1];
          const w0 = ow * strides[2] - begin[2];
          let count = 0;
          for (let kd = 0; kd < kernel[0]; kd++) {
            const d = d0 + kd * dilations[0];
            if (d < 0 || d >= input[0]) continue;
            for (let kh = 0; kh < kernel[1]; kh++) {
              const h = h0 + kh * dilations[1];
              if (h < 0 || h >= input[1]) continue;
              for (let kw = 0; kw < kernel[2]; kw++) {
                const w = w0 + kw * dilations[2];
                if (w < 0 || w >= input[2]) continue;
                covered[count++] = p * plane + (d * input[1] + h) * input[2] + w;
              }
            }
          }
          visit(out++, covered, count, [d0, h0, w0]);
        }
}

interface Prepared {
  readonly attributes: PoolAttributes;
  readonly x: RealTensor;
  readonly windows: Windows;
  readonly y: RealTensor;
  readonly planes: number;
}

function prepare(call: Call): Prepared {
  const x = call.real(0);
  if (x.dims.length < 3) call.fail('input', 'rank 3 or more', `[${x.dims}]`);
  const attributes = poolAttributes(call.node);
  const windows = slidingWindows(call, attributes, x.dims.slice(2), attributes.ceilMode);
  const y = zeros(x.dataType, [x.dims[0], x.dims[1], ...spatial(windows.output, windows.rank)]);
  return { attributes, x, windows, y, planes: x.dims[0] * x.dims[1] };
}

/** Output 1, Indices: the flat position in x of each maximum (the first of equal ones), or column-major per plane. */
export const maxPool: RefRule = (call) => {
  const { attributes, x, windows, y, planes } = prepare(call);
  const positions = new Int32Array(y.data.length);
  forWindows(planes, windows, (out, covered, count) => {
    let best = Number.NEGATIVE_INFINITY;
    let where = covered[0];
    for (let i = 0; i < count; i++) {
      const v = x.data[covered[i]];
      if (v > best || Number.isNaN(v)) {
        best = v;
        where = covered[i];
        if (Number.isNaN(v)) break;
      }
    }
    y.data[out] = best;
    positions[out] = where;
  });
  if (!call.wants(1)) return [y];
  const flat = attributes.columnMajor ? columnMajor(windows) : (p: number): number => p;
  return [
    y,
    { dataType: 'int64', dims: y.dims, data: BigInt64Array.from(positions, (p) => BigInt(flat(p))) },
  ];
};

function columnMajor({ input }: Windows): (position: number) => number {
  const plane = input[0] * input[1] * input[2];
  return (position) => {
    const inPlane = position % plane;
    const w = inPlane % input[2];
    const h = Math.floor(inPlane / input[2]) % input[1];
    const d = Math.floor(inPlane / (input[2] * input[1]));
    return position - inPlane + (w * input[1] + h) * input[0] + d;
  };
}

export const averagePool: RefRule = (call) => {
  const { attributes, x, windows, y, planes } = prepare(call);
  forWindows(planes, windows, (out, covered, count, corner) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += x.data[covered[i]];
    y.data[out] = sum / (attributes.countIncludePad ? inPadded(windows, corner) : count);
  });
  return [y];
};

/** Elements of a window that lie inside the padded input. */
function inPadded({ input, end, kernel, dilations }: Windows, corner: Triple): number {
  let count = 1;
  for (let axis = 0; axis < 3; axis++) {
    const room = input[axis] + end[axis] - corner[axis];
    count *= Math.min(kernel[axis], Math.ceil(room / dilations[axis]));
  }
  return count;
}

/** (Σ |x|^p)^(1/p). */
export const lpPool: RefRule = (call) => {
  const { attributes, x, windows, y, planes } = prepare(call);
  const { p } = attributes;
  forWindows(planes, windows, (out, covered, count) => {
    let sum = 0;
    for (let i = 0; i < count; i++) sum += Math.abs(x.data[covered[i]]) ** p;
    y.data[out] = sum ** (1 / p);
  });
  return [y];
};

type Reduce = (data: Float64Array, from: number, to: number) => number;

function globalPool(make: (call: Call) => Reduce): RefRule {
  return (call): RefTensor[] => {
    const x = call.real(0);
    if (x.dims.length < 3) call.fail('input', 'rank 3 or more', `[${x.dims}]`);
    const reduce = make(call);
    const planes = x.dims[0] * x.dims[1];
    const size = stridesOf(x.dims)[1];
    const data = new Float64Array(planes);
    for (let i = 0; i < planes; i++) data[i] = reduce(x.data, i * size, (i + 1) * size);
    return [
      realTensor(
        x.dims.map((d, i) => (i < 2 ? d : 1)),
        data,
        x.dataType,
      ),
    ];
  };
}

export const globalAveragePool = globalPool(() => (data, from, to) => {
  let sum = 0;
  for (let i = from; i < to; i++) sum += data[i];
  return sum / (to - from);
});

export const globalMaxPool = globalPool(() => (data, from, to) => {
  let best = Number.NEGATIVE_INFINITY;
  for (let i = from; i < to; i++) best = Math.max(best, data[i]);
  return best;
});

export const globalLpPool = globalPool(({ node }) => {
  const p = node.int('p', 2);
  return (data, from, to) => {
    let sum = 0;
    for (let i = from; i < to; i++) sum += Math.abs(data[i]) ** p;
    return sum ** (1 / p);
  };
});
