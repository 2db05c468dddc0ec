/**
 * Resize and Upsample. Interpolation is separable, so each axis is resampled by itself: output position o maps to an
 * input coordinate x(o), which weighs one (nearest), two (linear) or four (cubic) input positions. Upsample and
 * Resize 10 map asymmetrically (x = o / scale) and round down.
 */
import {
  type CoordinateMode,
  type NearestMode,
  type ResizeAttributes,
  resizeAttributes,
} from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { checkedSize, type RealTensor, type RefTensor, zeros } from '../tensor.js';

/** What one axis becomes. */
interface AxisPlan {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  /** Start and end of the region, for tf_crop_and_resize. */
  readonly roi: readonly [number, number];
}

/** The input coordinate of output position `o`. */
type Coordinate = (o: number, plan: AxisPlan) => number;

const COORDINATES = {
  half_pixel: (o, { scale }) => (o + 0.5) / scale - 0.5,
  half_pixel_symmetric: (o, { scale, input, output }) => {
    const adjustment = output / (scale * input);
    return (input / 2) * (1 - adjustment) + (o + 0.5) / scale - 0.5;
  },
  pytorch_half_pixel: (o, { scale, output }) => (output > 1 ? (o + 0.5) / scale - 0.5 : 0),
  align_corners: (o, { input, output }) => (output > 1 ? (o * (input - 1)) / (output - 1) : 0),
  asymmetric: (o, { scale }) => o / scale,
  tf_half_pixel_for_nn: (o, { scale }) => (o + 0.5) / scale,
  tf_crop_and_resize: (o, { input, output, roi: [start, end] }) =>
    output > 1
      ? start * (input - 1) + (o * (end - start) * (input - 1)) / (output - 1)
      : 0.5 * (start + end) * (input - 1),
} satisfies Record<CoordinateMode, Coordinate>;

const ROUNDINGS = {
  round_prefer_floor: (x: number) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x: number) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
} satisfies Record<NearestMode, (x: number) => number>;

interface Taps {
  /** First input position and the weights from there on; positions outside take the edge's value. */
  readonly first: number;
  readonly weights: readonly number[];
}

interface Mode {
  readonly taps: (x: number, plan: AxisPlan) => Taps;
  readonly coordinate: Coordinate;
  /** Value where the coordinate lies outside the input (tf_crop_and_resize). */
  readonly outside: number | undefined;
}

/** Resize (10 and up) and Upsample (7, 9). */
export const resize: RefRule = (call): RefTensor[] => {
  const x = call.real(0);
  const attributes = resizeAttributes(call.node, x.dims.length, call.opset, call.known);
  if (attributes.antialias) call.fail('attribute antialias', '0 in the reference interpreter', '1');
  return [resample(x, plansOf(call, x, attributes), modeOf(attributes))];
};

function modeOf(a: ResizeAttributes): Mode {
  const taps =
    a.mode === 'nearest'
      ? nearest(ROUNDINGS[a.nearest])
      : a.mode === 'linear'
        ? linear
        : cubic(a.cubicCoefficient, a.excludeOutside);
  const outside = a.coordinates === 'tf_crop_and_resize' ? a.extrapolation : undefined;
  return { taps, coordinate: COORDINATES[a.coordinates], outside };
}

function nearest(round: (x: number) => number): Mode['taps'] {
  return (x) => ({ first: round(x), weights: [1] });
}

const linear: Mode['taps'] = (x) => {
  const first = Math.floor(x);
  return { first, weights: [1 - (x - first), x - first] };
};

/** Keys' cubic convolution with parameter a. */
function cubic(a: number, excludeOutside: boolean): Mode['taps'] {
  const near = (t: number): number => ((a + 2) * t - (a + 3)) * t * t + 1;
  const far = (t: number): number => ((a * t - 5 * a) * t + 8 * a) * t - 4 * a;
  return (x, { input }) => {
    const first = Math.floor(x) - 1;
    const t = x - Math.floor(x);
    let weights = [far(1 + t), near(t), near(1 - t), far(2 - t)];
    if (excludeOutside) {
      weights = weights.map((w, i) => (first + i < 0 || first + i >= input ? 0 : w));
      const sum = weights.reduce((p, q) => p + q, 0);
      weights = weights.map((w) => w / sum);
    }
    return { first, weights };
  };
}

/** One plan per axis, from scales or sizes, the region of interest and the aspect policy. */
function plansOf(call: Call, x: RealTensor, a: ResizeAttributes): AxisPlan[] {
  const plans: AxisPlan[] = x.dims.map((n) => ({ input: n, output: n, scale: 1, roi: [0, 1] }));
  const roi = a.coordinates === 'tf_crop_and_resize' ? (call.optionalReal(1)?.data ?? []) : [];
  const common = a.sizes && commonScale(x, a, a.sizes);
  for (const [i, axis] of a.axes.entries()) {
    const input = x.dims[axis];
    const region: readonly [number, number] = roi.length > 0 ? [roi[i], roi[i + a.axes.length]] : [0, 1];
    if (a.sizes) {
      const output = common === undefined ? a.sizes[i] : Math.round(common * input);
      plans[axis] = { input, output, scale: common ?? output / input, roi: region };
    } else {
      const scale = a.scales?.[i] ?? call.fail('scales or sizes are missing');
      // Runtimes multiply in float32: the exact product with a rounded scale may fall just below an integer.
      const output = Math.floor(Math.fround(input * (region[1] - region[0]) * scale));
      plans[axis] = { input, output, scale, roi: region };
    }
    if (plans[axis].output < 1) call.fail('output', 'at least one element', `0 on axis ${axis}`);
  }
  return plans;
}

/** The one scale of all axes that keeps the aspect ratio; undefined where each axis takes its own. */
function commonScale(x: RealTensor, a: ResizeAttributes, sizes: readonly number[]): number | undefined {
  const ratios = a.axes.map((d, i) => sizes[i] / x.dims[d]);
  if (a.aspect === 'stretch') return undefined;
  return a.aspect === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
}

function resample(x: RealTensor, plans: readonly AxisPlan[], mode: Mode): RealTensor {
  checkedSize(plans.map((p) => p.output));
  let y = x;
  for (const [axis, plan] of plans.entries()) {
    const still = plan.output === plan.input && plan.scale === 1 && plan.roi[0] === 0 && plan.roi[1] === 1;
    if (!still) y = resampleAxis(y, axis, plan, mode);
  }
  return y;
}

function resampleAxis(x: RealTensor, axis: number, plan: AxisPlan, mode: Mode): RealTensor {
  const dims = x.dims.map((d, i) => (i === axis ? plan.output : d));
  const y = zeros(x.dataType, dims);
  const inner = stridesOf(x.dims)[axis];
  const outer = y.data.length / Math.max(1, plan.output * inner);
  for (let o = 0; o < plan.output; o++) {
    const at = mode.coordinate(o, plan);
    const { first, weights } = mode.taps(at, plan);
    const outside = mode.outside !== undefined && (at < 0 || at > plan.input - 1);
    for (let p = 0; p < outer; p++) {
      const to = (p * plan.output + o) * inner;
      if (outside) y.data.fill(mode.outside ?? 0, to, to + inner);
      else
        for (const [k, weight] of weights.entries()) {
          const position = Math.min(plan.input - 1, Math.max(0, first + k));
          const from = (p * plan.input + position) * inner;
          for (let j = 0; j < inner; j++) y.data[to + j] += weight * x.data[from + j];
        }
    }
  }
  return y;
}
