/**
 * MaxPool's gradient on blocked tensors. Tap by tap, row by row: where X at the tap equals the maximum, the window's
 * gradient that is still free goes there, so that the first of equal maxima gets it all (PyTorch). Each tap's share lands
 * on one phase of the input (its index by the stride); shares of a phase are shifted into place and added. The last tap gets
 * what no other took. A rectifier before the pooling is gone through on the pooled maps, which are smaller: what it drops is
 * the gradient of windows whose largest value is at its kink.
 */
import { type Node, sizeOf, type Value } from '../../../onnx/index.js';
import { geometryOf } from '../../autodiff/geometry.js';
import { maskedGradient } from './activation.js';
import { type Axis, axesOf, pointAxis, sourceOf } from './geometry.js';
import { goesByAxes, increasingBefore, largestOf, largestOfRows } from './max-pool.js';
import type { Blocked, Nchwc } from './nchwc.js';
import { interleavePhases, movedPixels, oneHot } from './pixels.js';
import type { BlockedContext } from './rule.js';

/** Differences of float32 numbers down to 10⁻²⁰ become more than 1. */
const STEEP = 2 ** 80;

/** More than any value of a map. */
const FAR = 2 ** 120;

export function maxPoolGrad(c: BlockedContext): boolean {
  const { n, t, node, shape } = c;
  const [dy, x, y] = [node.input(0), node.input(1), node.input(2)];
  const dims = shape(x);
  if (dims.length !== 4 || t.isPlain(y)) return false;
  const axes = axesOf(geometryOf(node), dims.slice(2), shape(y).slice(2));
  if (axes.some((a) => a.dilation !== 1 || a.begin >= a.kernel)) return false;
  const taps = axes[0].kernel * axes[1].kernel;
  if (sizeOf(dims) === 0 || sizeOf(shape(y)) === 0 || taps < 2) return false;
  const rectifier = rectifierBefore(c);
  const small = rectifier ? maskedGradient(c, rectifier, dy, t.clean(y)) : t.clean(dy);
  if (!small) return false;
  const source = increasingBefore(c, x)?.source ?? t.clean(x);
  const largest = largestOf(c, source, axes, true);
  const rows = goesByAxes(axes) ? largestOfRows(c, source, axes) : undefined;
  const emit = (): Blocked => {
    const value = rows
      ? rowsFirst({ n, axes, x: source, y: largest }, rows, small.value)
      : direct({ n, axes, x: source, y: largest }, small.value);
    return { ...source, value, dirty: small.dirty };
  };
  t.set((rectifier ?? node).output(), { kind: 'unpooled', gradient: { small, largest, source, emit } });
  return true;
}

interface Pooling {
  readonly n: Nchwc;
  /** Rows, columns. */
  readonly axes: readonly Axis[];
  /** What is pooled, and the result. */
  readonly x: Pick<Blocked, 'value' | 'dims'>;
  readonly y: Pick<Blocked, 'value' | 'dims'>;
}

function direct(pooling: Pooling, dy: Value): Value {
  return tapByTap(pooling, comparisons(pooling), dy, 'shared');
}

/**
 * The first maximum in row-major order is the first of its row, in the first row whose largest value is the maximum: the
 * gradient goes to the largest values of rows first, and from there along the rows; kh + kw taps in place of kh·kw.
 */
function rowsFirst(pooling: Pooling, largest: Blocked, dy: Value): Value {
  const [rows, columns] = pooling.axes;
  const across: Pooling = { ...pooling, axes: [rows, pointAxis(columns.out)], x: largest };
  const along: Pooling = { ...pooling, axes: [pointAxis(rows.size), columns], y: largest };
  // Of what an operator waits for, the runtime runs first what stands last: these after all that comes of the columns, when
  // nothing needs the largest values of rows any more.
  const equal = comparisons(along, 'spare');
  const between = tapByTap(across, comparisons(across), dy, 'shared');
  return tapByTap(along, equal, between, 'spare');
}

/** Whether a value has other readers, or may be written over. */
type Readers = 'shared' | 'spare';

interface Tap {
  readonly row: number;
  readonly column: number;
}

function tapsOf([rows, columns]: readonly Axis[]): readonly Tap[] {
  const all = Array.from({ length: rows.kernel * columns.kernel }, (_, at) => at);
  return all.map((at) => ({ row: Math.floor(at / columns.kernel), column: at % columns.kernel }));
}

/** For all taps but the last: 1 where X at the tap is Y, else 0. @param readers of Y */
function comparisons({ n, axes, x, y }: Pooling, readers: Readers = 'shared'): readonly Value[] {
  const compared = tapsOf(axes).slice(0, -1);
  const channels = x.dims[1];
  return compared.map(({ row, column }, at) => {
    const [r, q] = [sampling(axes[0], row), sampling(axes[1], column)];
    const kernel = [r.kernel, q.kernel];
    // Of Y less X, 0 becomes 1, and more far less than 0.
    return n.conv(x.value, oneHot(n, channels, kernel, [r.hot, q.hot], -1), y.dims, {
      kernel,
      strides: axes.map((a) => a.stride),
      pads: [r.before, q.before, r.after, q.after],
      group: channels,
      sum: largestFor(n, y, r, q, at === compared.length - 1 ? readers : 'shared'),
      activation: { name: 'HardSigmoid', parameters: [-STEEP, 1] },
    });
  });
}

/** @param equal by tap, see {@link comparisons}, @param readers of dY */
function tapByTap({ n, axes, x, y }: Pooling, equal: readonly Value[], dy: Value, readers: Readers): Value {
  const { b } = n;
  const counts = axes.map((a) => Math.ceil(a.size / a.stride));
  const [images, groups] = x.dims;
  let free = dy;
  const shares: Share[] = [];
  for (const [at, { row, column }] of tapsOf(axes).entries()) {
    let value = free;
    if (at < equal.length) {
      value = b.op('Mul', [free, equal[at]]);
      free = at > 0 || readers === 'spare' ? n.plus(free, value, y.dims, -1) : b.op('Sub', [free, value]);
    }
    const [py, px] = [phaseOf(axes[0], row), phaseOf(axes[1], column)];
    shares.push({ value, phase: `${py.phase} ${px.phase}`, shifts: [py.shift, px.shift] });
  }
  // What stays in its place comes first: what moves is added to it on its way.
  shares.sort((p, q) => Number(moves(p)) - Number(moves(q)));
  const phases = new Map<string, Value>();
  for (const { value, phase, shifts } of shares)
    phases.set(phase, movedPixels(n, value, y.dims, counts, shifts, phases.get(phase)));
  const frame = [images, groups, ...counts];
  const parts = Array.from({ length: axes[0].stride * axes[1].stride }, (_, p) => {
    const key = `${Math.floor(p / axes[1].stride)} ${p % axes[1].stride}`;
    return phases.get(key) ?? n.constant(frame, 0);
  });
  const size = [x.dims[2], x.dims[3]] as const;
  return interleavePhases(n, parts, frame, [axes[0].stride, axes[1].stride], size);
}

/** What a tap takes of the gradient, and where in which phase of the input it goes. */
interface Share {
  readonly value: Value;
  readonly phase: string;
  readonly shifts: readonly number[];
}

function moves({ shifts }: Share): boolean {
  return shifts.some((s) => s !== 0);
}

/** The gradient of the Relu or Clip that made X, if it is all that this gradient goes to. */
function rectifierBefore({ node }: BlockedContext): Node | undefined {
  const x = node.input(1);
  const rectified = x.producer?.opType === 'Relu' || x.producer?.opType === 'Clip';
  const [use, ...others] = node.output().uses;
  const fits =
    rectified &&
    use?.index === 0 &&
    others.length === 0 &&
    /^(Relu|Clip)Grad$/.test(use.node.opType) &&
    use.node.input(1) === x;
  return fits && !node.output().isOutput ? use.node : undefined;
}

/** How a one-hot convolution along one axis reads X at one tap of every window. */
interface Sampling {
  readonly kernel: number;
  readonly hot: number;
  readonly before: number;
  readonly after: number;
  /** Windows whose tap lies in the input. */
  readonly valid: readonly boolean[];
}

function sampling(a: Axis, tap: number): Sampling {
  const first = tap - a.begin;
  const before = Math.max(0, -first);
  const hot = Math.max(0, first);
  const reach = (a.out - 1) * a.stride + hot + 1;
  const after = Math.max(0, reach - a.size - before);
  // Rows that no window reaches would make windows more: the kernel ends in zeros over them.
  const kernel = hot + 1 + (a.size + before + after - reach);
  const valid = Array.from({ length: a.out }, (_, o) => sourceOf(a, o, tap) !== undefined);
  return { kernel, hot, before, after, valid };
}

/** Tap t of window o is input index s·(o + shift) + phase. */
function phaseOf(a: Axis, tap: number): { phase: number; shift: number } {
  const at = tap - a.begin;
  const shift = Math.floor(at / a.stride);
  return { shift, phase: at - shift * a.stride };
}

/** Y to be written over; far more where the tap lies outside the input, so that no padding is equal to it. */
function largestFor(
  n: Nchwc,
  { value, dims }: Pooling['y'],
  r: Sampling,
  q: Sampling,
  readers: Readers,
): Value {
  const valid = r.valid.flatMap((row) => q.valid.map((ok) => row && ok));
  if (valid.every((ok) => ok)) return readers === 'spare' ? value : n.affine(value, dims);
  const bounds = n.shared(`inside ${r.valid.join()} ${q.valid.join()}`, () => {
    const data = valid.flatMap((ok) => new Array<number>(n.block).fill(ok ? 0 : FAR));
    return n.b.f32(data, [1, 1, valid.length, n.block]);
  });
  return n.reshape(n.b.op('Add', [n.panels(value, dims), bounds]), dims);
}
