/** Ops that rearrange elements, cut, join and repeat. */
import {
  concatAxis,
  depthToSpaceAttributes,
  dropoutAttributes,
  type Node,
  padAttributes,
  padSources,
  sizeOf,
  sliceAxes,
  sliceRange,
  splitSizes,
  transposePerm,
} from '../../../onnx/index.js';
import type { Call } from '../call.js';
import type { Compute } from '../rule.js';
import type { Tf, TfTensor } from '../tf.js';
import { fromZero } from './integer.js';

export const transpose: Compute = (call) => {
  const x = call.input(0);
  return call.tf.transpose(x, [...transposePerm(call.node, x.rank)]);
};

export const concat: Compute = (call) => {
  const parts = call.inputs();
  return call.tf.concat(parts, concatAxis(call.node, parts[0]?.rank ?? 0));
};

export const split: Compute = (call) => {
  const x = call.input(0);
  const axis = call.axis('axis', 0, x.rank);
  const sizes = splitSizes(call.node, x.shape[axis], call.known) ?? call.fail('its sizes are not known');
  return call.tf.split(x, [...sizes], axis);
};

/** A negative step reads the same elements from the other end, reversed. */
export const slice: Compute = (call) => {
  const { tf } = call;
  const x = call.input(0);
  const cuts = sliceAxes(call.node, x.rank, call.known) ?? call.fail('its ranges are not known');
  const begin = x.shape.map(() => 0);
  const steps = x.shape.map(() => 1);
  const counts = [...x.shape];
  const turned: number[] = [];
  for (const cut of cuts) {
    const { start, count } = sliceRange(cut, x.shape[cut.axis]);
    const back = cut.step < 0;
    steps[cut.axis] = Math.abs(cut.step);
    counts[cut.axis] = count;
    begin[cut.axis] = back && count > 0 ? start + (count - 1) * cut.step : start;
    if (back) turned.push(cut.axis);
  }
  const span = counts.map((n, i) => (n === 0 ? 0 : (n - 1) * steps[i] + 1));
  const end = begin.map((b, i) => b + span[i]);
  const plain = steps.every((s) => s === 1) || counts.includes(0);
  const part = plain
    ? tf.slice(
        x,
        begin.map((b, i) => Math.min(b, x.shape[i] - span[i])),
        span,
      )
    : tf.stridedSlice(x, begin, end, steps);
  return turned.length > 0 ? tf.reverse(part, turned) : part;
};

export const pad: Compute = (call) => {
  const { tf } = call;
  const x = call.input(0);
  const { mode, pads, value } = padAttributes(call.node, x.rank, call.known);
  if (!pads || value === undefined) return call.fail('its pads are not known');
  if (mode === 'constant' && pads.every((p) => p >= 0))
    return tf.pad(
      x,
      x.shape.map((_, i): [number, number] => [pads[i], pads[x.rank + i]]),
      value,
    );
  let y = x;
  for (let axis = 0; axis < x.rank; axis++) {
    const [begin, end] = [pads[axis], pads[x.rank + axis]];
    if (begin !== 0 || end !== 0)
      y = padAxis(tf, y, axis, padSources(mode, y.shape[axis], begin, end), value);
  }
  return y;
};

/** Elements `sources` of an axis; −1 is the value. */
function padAxis(tf: Tf, x: TfTensor, axis: number, sources: Int32Array, value: number): TfTensor {
  const inside = sources.filter((s) => s >= 0);
  const picked = tf.gather(x, tf.tensor1d(inside, 'int32'), axis);
  // What is cut off one end may be filled up at the other; what fills stands at the ends only.
  const before = sources.findIndex((s) => s >= 0);
  const begin = before < 0 ? sources.length : before;
  const end = sources.length - begin - inside.length;
  if (begin === 0 && end === 0) return picked;
  return tf.pad(
    picked,
    x.shape.map((_, i): [number, number] => (i === axis ? [begin, end] : [0, 0])),
    value,
  );
}

/** Broadcasts both ways: a 1 in the wanted shape keeps the input's dim. */
export const expand: Compute = (call) => {
  const x = call.input(0);
  const dims = call.tf.broadcast_util.assertAndGetBroadcastShape(x.shape, call.numbers(1));
  return broadcast(call.tf, x, dims);
};

function broadcast(tf: Tf, x: TfTensor, dims: readonly number[]): TfTensor {
  const full = x.reshape([...new Array<number>(dims.length - x.rank).fill(1), ...x.shape]);
  return tf.tile(
    full,
    full.shape.map((n, i) => (n === dims[i] ? 1 : dims[i])),
  );
}

export const tile: Compute = (call) => call.tf.tile(call.input(0), call.numbers(1));

/** DCR: depth is [b, b, C]; CRD: [C, b, b]. */
export const depthToSpace: Compute = (call) => {
  const x = call.input(0);
  const { blockSize: b, mode } = depthToSpaceAttributes(call.node);
  const [n, c, h, w] = x.shape;
  const depth = c / (b * b);
  const blocks = mode === 'DCR' ? x.reshape([n, b, b, depth, h, w]) : x.reshape([n, depth, b, b, h, w]);
  const perm = mode === 'DCR' ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3];
  return call.tf.transpose(blocks, perm).reshape([n, depth, h * b, w * b]);
};

export const spaceToDepth: Compute = (call) => {
  const x = call.input(0);
  const { blockSize: b } = depthToSpaceAttributes(call.node);
  const [n, c, h, w] = x.shape;
  const blocks = x.reshape([n, c, h / b, b, w / b, b]);
  return call.tf.transpose(blocks, [0, 3, 5, 1, 2, 4]).reshape([n, c * b * b, h / b, w / b]);
};

/** y[a…, i…, b…] = x[a…, indices[i…], b…]. */
export const gather: Compute = (call) => {
  const { tf } = call;
  const [x, indices] = [call.input(0), call.input(1)];
  const axis = call.axis('axis', 0, x.rank);
  const flat = fromZero(tf, indices, x.shape[axis]).reshape([indices.size]);
  const dims = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return tf.gather(x, flat, axis).reshape(dims);
};

/** y = x with the index on one axis taken from `indices`, which may be smaller on the others. */
export const gatherElements: Compute = (call) => {
  const { tf } = call;
  const [x, indices] = [call.input(0), call.input(1)];
  const axis = call.axis('axis', 0, x.rank);
  const length = x.shape[axis];
  const size = indices.shape.map((n, i) => (i === axis ? length : n));
  const part = tf.slice(
    x,
    size.map(() => 0),
    size,
  );
  const last = x.rank - 1;
  const perm = x.shape.map((_, i) => (i === axis ? last : i === last ? axis : i));
  const picks = tf.transpose(fromZero(tf, indices, length), perm);
  const rows = sizeOf(picks.shape.slice(0, -1));
  const starts = tf.range(0, rows, 1, 'int32').mul(tf.scalar(length, 'int32')).reshape([rows, 1]);
  const at = tf.add(picks.reshape([rows, indices.shape[axis]]), starts).reshape([indices.size]);
  const found = tf.gather(tf.transpose(part, perm).reshape([part.size]), at);
  return tf.transpose(found.reshape(picks.shape), perm);
};

/**
 * x with updates in place of what the indices [..., n] point to by the first n axes. The CPU backend writes them into the
 * tensor that it is given, so it gets a copy.
 */
export const scatterNd: Compute = (call) => {
  const { tf } = call;
  const [x, indices] = [call.input(0), call.input(1)];
  const count = indices.shape[indices.rank - 1];
  const copy = tf.mul(x, tf.scalar(1, x.dtype));
  return tf.tensorScatterUpdate(copy, fromZero(tf, indices, x.shape.slice(0, count)), call.input(2));
};

/** Where several updates meet, they would have to be joined. */
export function scatterNdRefuses(node: Node): string | undefined {
  const reduction = node.string('reduction', 'none');
  return reduction === 'none' ? undefined : `reduction = ${reduction}`;
}

export const identity: Compute = (call: Call) => call.input(0);

/** Dropout passes its input on, unless it is told to drop. A mask that nobody reads need not be made. */
export function dropoutRefuses(node: Node): string | undefined {
  if (node.outputs[1]?.isDead === false) return 'output mask';
  const { training } = dropoutAttributes(node);
  return training === false ? undefined : 'training_mode (train and eval turn it into inference form)';
}
