/**
 * How the gradient of a kernel is computed, by its shape, and what each way is estimated to cost. An estimate is a sum of
 * passes over tensors, at nanoseconds per element, and of products, at the rate that the runtime's kernels reach; the
 * runtime's work per node is left out. `npm run bench:lowering` measures the constants on the machine at hand, and every
 * formulation beside its estimate. dW is chosen by rules of the shape, not by the estimates: those order ways that differ
 * by a third, not closer ones. They decide whether a 1×1 convolution is normalized by the covariance of its input.
 *
 * In the formulas: N images, C channels of X and O of dY (padded), H×W pixels of X, P of dY, T taps of the kernel.
 */
import { roundUp } from './block.js';
import { pixelsOf, tapsOf, type WeightGradShape } from './weight-grad/task.js';

export interface Costs {
  /** Nanoseconds per element, all threads together: reads one tensor and writes one, as an affine map of channels does. */
  readonly pass: number;
  /** … reads a tensor and writes next to nothing: a sum over pixels. */
  readonly reduction: number;
  /** … moves rows or whole tensors in one thread: Transpose, Concat. */
  readonly copy: number;
  /** … gathers blocks of channels that mostly lie one behind the other. */
  readonly gatherRuns: number;
  /** … from blocks to NCHW. */
  readonly reorder: number;
  /** GFLOP/s (2 per multiply-add) of blocked convolutions with one block of output channels. */
  readonly convOneBlock: number;
  /** … with more. */
  readonly conv: number;
  /** … of such convolutions with pixels in the place of channels (weight-grad/pixel-product.ts). */
  readonly pixelProduct: number;
  /** … of matrix products of many rows with one block of columns, one for each image and block. */
  readonly gemmPerImage: number;
  /** … of such products with {@link FEW_ROWS} rows. */
  readonly gemmFewRows: number;
}

/** Rows of the products whose rate is `gemmFewRows`. */
export const FEW_ROWS = 16;

/**
 * 2 cores x86-64 with AVX-512, 2 threads, onnxruntime-node 1.30.0. Only the passes were measured alone. `reorder`, `gatherRuns`
 * and `gemmFewRows` are set so that the estimates meet measured times of whole formulations there; `gemmPerImage` and
 * `convOneBlock` lie in the range that was measured for them. `pixelProduct` is `conv` times their ratio on another machine.
 */
export const COSTS: Costs = {
  pass: 0.11,
  reduction: 0.06,
  copy: 0.25,
  gatherRuns: 0.2,
  reorder: 0.25,
  convOneBlock: 180,
  conv: 430,
  pixelProduct: 400,
  gemmPerImage: 390,
  gemmFewRows: 200,
};

/** Of kernels of any size. */
export const WINDOW_FORMS = ['shifts', 'rows', 'taps', 'joined taps'] as const;
export type WindowForm = (typeof WINDOW_FORMS)[number];

/** Of 1×1 kernels without padding. */
export const POINTWISE_FORMS = [
  'input rows',
  'output rows',
  'joined input rows',
  'joined output rows',
] as const;
export type PointwiseForm = (typeof POINTWISE_FORMS)[number];

type Estimate = (shape: WeightGradShape, costs: Costs) => number;

/** Nanoseconds of dW. */
export const WINDOW_COST: { readonly [form in WindowForm]: Estimate } = {
  shifts: shiftsCost,
  rows: rowsCost,
  taps: tapsCost,
  'joined taps': joinedTapsCost,
};

/** Nanoseconds of dW. */
export const POINTWISE_COST: { readonly [form in PointwiseForm]: Estimate } = {
  'input rows': (s, k) => rowsByImage(s, k, s.inputs, s.outputs),
  'output rows': (s, k) => rowsByImage(s, k, s.outputs, s.inputs) + turned(s, k),
  'joined input rows': (s, k) => rowsJoined(s, k, s.inputs, s.outputs),
  'joined output rows': (s, k) => rowsJoined(s, k, s.outputs, s.inputs) + turned(s, k),
};

/** The forms that the shape allows. */
export function windowForms({ axes }: Pick<WeightGradShape, 'axes'>): readonly WindowForm[] {
  const single = axes.every((a) => a.stride === 1);
  // The runtime reorders pixels in fours.
  const fours = axes[1].size % 4 === 0;
  return WINDOW_FORMS.filter((f) => (single || (f !== 'shifts' && f !== 'rows')) && (fours || f !== 'rows'));
}

/** Kernels of more pixels than this leave the cache of a core between two rows of X. */
const ROW_KERNEL_PIXELS = 64 * 64;

/** How much wider than they are rows may get by being filled up to whole blocks. */
const WIDER = 1.15;

/**
 * The form that is taken: by rows wherever a core's cache holds the kernels and little is filled up; else large maps by
 * shifts, which need least memory, or by taps where there is a stride or many channels; small ones by taps of all images
 * joined, and such whose pixels fill no blocks.
 */
export function windowForm(shape: WeightGradShape, block: number): WindowForm {
  const { inputs, outputs, axes } = shape;
  const [rows, columns] = axes;
  const taps = joins(shape, block) ? 'joined taps' : 'taps';
  if (axes.some((a) => a.stride !== 1)) return rows.out >= 28 ? 'taps' : taps;
  const width = roundUp(columns.size, block);
  if (
    windowForms(shape).includes('rows') &&
    width <= WIDER * columns.size &&
    rows.out * width <= ROW_KERNEL_PIXELS
  )
    return 'rows';
  const many = outputs >= 256 || (rows.out <= 28 && outputs >= 128) || (rows.out <= 14 && inputs >= 64);
  return many ? taps : 'shifts';
}

/** The form that is taken: the map of fewer channels is reordered; all images are joined as for {@link windowForm}. */
export function pointwiseForm(shape: WeightGradShape, block: number): PointwiseForm {
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
 * Shifted copies of X (one for each column of the kernel) and of dY (one for each row), on K = (H + pads)·oW pixels:
 *   kw·N·C·K·(pass + reorder) + kh·N·O·K·pass + [matrix products C × K × O, T for each image] + copy·T·C·O
 * Where the copies of X are stacked ({@link stacksInputs}) there are kh products of kw·C rows, and the copies come from one
 * pass and reorder of X with its pads and a product for each image with matrices of zeros and ones, [C·H × W × kw·oW].
 */
function shiftsCost(s: WeightGradShape, k: Costs): number {
  const { images, inputs, outputs, axes } = s;
  const [rows, columns] = axes;
  const height = rows.size + rows.begin + rows.end;
  const pixels = height * columns.out;
  const copies = columns.kernel * images * inputs * pixels;
  const lowered = rows.kernel * images * outputs * pixels * k.pass;
  const join = tapsOf(s) * inputs * outputs * k.copy;
  if (!stacksInputs(s)) {
    const each = images * matrixProduct(inputs, pixels, outputs, k) + summed(images * inputs * outputs, k);
    return copies * (k.pass + k.reorder) + lowered + tapsOf(s) * each + join;
  }
  const padded = images * inputs * height * columns.size * (k.pass + k.reorder);
  const [lines, shifted] = [inputs * height, columns.kernel * columns.out];
  const shifting = images * matrixProduct(lines, columns.size, shifted, k) + copies * k.pass;
  const stack = columns.kernel * inputs;
  const products = images * matrixProduct(stack, pixels, outputs, k) + summed(images * stack * outputs, k);
  return padded + shifting + lowered + rows.kernel * products + join;
}

/** Rows are filled up to blocks of AVX-512; smaller ones only cost less. */
const WIDEST_BLOCK = 16;

/**
 * dY gathered for each column of the kernel, as kernels of K = oH·W pixels, and X with pixels inside, W being filled up:
 *   N·O·(oH + 1)·oW·pass + kw·N·O·K·gatherRuns + N·C·H·W·(pass + copy) + [products C × K × kw·O, kh for each image]
 */
function rowsCost(s: WeightGradShape, k: Costs): number {
  const { images, inputs, outputs, axes } = s;
  const [rows, columns] = axes;
  const width = roundUp(columns.size, WIDEST_BLOCK);
  const pixels = rows.out * width;
  return (
    images * outputs * (rows.out + 1) * columns.out * k.pass +
    columns.kernel * images * outputs * pixels * k.gatherRuns +
    images * inputs * rows.size * width * (k.pass + k.copy) +
    rows.kernel * perImage(images, inputs, pixels, columns.kernel * outputs, k)
  );
}

/**
 * For each tap a panel of the pixels that it reads:
 *   N·C·(H + 1)·W·pass + N·P·T·C·gatherRuns + N·O·P·(pass + copy) + [products O × P × T·C] + T·C·O·(copy + pass)
 */
function tapsCost(s: WeightGradShape, k: Costs): number {
  const { images, inputs, outputs } = s;
  const pixels = pixelsOf(s);
  const columns = tapsOf(s) * inputs;
  return (
    zeroRow(s) * k.pass +
    images * pixels * columns * k.gatherRuns +
    images * outputs * pixels * (k.pass + k.copy) +
    perImage(images, outputs, pixels, columns, k) +
    turned(s, k)
  );
}

/**
 * The same with X joined first and one product:
 *   N·C·(H + 1)·W·(pass + copy) + N·P·T·C·gatherRuns + N·O·P·(reorder + pass) + [product O × N·P × T·C] + T·C·O·(copy + pass)
 */
function joinedTapsCost(s: WeightGradShape, k: Costs): number {
  const { images, inputs, outputs } = s;
  const pixels = images * pixelsOf(s);
  const columns = tapsOf(s) * inputs;
  return (
    zeroRow(s) * (k.pass + k.copy) +
    pixels * columns * k.gatherRuns +
    outputs * pixels * (k.reorder + k.pass) +
    pixelProduct(outputs, pixels, columns, k) +
    turned(s, k)
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

/** Up to so many input channels the shifted inputs are stacked: the product's kernel wants a dozen rows at least. */
const STACKED_INPUTS = 32;

/** Whether dW by shifts stacks the shifted inputs. By the whole step of ResNet-20, not by the estimate, which is a tie. */
export function stacksInputs({ inputs }: Pick<WeightGradShape, 'inputs'>): boolean {
  return inputs <= STACKED_INPUTS;
}

/**
 * Whether a 1×1 convolution and its BatchNormalization cost less from the covariance of X (pointwise-norm.ts), by what is
 * spent and saved per pixel:
 *   C²·(2/pixelProduct + 2/conv)  <  O·(2·reduction + 3.5·pass)
 * Left: X·Xᵀ and Q·X. Right: forth two sums and the affine map, back the dot of two maps (which reads like a pass) and the
 * sum in place (two reads and a write) of a map of O channels. Matrices of C·O are left out, so it holds for many pixels.
 * @param inputs C, padded, @param outputs O, padded
 */
export function covariancePaysOff(inputs: number, outputs: number, block: number, k = COSTS): boolean {
  const convolution = inputs <= block ? k.convOneBlock : k.conv;
  const spent = inputs * inputs * (2 / k.pixelProduct + 2 / convolution);
  return spent < outputs * (2 * k.reduction + 3.5 * k.pass);
}

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

/**
 * One matrix product. Beside the multiplications the kernel packs its right side, once whatever the number of rows, so the
 * time per multiplication is that of many rows and a part that falls with their number:
 *   1/rate(rows) = 1/rate + FEW_ROWS/rows · (1/gemmFewRows − 1/gemmPerImage)
 */
function matrixProduct(rows: number, inner: number, columns: number, k: Costs): number {
  const packing = (FEW_ROWS / rows) * (1 / k.gemmFewRows - 1 / k.gemmPerImage);
  return 2 * rows * inner * columns * (1 / k.gemmPerImage + packing);
}

function zeroRow({ images, inputs, axes: [rows, columns] }: WeightGradShape): number {
  return images * inputs * (rows.size + 1) * columns.size;
}

function subsampled(s: WeightGradShape, k: Costs): number {
  return s.axes.every((a) => a.stride === 1) ? 0 : s.images * s.inputs * pixelsOf(s) * k.pass;
}
