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
import { type Axis, axesOf, sourceOf } from './geometry.js';
import type { Nchwc } from './nchwc.js';
import { interleavePhases, oneHot } from './pixels.js';
import type { BlockedContext } from './rule.js';

/** Differences of float32 numbers down to 10⁻²⁰ become whole. */
const STEEP = 2 ** 80;

export function maxPoolGrad(c: BlockedContext): boolean {
  const { b, n, t, node, shape } = c;
  const [dy, x, y] = [node.input(0), node.input(1), node.input(2)];
  const dims = shape(x);
  if (dims.length !== 4 || t.isPlain(y)) return false;
  const axes = axesOf(geometryOf(node), dims.slice(2), shape(y).slice(2));
  if (axes.some((a) => a.dilation !== 1 || a.begin >= a.kernel)) return false;
  const counts = axes.map((a) => Math.ceil(a.size / a.stride));
  const views = axes.map((a) => Array.from({ length: a.kernel }, (_, tap) => sampling(a, tap)));
  const [rows, columns] = views;
  const size = t.clean(y).dims;
  if (sizeOf(counts) === 0 || rows.length * columns.length < 2) return false;
  const source = t.clean(x);
  const largest = t.clean(y).value;
  const groups = source.dims[1];
  const rectifier = rectifierBefore(c);
  const gradient = rectifier ? maskedGradient(c, rectifier, dy, t.clean(y)) : t.clean(dy);
  if (!gradient) return false;
  let free = gradient.value;
  const phases = new Map<string, Value>();
  const taps = rows.flatMap((r, i) => columns.map((q, j) => ({ r, q, i, j })));
  // Equal: 0 + 1; smaller: far below.
  const equalAt = (r: Sampling, q: Sampling): Value => {
    const kernel = [r.kernel, q.kernel];
    return n.conv(source.value, oneHot(n, groups, kernel, [r.hot, q.hot], STEEP), size, {
      kernel,
      strides: axes.map((a) => a.stride),
      pads: [r.before, q.before, r.after, q.after],
      group: groups,
      sum: n.affine(largest, size, { scale: n.constant([groups], -STEEP) }),
      activation: { name: 'HardSigmoid', parameters: [1, 1] },
    });
  };
  for (const [at, { r, q, i, j }] of taps.entries()) {
    let share = free;
    if (at < taps.length - 1) {
      const equal = equalAt(r, q);
      share = b.op('Mul', [free, rectifier ? equal : inside(n, equal, size, r, q)]);
      free = b.op('Sub', [free, share]);
    }
    const [py, px] = [phaseOf(axes[0], i), phaseOf(axes[1], j)];
    const key = `${py.phase} ${px.phase}`;
    phases.set(key, landed(n, share, size, counts, [py.shift, px.shift], phases.get(key)));
  }
  const frame = [size[0], groups, ...counts];
  const parts = Array.from({ length: axes[0].stride * axes[1].stride }, (_, p) => {
    const key = `${Math.floor(p / axes[1].stride)} ${p % axes[1].stride}`;
    return phases.get(key) ?? n.constant(frame, 0);
  });
  const value = interleavePhases(n, parts, frame, [axes[0].stride, axes[1].stride], [dims[2], dims[3]]);
  t.setBlocked((rectifier ?? node).output(), { ...source, value });
  return true;
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

/** Shares of windows at the pixels of a phase, shifted, and added to what is there. */
function landed(
  n: Nchwc,
  share: Value,
  from: readonly number[],
  counts: readonly number[],
  shifts: readonly number[],
  sum: Value | undefined,
): Value {
  const still = shifts.every((s) => s === 0) && counts.every((count, i) => count === from[i + 2]);
  if (still) return sum ? n.b.op('Add', [sum, share]) : share;
  const moves = shifts.map((s, i) => {
    const [hot, before] = [Math.max(0, -s), Math.max(0, s)];
    const after = counts[i] - from[i + 2] - before + hot;
    return { kernel: hot + 1 + Math.max(0, -after), hot, before, after: Math.max(0, after) };
  });
  const [r, q] = moves;
  const kernel = [r.kernel, q.kernel];
  return n.conv(share, oneHot(n, from[1], kernel, [r.hot, q.hot], 1), [...from.slice(0, 2), ...counts], {
    kernel,
    pads: [r.before, q.before, r.after, q.after],
    group: from[1],
    sum,
  });
}
