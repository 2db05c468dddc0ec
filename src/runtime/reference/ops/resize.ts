/**
 * Resize and Upsample. Interpolation is separable, so each axis is resampled by itself: output position o maps to an
 * input coordinate x(o), which weighs one (nearest), two (linear) or four (cubic) input positions. Upsample and
 * Resize 10 map asymmetrically (x = o / scale) and round down.
 */
import type { Call, RefRule } from '../call.js';
import { stridesOf } from '../strides.js';
import { checkedSize, isReal, type RealTensor, type RefTensor, zeros } from '../tensor.js';

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
} satisfies Record<string, Coordinate>;

const ROUNDINGS = {
  round_prefer_floor: (x: number) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x: number) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
} satisfies Record<string, (x: number) => number>;

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

export const upsample: RefRule = (call): RefTensor[] => {
  const x = call.real(0);
  const scales =
    (call.opset >= 9 ? Array.from(call.real(1).data) : call.node.floats('scales')) ??
    call.fail('scales are missing');
  return [resample(x, plansFromScales(call, x.dims, scales), asymmetric(call))];
};

export const resize: RefRule = (call): RefTensor[] => {
  const x = call.input(0);
  if (!isReal(x)) return call.fail('input type', 'a float type', x.dataType);
  if (call.opset < 11) {
    const plans = plansFromScales(call, x.dims, Array.from(call.real(1).data));
    return [resample(x, plans, asymmetric(call))];
  }
  return [resample(x, plansOf(call, x), modeOf(call))];
};

function asymmetric(call: Call): Mode {
  const mode = call.node.string('mode', 'nearest');
  const taps =
    mode === 'nearest'
      ? nearest(Math.floor)
      : mode === 'linear'
        ? linear
        : call.fail('attribute mode', 'nearest or linear', mode);
  return { taps, coordinate: COORDINATES.asymmetric, outside: undefined };
}

function modeOf(call: Call): Mode {
  const { node } = call;
  const mode = node.string('mode', 'nearest');
  const transform = node.string('coordinate_transformation_mode', 'half_pixel');
  const rounding = node.string('nearest_mode', 'round_prefer_floor');
  if (!isKey(COORDINATES, transform))
    return call.fail(
      'attribute coordinate_transformation_mode',
      Object.keys(COORDINATES).join(', '),
      transform,
    );
  if (!isKey(ROUNDINGS, rounding))
    return call.fail('attribute nearest_mode', Object.keys(ROUNDINGS).join(', '), rounding);
  if (node.int('antialias', 0) !== 0) call.fail('attribute antialias', '0', '1');
  const taps =
    mode === 'nearest'
      ? nearest(ROUNDINGS[rounding])
      : mode === 'linear'
        ? linear
        : mode === 'cubic'
          ? cubic(node.float('cubic_coeff_a', -0.75), node.int('exclude_outside', 0) !== 0)
          : call.fail('attribute mode', 'nearest, linear or cubic', mode);
  const outside = transform === 'tf_crop_and_resize' ? node.float('extrapolation_value', 0) : undefined;
  return { taps, coordinate: COORDINATES[transform], outside };
}

function isKey<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key);
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

function plansFromScales(call: Call, dims: readonly number[], scales: readonly number[]): AxisPlan[] {
  if (scales.length !== dims.length || scales.some((s) => !(s > 0)))
    call.fail('scales', `${dims.length} positive numbers`, `[${scales}]`);
  // Runtimes multiply in float32; at 0.3·10 the exact product of the rounded scale could fall below the integer.
  return dims.map((input, d) => ({
    input,
    output: Math.floor(Math.fround(input * scales[d])),
    scale: scales[d],
    roi: [0, 1],
  }));
}

/** From roi, scales, sizes and (opset 18) axes and keep_aspect_ratio_policy. */
function plansOf(call: Call, x: RealTensor): AxisPlan[] {
  const rank = x.dims.length;
  const axes = call.node.ints('axes')?.map((a) => call.axis(a, rank)) ?? x.dims.map((_, d) => d);
  const scales = call.inputs[2] && Array.from(call.real(2).data);
  const sizes = call.optionalIntegers(3);
  const roi = call.inputs[1] && Array.from(call.real(1).data);
  const plans: AxisPlan[] = x.dims.map((n) => ({ input: n, output: n, scale: 1, roi: [0, 1] }));
  const given = sizes?.length ? sizes : scales?.length ? scales : call.fail('scales or sizes are missing');
  if (given.length !== axes.length || given.some((v) => !(v > 0)))
    call.fail(sizes?.length ? 'sizes' : 'scales', `${axes.length} positive numbers`, `[${given}]`);
  const common = sizes?.length ? commonScale(call, x, axes, sizes) : undefined;
  for (const [i, d] of axes.entries()) {
    const input = x.dims[d];
    const region: readonly [number, number] =
      roi?.length === 2 * axes.length ? [roi[i], roi[i + axes.length]] : [0, 1];
    if (sizes?.length) {
      const output = common === undefined ? sizes[i] : Math.round(common * input);
      plans[d] = { input, output, scale: common ?? output / input, roi: region };
    } else if (scales) {
      const output = Math.floor(Math.fround(input * (region[1] - region[0]) * scales[i]));
      plans[d] = { input, output, scale: scales[i], roi: region };
    }
  }
  return plans;
}

function commonScale(
  call: Call,
  x: RealTensor,
  axes: readonly number[],
  sizes: readonly number[],
): number | undefined {
  const policy = call.node.string('keep_aspect_ratio_policy', 'stretch');
  const ratios = axes.map((d, i) => sizes[i] / x.dims[d]);
  if (policy === 'stretch') return undefined;
  if (policy === 'not_larger') return Math.min(...ratios);
  if (policy === 'not_smaller') return Math.max(...ratios);
  return call.fail('attribute keep_aspect_ratio_policy', 'stretch, not_larger or not_smaller', policy);
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
