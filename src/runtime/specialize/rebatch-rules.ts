/** How each operator's constants follow a change of the batch size. Operators that are not listed have none that do. */
import {
  BROADCASTING_OPS,
  concatAxis,
  type Node,
  normalizeAxis,
  sizeOf,
  sliceAxes,
  sliceRange,
  Tensor,
} from '../../onnx/index.js';
import { refuse } from '../../onnx/ops/fail.js';
import type { Rebatch } from './rebatch-context.js';
import { repeat, repeatedSlice } from './slices.js';

/** Changes the node's constant inputs in place. @throws ModelError when they cannot follow */
type Rule = (node: Node, c: Rebatch) => void;

export function ruleOf(node: Node): Rule | undefined {
  return node.domain === '' ? RULES.get(node.opType) : undefined;
}

/** The axis of the batch in input 0, and its old shape. */
function batchOf(node: Node, c: Rebatch): { axis: number; old: readonly number[] } | undefined {
  const value = node.input(0);
  const axis = c.carriedAxis(value);
  const old = c.oldShape(value);
  return axis === undefined || !old ? undefined : { axis, old };
}

/**
 * Reshape keeps the order of the elements, so the batch sits in the output at the axis that has as many elements before
 * it as the input's batch axis has.
 */
const reshape: Rule = (node, c) => {
  const batch = batchOf(node, c);
  const target = c.ints(node, 1);
  const out = c.oldShape(node.output());
  if (!batch || !target || !out) return;
  const before = sizeOf(batch.old.slice(0, batch.axis));
  const candidates = out.flatMap((d, i) =>
    sizeOf(out.slice(0, i)) === before && Number.isInteger(c.scaled(d)) ? [i] : [],
  );
  const [first] = candidates;
  const axis = candidates.find((i) => out[i] === batch.old[batch.axis]) ?? first;
  if (axis === undefined) refuse(node, 'shape', 'the batch on an axis of its own', `[${out}]`);
  // -1 follows by itself, and so does 0, which copies the input's dim, if it copies the batch.
  const copies = target[axis] === 0 && axis === batch.axis && node.int('allowzero', 0) === 0;
  if (target[axis] === -1 || copies) return;
  c.setInts(node, 1, target.with(axis, c.scaled(out[axis])), 'shape');
};

const expand: Rule = (node, c) => {
  const batch = batchOf(node, c);
  const target = c.ints(node, 1);
  if (!batch || !target) return;
  const at = target.length - (batch.old.length - batch.axis);
  if (at < 0 || target[at] === 1) return;
  if (target[at] !== batch.old[batch.axis])
    refuse(node, 'shape', `${batch.old[batch.axis]} or 1 on the batch axis`, `[${target}]`);
  c.setInts(node, 1, target.with(at, c.scaled(target[at])), 'shape');
};

/** Resize 11 and up: `sizes` may spell out the batch. */
const resize: Rule = (node, c) => {
  const batch = batchOf(node, c);
  const sizes = c.ints(node, 3);
  if (!batch || !sizes || sizes.length === 0) return;
  const axes = node.ints('axes')?.map((a) => normalizeAxis(node, a, batch.old.length));
  const at = axes ? axes.indexOf(batch.axis) : batch.axis;
  if (at >= 0) c.setInts(node, 3, sizes.with(at, c.scaled(sizes[at])), 'sizes');
};

/** A slice of the batch axis must take all of it; it then ends where the axis ends. */
const slice: Rule = (node, c) => {
  const batch = batchOf(node, c);
  const cuts = batch && sliceAxes(node, batch.old.length);
  if (!batch || !cuts) return;
  const at = cuts.findIndex((s) => s.axis === batch.axis);
  if (at < 0) return;
  const dim = batch.old[batch.axis];
  const { start, count } = sliceRange(cuts[at], dim);
  if (start !== 0 || count !== dim || cuts[at].step !== 1)
    refuse(node, 'slice', 'all samples of the batch', `${count} of ${dim} from ${start}`);
  const ends = cuts.map((s, i) => (i === at ? 2 ** 31 - 1 : s.end));
  if (node.ints('ends')) node.setAttribute('ends', ends);
  else c.setInts(node, 2, ends, 'ends');
};

/** Split cannot cut the batch: the parts would be other samples. */
const split: Rule = (node, c) => {
  const batch = batchOf(node, c);
  if (batch && normalizeAxis(node, node.int('axis', 0), batch.old.length) === batch.axis)
    refuse(node, 'axis', 'another axis than the batch', `${batch.axis}`);
};

/**
 * Gather along the batch must take something of every sample in turn, as `as_strided` of exporters does over flattened
 * data: entry b of the indices is entry 0 plus b times the length of one sample.
 */
const gather: Rule = (node, c) => {
  const batch = batchOf(node, c);
  if (!batch || normalizeAxis(node, node.int('axis', 0), batch.old.length) !== batch.axis) return;
  const step = batch.old[batch.axis] / c.from;
  const indices = node.input(1).constant;
  const more = indices && continued(indices, c, () => step);
  if (!more) refuse(node, 'indices', 'something of every sample in turn', `[${indices?.dims ?? 'computed'}]`);
  c.setConstant(node, 1, more, `indices for ${c.to} samples`);
};

/**
 * Indices whose entry b, for each sample b, is entry 0 plus b times a step (that may differ within an entry), continued
 * for the new batch. Undefined when they are not like that.
 */
function continued(indices: Tensor, c: Rebatch, step: (within: number) => number): Tensor | undefined {
  const [dim] = indices.dims;
  if (dim !== c.from) return undefined;
  const list = Array.from<number | bigint, number>(indices.typed(), Number);
  const run = list.length / dim;
  const at = (i: number): number => list[i % run] + Math.floor(i / run) * step(i % run);
  if (!list.every((v, i) => v === at(i))) return undefined;
  const data = Array.from({ length: c.to * run }, (_, i) => at(i));
  const dims = [c.to, ...indices.dims.slice(1)];
  return indices.dataType === 'int32' ? Tensor.int32(dims, data) : Tensor.int64(dims, data);
}

const concat: Rule = (node, c) => {
  const rank = node.output().shape?.length ?? 0;
  const along = concatAxis(node, rank);
  const axis = node.inputs.map((v) => v && c.carriedAxis(v)).find((a) => a !== undefined);
  if (axis === undefined) return;
  if (axis === along) refuse(node, 'axis', 'another axis than the batch', `${axis}`);
  node.inputs.forEach((v, i) => {
    const tensor = v?.constant;
    if (!tensor) return;
    const part = repeatedSlice(tensor, axis) ?? differs(node, v.name);
    c.setConstant(node, i, repeat(part, axis, c.scaled(tensor.dims[axis])), `'${v.name}' repeated`);
  });
};

/**
 * Broadcasting operators: a constant written out for every sample is cut to one, which broadcasts.
 * @param inputs which inputs broadcast
 * @param inner trailing axes that do not (the matrices of MatMul)
 */
const broadcast =
  (inner = 0, inputs = (_: number): boolean => true): Rule =>
  (node, c) => {
    let fromRight = 0;
    let size = 0;
    for (const v of node.inputs) {
      const axis = v && c.carriedAxis(v);
      const old = v && c.oldShape(v);
      if (axis === undefined || !old) continue;
      fromRight = old.length - axis;
      size = old[axis];
    }
    if (size === 1 || fromRight <= inner) return;
    node.inputs.forEach((v, i) => {
      const tensor = inputs(i) ? v?.constant : undefined;
      const axis = tensor ? tensor.dims.length - fromRight : -1;
      if (!v || !tensor || axis < 0 || tensor.dims[axis] !== size) return;
      const part = repeatedSlice(tensor, axis) ?? differs(node, v.name);
      c.setConstant(node, i, part, `'${v.name}' cut to one sample`);
    });
  };

function differs(node: Node, constant: string): never {
  return refuse(node, `constant '${constant}'`, 'the same for every sample', 'different samples');
}

/**
 * ScatterND whose indices number the samples: entry b of the constant is entry 0 with b added to the index along the
 * batch axis. More samples continue that.
 */
const scatterND: Rule = (node, c) => {
  const batch = batchOf(node, c);
  const indices = node.input(1).constant;
  if (!batch || !indices) return;
  const parts = indices.dims[indices.dims.length - 1];
  // The batch axis is among those that a whole slice covers: nothing to do.
  if (batch.axis >= parts) return;
  const more = continued(indices, c, (i) => (i % parts === batch.axis ? 1 : 0));
  if (!more || batch.old[batch.axis] !== c.from)
    refuse(node, 'indices', 'every sample of the batch in turn', `[${indices.dims}]`);
  c.setConstant(node, 1, more, `indices for ${c.to} samples`);
  const updates = node.input(2).constant;
  if (!updates) return;
  const part = repeatedSlice(updates, 0) ?? differs(node, node.input(2).name);
  c.setConstant(node, 2, repeat(part, 0, c.to), 'updates repeated');
};

/** A random node that reads no data, but whose shape begins with the batch: it draws for every sample. */
export const randomSource: Rule = (node, c) => {
  const shape = node.ints('shape');
  if (shape?.[0] === c.from) {
    node.setAttribute('shape', shape.with(0, c.to));
    c.rewritten.push(`${node.describe()}: shape [${shape}] → [${shape.with(0, c.to)}]`);
    return;
  }
  const like = node.inputs[0]?.constant;
  if (like?.dims[0] !== c.from) return;
  const part = repeatedSlice(like, 0) ?? differs(node, node.input(0).name);
  c.setConstant(node, 0, repeat(part, 0, c.to), `shape [${like.dims}] → [${[c.to, ...like.dims.slice(1)]}]`);
};

const RULES: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['Concat', concat],
  ['Expand', expand],
  ['Gather', gather],
  ['Reshape', reshape],
  ['Resize', resize],
  ['ScatterND', scatterND],
  ['Slice', slice],
  ['Split', split],
  ['Gemm', broadcast(0, (i) => i === 2)],
  ['MatMul', broadcast(2)],
  ...BROADCASTING_OPS.map((op) => [op, broadcast()] as const),
]);
