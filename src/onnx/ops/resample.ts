/**
 * What Resize and Upsample do to one axis. Interpolation is separable, so each axis is resampled by itself: output
 * position o maps to an input coordinate x(o), which weighs one (nearest), two (linear) or four (cubic) input positions.
 * https://onnx.ai/onnx/operators/onnx__Resize.html
 */
import type { CoordinateMode, NearestMode, ResizeAttributes } from './resize.js';

export interface ResampledAxis {
  readonly input: number;
  readonly output: number;
  readonly scale: number;
  /** Start and end of the region of interest, as fractions of the axis, for tf_crop_and_resize. */
  readonly region: readonly [number, number];
}

/** Input positions that an output position weighs. */
export interface ResampleTaps {
  readonly positions: readonly number[];
  readonly weights: readonly number[];
}

/** The length of an axis of `dim` resized by `scale`. Runtimes multiply in float32, and a scale is rarely exact. */
export function resizedDim(dim: number, scale: number): number {
  return Math.floor(Math.fround(dim * scale));
}

/**
 * How each axis of an input is resampled; undefined where neither scales nor sizes are constants.
 * @param regions of tf_crop_and_resize: the starts of all axes, then the ends
 */
export function resampledAxes(
  a: ResizeAttributes,
  dims: readonly number[],
  regions: ArrayLike<number> = [],
): ResampledAxis[] | undefined {
  const { sizes, scales } = a;
  if (!sizes && !scales) return undefined;
  const plans: ResampledAxis[] = dims.map((n) => ({ input: n, output: n, scale: 1, region: [0, 1] }));
  const cropped = a.coordinates === 'tf_crop_and_resize' && regions.length > 0;
  const common = sizes && commonScale(a, dims, sizes);
  for (const [i, axis] of a.axes.entries()) {
    const input = dims[axis];
    const region: readonly [number, number] = cropped ? [regions[i], regions[i + a.axes.length]] : [0, 1];
    if (sizes) {
      const output = common === undefined ? sizes[i] : Math.round(common * input);
      plans[axis] = { input, output, scale: common ?? output / input, region };
    } else {
      const scale = scales?.[i] ?? 1;
      plans[axis] = { input, output: resizedDim(input * (region[1] - region[0]), scale), scale, region };
    }
  }
  // ONNX Runtime copies an input whose dims do not change, whatever the scales say.
  if (!cropped && plans.every((p) => p.output === p.input)) return plans.map((p) => ({ ...p, scale: 1 }));
  return plans;
}

/** The one scale of all axes that keeps the aspect ratio; undefined where each axis takes its own. */
function commonScale(
  a: ResizeAttributes,
  dims: readonly number[],
  sizes: readonly number[],
): number | undefined {
  const ratios = a.axes.map((d, i) => sizes[i] / dims[d]);
  if (a.aspect === 'stretch') return undefined;
  return a.aspect === 'not_larger' ? Math.min(...ratios) : Math.max(...ratios);
}

/** Whether an axis stays as it is. */
export function isUnchanged({ input, output, scale, region: [start, end] }: ResampledAxis): boolean {
  return output === input && scale === 1 && start === 0 && end === 1;
}

/** The taps of each output position; undefined where it is the extrapolation value (tf_crop_and_resize). */
export function resampleTaps(a: ResizeAttributes, axis: ResampledAxis): (ResampleTaps | undefined)[] {
  const last = axis.input - 1;
  // Runtimes compute coordinates in float32, and which position is nearest can hang on its last digit.
  const round = a.mode === 'nearest' ? Math.fround : exact;
  return Array.from({ length: axis.output }, (_, o) => {
    const x = COORDINATES[a.coordinates](o, axis, round);
    if (a.coordinates === 'tf_crop_and_resize' && (x < 0 || x > last)) return undefined;
    const { first, weights } = weigh(a, x, axis.input);
    // Positions outside take the edge's value.
    const positions = weights.map((_, k) => Math.min(last, Math.max(0, first + k)));
    return { positions, weights };
  });
}

const exact = (x: number): number => x;

/** The input coordinate of output position `o`; `r` rounds every intermediate result. */
type Coordinate = (o: number, axis: ResampledAxis, r: (x: number) => number) => number;

const halfPixel: Coordinate = (o, { scale }, r) => r(r((o + 0.5) / r(scale)) - 0.5);

const COORDINATES = {
  half_pixel: halfPixel,
  half_pixel_symmetric: (o, axis, r) => {
    const { scale, input, output } = axis;
    const adjustment = r(output / r(r(scale) * input));
    const offset = r((input / 2) * r(1 - adjustment));
    return r(offset + (o + 0.5) / r(scale) - 0.5);
  },
  pytorch_half_pixel: (o, axis, r) => (axis.output > 1 ? halfPixel(o, axis, r) : 0),
  align_corners: (o, { input, output }, r) => (output > 1 ? r((o * (input - 1)) / (output - 1)) : 0),
  asymmetric: (o, { scale }, r) => r(o / r(scale)),
  tf_half_pixel_for_nn: (o, { scale }, r) => r((o + 0.5) / r(scale)),
  tf_crop_and_resize: (o, { input, output, region: [start, end] }) =>
    output > 1
      ? start * (input - 1) + (o * (end - start) * (input - 1)) / (output - 1)
      : 0.5 * (start + end) * (input - 1),
} satisfies Record<CoordinateMode, Coordinate>;

/** What ONNX Runtime still takes for a tie. */
const TIE = 1e-6;

const ROUNDINGS = {
  round_prefer_floor: (x: number) => Math.ceil(x - 0.5 - TIE),
  round_prefer_ceil: (x: number) => Math.floor(x + 0.5 + TIE),
  floor: Math.floor,
  ceil: Math.ceil,
} satisfies Record<NearestMode, (x: number) => number>;

/** The first input position that coordinate `x` weighs, and the weights from there on. */
function weigh(
  a: ResizeAttributes,
  x: number,
  length: number,
): { readonly first: number; readonly weights: readonly number[] } {
  if (a.mode === 'nearest') return { first: ROUNDINGS[a.nearest](x), weights: [1] };
  const whole = Math.floor(x);
  const t = x - whole;
  if (a.mode === 'linear') return { first: whole, weights: [1 - t, t] };
  const first = whole - 1;
  const weights = cubic(a.cubicCoefficient, t);
  if (!a.excludeOutside) return { first, weights };
  const inside = weights.map((w, i) => (first + i < 0 || first + i >= length ? 0 : w));
  const sum = inside.reduce((p, q) => p + q, 0);
  return { first, weights: inside.map((w) => w / sum) };
}

/** Keys' cubic convolution with parameter a, at the positions −1, 0, 1 and 2 from a point at t of [0, 1). */
function cubic(a: number, t: number): number[] {
  const near = (d: number): number => ((a + 2) * d - (a + 3)) * d * d + 1;
  const far = (d: number): number => ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
  return [far(1 + t), near(t), near(1 - t), far(2 - t)];
}
