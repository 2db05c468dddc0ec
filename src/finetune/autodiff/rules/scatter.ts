/**
 * ScatterND: Y = X with rows replaced by updates U, at constant positions; a row is what the leading axes of X, as many
 * as an index has numbers, tell apart.
 *   dX = dY without the replaced rows;  dU = the replaced rows of dY.
 * Written by `x[:, :c] = f(x[:, :c])`, as FasterNet's partial convolution has it.
 */
import { UnsupportedError } from '../../../base/errors.js';
import { sizeOf, Tensor } from '../../../onnx/index.js';
import { constantInts } from '../constants.js';
import type { GradientContext, Gradients } from '../rule.js';

export function scatterNdGradient(c: GradientContext): Gradients {
  const { b, node, dy, needs, shape } = c;
  const reduction = node.string('reduction', 'none');
  if (reduction !== 'none')
    throw new UnsupportedError({
      problem: `${node.describe()}: no gradient for reduction ${reduction}`,
      expected: 'none',
    });
  const dims = shape(node.input(0));
  const length = shape(node.input(1)).at(-1) ?? 0;
  const [leading, row] = [dims.slice(0, length), dims.slice(length)];
  const replaced = rowsOf(constantInts(c, 1), leading);
  const kept = new Float32Array(sizeOf(leading)).fill(1);
  for (const r of replaced) kept[r] = 0;
  const taken = kept.reduce((n, k) => n + (k === 0 ? 1 : 0), 0);
  if (taken < replaced.length)
    throw new UnsupportedError({
      problem: `${node.describe()} writes ${replaced.length - taken} rows more than once`,
      expected: 'each row at most once: which one stays is not defined',
    });
  const rows = b.op('Reshape', [dy, b.i64([kept.length, ...row])]);
  const dx = () => {
    const mask = b.f32(kept, [kept.length, ...row.map(() => 1)]);
    return b.op('Reshape', [b.op('Mul', [rows, mask]), b.i64(dims)]);
  };
  const dupdates = () => {
    const indices = b.constant(Tensor.int32([replaced.length], replaced));
    return b.op('Reshape', [b.op('Gather', [rows, indices], { axis: 0 }), b.i64(shape(node.input(2)))]);
  };
  return [needs(0) ? dx() : undefined, undefined, needs(2) ? dupdates() : undefined];
}

/** Positions in the flattened leading axes; negative indices count from the end. */
function rowsOf(indices: readonly number[], leading: readonly number[]): number[] {
  const rows: number[] = [];
  for (let at = 0; at < indices.length; at += leading.length)
    rows.push(leading.reduce((row, d, i) => row * d + ((indices[at + i] + d) % d), 0));
  return rows;
}
