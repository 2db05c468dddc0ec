/** Resize and Upsample. Attributes: ops/resize.ts. Output dim: floor(dim · scale), or sizes. */
import type { Dim } from '../../ir/types.js';
import { resizedDim } from '../../ops/resample.js';
import { resizeAttributes } from '../../ops/resize.js';
import type { InferRule } from '../context.js';

export const resize: InferRule = (c) => {
  const x = c.shape(0);
  if (!x) return c.like(0, undefined);
  const a = resizeAttributes(c.node, x.length, c.opset, c.constantOf);
  const out: Dim[] = [...x];
  const sizes = a.sizes ?? c.known(3)?.data;
  if (!a.scales && (!sizes || sizes.length === 0)) {
    for (const axis of a.axes) out[axis] = null;
    return c.like(0, out);
  }
  if (a.aspect !== 'stretch' && sizes)
    return c.like(0, keepAspect(x, a.axes, sizes, a.aspect === 'not_larger'));
  a.axes.forEach((axis, i) => {
    const d = x[axis];
    const scale = a.scales?.[i];
    if (scale === undefined) out[axis] = sizes?.[i] ?? null;
    else if (typeof d === 'number') out[axis] = resizedDim(d, scale);
    else if (scale !== 1) out[axis] = null;
  });
  return c.like(0, out);
};

/** One scale for all axes: the least (or largest) that the sizes ask for; dims are rounded half up. */
function keepAspect(
  x: readonly Dim[],
  axes: readonly number[],
  sizes: readonly Dim[],
  least: boolean,
): Dim[] {
  const out = [...x];
  let scale: number | undefined;
  axes.forEach((axis, i) => {
    const [d, s] = [x[axis], sizes[i]];
    const own = typeof d === 'number' && typeof s === 'number' ? s / d : Number.NaN;
    scale = scale === undefined ? own : least ? Math.min(scale, own) : Math.max(scale, own);
  });
  for (const axis of axes) {
    const d = x[axis];
    const known = typeof d === 'number' && scale !== undefined && !Number.isNaN(scale);
    out[axis] = known ? Math.floor(d * (scale ?? 1) + 0.5) : null;
  }
  return out;
}
