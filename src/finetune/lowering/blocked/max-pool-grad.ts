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
import { type Axis, axesOf, pointAxis, poolEnd, sourceOf } from './geometry.js';
import type { Blocked, Nchwc } from './nchwc.js';
import { interleavePhases, movedPixels, oneHot } from './pixels.js';
import type { BlockedContext } from './rule.js';

/** Differences of float32 numbers down to 10⁻²⁰ become whole. */
const STEEP = 2 ** 80;

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
  const gradient = rectifier ? maskedGradient(c, rectifier, dy, t.clean(y)) : t.clean(dy);
  if (!gradient) return false;
  const [source, largest] = [t.clean(x), t.clean(y)];
  const pooling = { n, positive: rectifier !== undefined };
  const value =
    taps < MANY_TAPS
      ? tapByTap({ ...pooling, axes, x: source, y: largest }, gradient.value)
      : axisByAxis({ ...pooling, axes, x: source, y: largest }, gradient.value);
  t.setBlocked((rectifier ?? node).output(), { ...source, value });
  return true;
}

/** From so many on the largest values of rows are worth being computed again. */
const MANY_TAPS = 9;

interface Pooling {
  readonly n: Nchwc;
  /** Rows, columns. */
  readonly axes: readonly Axis[];
  /** What is pooled, and the result. */
  readonly x: Pick<Blocked, 'value' | 'dims'>;
  readonly y: Pick<Blocked, 'value' | 'dims'>;
  /** Whether padding may count as 0: what it would take is lost anyway. */
  readonly positive: boolean;
}

/**
 * The first maximum in row-major order is the first of its row, in the first row whose largest value is the maximum: the
 * gradient goes to the largest values of rows first, and from there along the rows; kh + kw taps in place of kh·kw.
 */
function axisByAxis(pooling: Pooling, dy: Value): Value {
  const { n, axes, x, y } = pooling;
  const [rows, columns] = axes;
  const dims = [...x.dims.slice(0, 3), columns.out];
  const value = n.op('MaxPool', [x.value], dims, {
    kernel_shape: [1, columns.kernel],
    strides: [1, columns.stride],
    pads: [0, columns.begin, 0, poolEnd(columns)],
  });
  const largestOfRows = { value, dims };
  const between = tapByTap({ ...pooling, axes: [rows, pointAxis(columns.out)], x: largestOfRows, y }, dy);
  return tapByTap({ ...pooling, axes: [pointAxis(rows.size), columns], x, y: largestOfRows }, between);
}

function tapByTap({ n, axes, x, y, positive }: Pooling, dy: Value): Value {
  const { b } = n;
  const counts = axes.map((a) => Math.ceil(a.size / a.stride));
  const [rows, columns] = axes.map((a) => Array.from({ length: a.kernel }, (_, tap) => sampling(a, tap)));
  const [images, groups] = x.dims;
  // Equal: 0 + 1; smaller: far below.
  const equalAt = (r: Sampling, q: Sampling): Value => {
    const kernel = [r.kernel, q.kernel];
    return n.conv(x.value, oneHot(n, groups, kernel, [r.hot, q.hot], STEEP), y.dims, {
      kernel,
      strides: axes.map((a) => a.stride),
      pads: [r.before, q.before, r.after, q.after],
      group: groups,
      sum: n.affine(y.value, y.dims, { scale: n.constant([groups], -STEEP) }),
      activation: { name: 'HardSigmoid', parameters: [1, 1] },
    });
  };
  let free = dy;
  const shares: Share[] = [];
  const taps = rows.flatMap((r, i) => columns.map((q, j) => ({ r, q, i, j })));
  for (const [at, { r, q, i, j }] of taps.entries()) {
    let value = free;
    if (at < taps.length - 1) {
      const equal = equalAt(r, q);
      value = b.op('Mul', [free, positive ? equal : inside(n, equal, y.dims, r, q)]);
      free = b.op('Sub', [free, value]);
    }
    const [py, px] = [phaseOf(axes[0], i), phaseOf(axes[1], j)];
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

/**
 * The gradient of the Relu, or Clip from 0, that made X, if it is all that this gradient goes to. It drops what arrives where
 * X is 0, so that padding, which counts as 0 here, can take nothing that would not be lost.
 */
function rectifierBefore({ node }: BlockedContext): Node | undefined {
  const x = node.input(1);
  const rectified =
    x.producer?.opType === 'Relu' ||
    (x.producer?.opType === 'Clip' && x.producer.inputs[1]?.constant?.typed()[0] === 0);
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

/** Zero where the tap lies outside the input, whatever the padding compared as. */
function inside(n: Nchwc, v: Value, dims: readonly number[], r: Sampling, q: Sampling): Value {
  if ([...r.valid, ...q.valid].every((ok) => ok)) return v;
  const mask = n.shared(`inside ${r.valid.join()} ${q.valid.join()}`, () =>
    n.b.f32(
      Float32Array.from(
        r.valid.flatMap((row) => q.valid.flatMap((ok) => new Array<number>(n.block).fill(row && ok ? 1 : 0))),
      ),
      [1, 1, r.valid.length * q.valid.length, n.block],
    ),
  );
  return n.reshape(n.b.op('Mul', [n.panels(v, dims), mask]), dims);
}
