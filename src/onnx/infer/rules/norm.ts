/** Normalizations. Attributes: ops/norm.ts. */
import type { Dim } from '../../ir/types.js';
import { normalizeAxis } from '../../ops/axes.js';
import { showDims } from '../../ops/fail.js';
import {
  batchNormAttributes,
  groupNormAttributes,
  layerNormAttributes,
  lrnAttributes,
} from '../../ops/norm.js';
import { type InferContext, type InferRule, typed } from '../context.js';
import { broadcastsTo, meetDim, type Shape } from '../dims.js';

const BN_INPUTS = ['scale', 'bias', 'mean', 'variance'];

/** BatchNormalization: 1 output, 3 in training from opset 14, up to 5 in opset 7 and 9. */
export const batchNorm: InferRule = (c) => {
  const a = batchNormAttributes(c.node, c.opset);
  const x = c.shape(0);
  const parameters = a.spatial ? [channels(x)] : x?.slice(1);
  if (x || a.spatial) for (let i = 1; i <= 4; i++) checkVector(c, i, BN_INPUTS[i - 1], parameters ?? [null]);
  const named = c.node.outputs.filter((o) => o.name !== '').length;
  if (c.opset >= 14 && !a.training && named > 1) c.refuse('outputs', '1 with training_mode=0', `${named}`);
  const statistics = typed(c.dataType(3) ?? c.dataType(0), c.shape(3));
  return [c.type(0), ...c.node.outputs.slice(1).map(() => statistics)];
};

/** InstanceNormalization: scale and bias [C]. */
export const instanceNorm: InferRule = (c) => {
  c.checkRank(0, 'rank 3 or more', (r) => r >= 3);
  const x = c.shape(0);
  checkVector(c, 1, 'scale', [channels(x)]);
  checkVector(c, 2, 'bias', [channels(x)]);
  return [c.type(0)];
};

/** LayerNormalization: Y, and the mean and inverse deviation with 1 in the normalized axes. */
export const layerNorm: InferRule = (c) => {
  const { axis } = layerNormAttributes(c.node);
  const x = c.shape(0);
  if (!x) return [c.type(0)];
  const from = normalizeAxis(c.node, axis, x.length);
  const over = x.slice(from);
  for (const i of [1, 2]) {
    const s = c.shape(i);
    if (s && !broadcastsTo(s, over))
      c.refuse(i === 1 ? 'scale' : 'bias', `a shape that broadcasts to ${showDims(over)}`, showDims(s));
  }
  const code = c.node.int('stash_type', 1);
  const stash = typed(code === 1 ? 'float32' : undefined, [...x.slice(0, from), ...over.map(() => 1)]);
  return [c.type(0), stash, stash];
};

/** GroupNormalization: scale and bias per group (opset 18) or per channel (21). */
export const groupNorm: InferRule = (c) => {
  const { groups } = groupNormAttributes(c.node);
  const n = channels(c.shape(0));
  if (typeof n === 'number' && n % groups !== 0)
    c.refuse('input channels', `a multiple of num_groups ${groups}`, `${n}`);
  for (const i of [1, 2]) checkVector(c, i, i === 1 ? 'scale' : 'bias', [c.opset >= 21 ? n : groups]);
  return [c.type(0)];
};

export const lrn: InferRule = (c) => {
  lrnAttributes(c.node);
  c.checkRank(0, 'rank 2 or more', (r) => r >= 2);
  return [c.type(0)];
};

/** A tensor of rank 1 normalizes over its only axis as one channel. */
function channels(x: Shape | undefined): Dim {
  return !x ? null : x.length > 1 ? x[1] : 1;
}

function checkVector(c: InferContext, index: number, name: string, expected: Shape): void {
  const s = c.shape(index);
  if (s && (s.length !== expected.length || s.some((d, i) => meetDim(d, expected[i]) === 'clash')))
    c.refuse(name, `shape ${showDims(expected)}, the channels of the input`, showDims(s));
}
