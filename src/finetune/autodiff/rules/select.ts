/**
 * Operators that take elements along an axis at constant positions: Y[…,o,…] = X[…,from(o),…]. The gradient gives them
 * back: dX[…,j,…] = Σ over the o with from(o) = j of dY[…,o,…], 0 where there is none.
 *   Gather: from(o) is an index, negative ones count from the end, repeated ones add up.
 *   Slice: from(o) = start + o·step. With steps of 1 dY is set into zeros.
 *   Pad: dY cut back, the border's gradient dropped (constant; the constant gets none) or added where the border was
 *   taken from (reflect, edge, wrap). Negative pads become zeros again.
 */
import {
  type GraphBuilder,
  normalizeAxis,
  padAttributes,
  padSources,
  sliceAxes,
  sliceRange,
  type Value,
} from '../../../onnx/index.js';
import { constantInts, refuseComputed } from '../constants.js';
import type { GradientContext, Gradients } from '../rule.js';
import { sumOver } from './sums.js';

export function gatherGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const dims = c.shape(node.input(0));
  const axis = normalizeAxis(node, node.int('axis', 0), dims.length);
  const from = constantInts(c, 1).map((i) => (i < 0 ? i + dims[axis] : i));
  // The axes of the indices, none for a single number, as one axis.
  const flat = dims.map((d, i) => (i === axis ? from.length : d));
  const rows = c.shape(node.input(1)).length === 1 ? dy : b.op('Reshape', [dy, b.i64(flat)]);
  return [giveBack(b, rows, { dims, axis, from })];
}

export function sliceGradient(c: GradientContext): Gradients {
  const { b, node } = c;
  const dims = c.shape(node.input(0));
  const cuts = sliceAxes(node, dims.length) ?? refuseComputed(c, 1, 2, 3, 4);
  let dx = c.dy;
  const before = dims.map(() => 0);
  const after = dims.map(() => 0);
  for (const cut of cuts) {
    const { axis, step } = cut;
    const { start, count } = sliceRange(cut, dims[axis]);
    if (step === 1) {
      before[axis] = start;
      after[axis] = dims[axis] - start - count;
    } else {
      const from = Array.from({ length: count }, (_, o) => start + o * step);
      dx = giveBack(b, dx, { dims, axis, from });
    }
  }
  const pads = [...before, ...after];
  return [pads.some((p) => p > 0) ? b.op('Pad', [dx, b.i64(pads)]) : dx];
}

export function padGradient(c: GradientContext): Gradients {
  const { b, node } = c;
  const dims = c.shape(node.input(0));
  const rank = dims.length;
  const { mode, pads } = padAttributes(node, rank);
  if (!pads) return refuseComputed(c, 1, 3);
  if (mode === 'constant') return [b.op('Pad', [c.dy, b.i64(pads.map((p) => -p))])];
  let dx = c.dy;
  dims.forEach((size, axis) => {
    const [begin, end] = [pads[axis], pads[axis + rank]];
    if (begin === 0 && end === 0) return;
    const from = [...padSources(mode, size, begin, end)];
    dx = giveBack(b, dx, { dims, axis, from });
  });
  return [dx];
}

interface Taken {
  /** Of X. */
  readonly dims: readonly number[];
  readonly axis: number;
  /** Position in X of each element that was taken. */
  readonly from: readonly number[];
}

/**
 * dX of what was taken along one axis, by one Gather: for each j the positions o with from(o) = j, and a zero behind the
 * last element where there are fewer than elsewhere, then their sum.
 */
function giveBack(b: GraphBuilder, dy: Value, { dims, axis, from }: Taken): Value {
  const readers: number[][] = Array.from({ length: dims[axis] }, () => []);
  for (const [o, j] of from.entries()) readers[j].push(o);
  const most = readers.reduce((m, r) => Math.max(m, r.length), 1);
  const zero = from.length;
  const positions = readers.flatMap((r) => Array.from({ length: most }, (_, k) => r[k] ?? zero));
  const pads = [...dims.map(() => 0), ...dims.map((_, i) => (i === axis ? 1 : 0))];
  const source = positions.includes(zero) ? b.op('Pad', [dy, b.i64(pads)]) : dy;
  if (most === 1 && positions.every((o, j) => o === j)) return source;
  const shape = most === 1 ? [readers.length] : [readers.length, most];
  const back = b.op('Gather', [source, b.i64(positions, shape)], { axis });
  return most === 1 ? back : sumOver(b, back, [axis + 1]);
}
