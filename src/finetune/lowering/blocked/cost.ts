/**
 * How the gradient of a kernel is computed, by its shape, and what each way is estimated to cost. An estimate is a sum of
 * passes over tensors, at nanoseconds per element, and of products, at the rate that the runtime's kernels reach; the
 * runtime's work per node is left out. `npm run bench:lowering` measures the constants on the machine at hand, and every
 * formulation beside its estimate. dW is chosen by rules of the shape, not by the estimates: those order ways that differ
 * by a third, not closer ones. They decide whether a 1×1 convolution is normalized by the covariance of its input.
 *
 * In the formulas: N images, C channels of X and O of dY (padded), H×W pixels of X, P of dY, T taps of the kernel.
 */
import { areChained, groupingOf } from './weight-grad/grouping.js';
import { isPointwise, pixelsOf, tapsOf, type WeightGradShape } from './weight-grad/task.js';

export interface Costs {
  /** Nanoseconds per element, all threads together: reads one tensor and writes one, as an affine map of channels does. */
  readonly pass: number;
  /** … reads a tensor and writes next to nothing: a sum over pixels. */
  readonly reduction: number;
  /** … moves rows or whole tensors in one thread: Transpose, Concat. */
  readonly copy: number;
  /** … from blocks to NCHW. */
  readonly reorder: number;
  /** GFLOP/s (2 per multiply-add) of blocked convolutions with one block of output channels. */
  readonly convOneBlock: number;
  /** … with more. */
  readonly conv: number;
  /** … of such convolutions with pixels in the place of channels (weight-grad/pixel-product.ts). */
  readonly pixelProduct: number;
  /** … of convolutions with maps of one block of output channels as kernels (weight-grad/maps.ts). */
  readonly mapProductOneBlock: number;
  /** … with maps of more. */
  readonly mapProduct: number;
}

/** As `bench:lowering` found them: 2 cores x86-64 with AVX-512, 2 threads, onnxruntime-node 1.30.0, 2026-11-22. */
export const COSTS: Costs = {
  pass: 0.279,
  reduction: 0.086,
  copy: 0.262,
  reorder: 0.175,
  convOneBlock: 251,
  conv: 329,
  pixelProduct: 315,
  mapProductOneBlock: 191,
  mapProduct: 292,
};

/** `maps` is for kernels of any size, the others for 1×1 without padding. */
export const FORMS = [
  'maps',
  'input rows',
  'output rows',
  'joined input rows',
  'joined output rows',
] as const;
export type Form = (typeof FORMS)[number];

type Estimate = (shape: WeightGradShape, costs: Costs, block: number) => number;

/** Nanoseconds of dW. @param block B */
export const COST: { readonly [form in Form]: Estimate } = {
  maps: mapsCost,
  'input rows': (s, k) => rowsByImage(s, k, s.inputs, s.outputs),
  'output rows': (s, k) => rowsByImage(s, k, s.outputs, s.inputs) + turned(s, k),
  'joined input rows': (s, k) => rowsJoined(s, k, s.inputs, s.outputs),
  'joined output rows': (s, k) => rowsJoined(s, k, s.outputs, s.inputs) + turned(s, k),
};

/**
 * The form that is taken. Pointwise, the map of fewer channels is reordered, and all images are joined where that is better
 * than one product for each.
 */
export function formOf(shape: WeightGradShape, block: number): Form {
  if (!isPointwise(shape)) return 'maps';
  const rows = shape.inputs <= shape.outputs ? 'input rows' : 'output rows';
  return joins(shape, block) ? `joined ${rows}` : rows;
}

/** Below so many pixels the sum over images costs as much as the products. */
const FEW_PIXELS = 100;

/** Whether one product over all images is better than one for each: few pixels, or they fill blocks only together. */
function joins(shape: WeightGradShape, block: number): boolean {
  const pixels = pixelsOf(shape);
  return pixels < FEW_PIXELS || (pixels % block !== 0 && (shape.images * pixels) % block === 0);
}

/**
 * dY as kernels over X, whose rows of blocks take turns; G groups of images, which are put together where they are not N:
 *   N·C·H·W·(pass + copy) + [G < N] N·O·P·copy + [products C × P × T·O] + G·T·C·O·pass [+ reduction] + T·C·O·copy
 */
function mapsCost(s: WeightGradShape, k: Costs, block: number): number {
  const { images, inputs, outputs, axes } = s;
  const together = groupingOf(s, block).images;
  const groups = images / together;
  const pixels = pixelsOf(s);
  const kernel = tapsOf(s) * inputs * outputs;
  const rate = outputs <= block ? k.mapProductOneBlock : k.mapProduct;
  return (
    images * inputs * axes[0].size * axes[1].size * (k.pass + k.copy) +
    (groups < images ? images * outputs * pixels * k.copy : 0) +
    (2 * images * pixels * kernel) / rate +
    (areChained(together, groups) ? groups * kernel * k.pass : summed(groups * kernel, k)) +
    kernel * k.copy
  );
}

/**
 * With R and K the channels of the map that is reordered and of the other:
 *   [pixels of a stride] + N·R·P·(pass + copy) + [products R × P × K]
 */
function rowsByImage(s: WeightGradShape, k: Costs, rows: number, panels: number): number {
  const pixels = pixelsOf(s);
  return (
    subsampled(s, k) +
    s.images * rows * pixels * (k.pass + k.copy) +
    perImage(s.images, rows, pixels, panels, k)
  );
}

/** [pixels of a stride] + N·P·(R·(reorder + pass) + K·copy) + [product R × N·P × K] */
function rowsJoined(s: WeightGradShape, k: Costs, rows: number, panels: number): number {
  const pixels = s.images * pixelsOf(s);
  return (
    subsampled(s, k) +
    pixels * (rows * (k.reorder + k.pass) + panels * k.copy) +
    pixelProduct(rows, pixels, panels, k)
  );
}

/** A kernel that comes out with its input channels outside is put in order: T·C·O·(copy + pass). */
function turned(s: WeightGradShape, k: Costs): number {
  return tapsOf(s) * s.inputs * s.outputs * (k.copy + k.pass);
}

/**
 * Whether a 1×1 convolution and its BatchNormalization cost less from the covariance of X (pointwise-norm.ts), by what is
 * spent and saved per pixel:
 *   C²·(2/pixelProduct + 2/conv)  <  {@link SURE}·O·(2·reduction + 3.5·pass)
 * Left: X·Xᵀ and Q·X. Right: forth two sums and the affine map, back the dot of two maps (which reads like a pass) and the
 * sum in place (two reads and a write) of a map of O channels. Matrices of C·O are left out, so it holds for many pixels.
 * @param inputs C, padded, @param outputs O, padded
 */
export function covariancePaysOff(inputs: number, outputs: number, block: number, k = COSTS): boolean {
  const convolution = inputs <= block ? k.convOneBlock : k.conv;
  const spent = inputs * inputs * (2 / k.pixelProduct + 2 / convolution);
  return spent < SURE * outputs * (2 * k.reduction + 3.5 * k.pass);
}

/**
 * Passes cost less in a step, where maps are still in the cache: ResNet-50's, batch 16, took 1.84 s with 256 → 1024 channels
 * normalized so, and 1.82 s without (medians of two processes each, in turn), where spent ÷ saved is 0.7.
 */
const SURE = 0.5;

/** `images` products [rows × inner]·[inner × columns], and the sum of their results. */
function perImage(images: number, rows: number, inner: number, columns: number, k: Costs): number {
  return images * pixelProduct(rows, inner, columns, k) + summed(images * rows * columns, k);
}

/** Results of images written, and read again to be summed. */
function summed(elements: number, k: Costs): number {
  return elements * (k.pass + k.reduction);
}

function pixelProduct(rows: number, inner: number, columns: number, k: Costs): number {
  return (2 * rows * inner * columns) / k.pixelProduct;
}

function subsampled(s: WeightGradShape, k: Costs): number {
  return s.axes.every((a) => a.stride === 1) ? 0 : s.images * s.inputs * pixelsOf(s) * k.pass;
}
