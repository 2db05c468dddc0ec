/** Reading and writing by index. Negative indices count from the end; others outside are errors. */
import { sizeOf } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { select, stridedIndices, stridesOf } from '../strides.js';
import { checkedSize, produce, type RefTensor, sameKind } from '../tensor.js';
import { bigMax, bigMin } from './bigint.js';

/** Indices of input `index` of the node, made positive and checked against `length`. */
function positions(call: Call, index: number, length: number): number[] {
  return call.integers(index).map((i) => {
    if (i < -length || i >= length) call.fail(`index in input ${index}`, `within ${length}`, `${i}`);
    return i < 0 ? i + length : i;
  });
}

/** y[a…, i…, b…] = x[a…, indices[i…], b…]. */
export const gather: RefRule = (call) => {
  const x = call.input(0);
  const axis = call.axis(call.node.int('axis', 0), x.dims.length);
  const length = x.dims[axis];
  const picks = positions(call, 1, length);
  const inner = stridesOf(x.dims)[axis];
  const outer = sizeOf(x.dims.slice(0, axis));
  const dims = [...x.dims.slice(0, axis), ...call.input(1).dims, ...x.dims.slice(axis + 1)];
  const at = new Int32Array(checkedSize(dims));
  let i = 0;
  for (let o = 0; o < outer; o++)
    for (const pick of picks) for (let j = 0; j < inner; j++) at[i++] = (o * length + pick) * inner + j;
  return [select(x, dims, at)];
};

/** For each element of `indices`, the flat place in a tensor of `dims` with the index put on `axis`. */
function elementPlaces(call: Call, dims: readonly number[], axis: number): Int32Array {
  const indices = call.input(1);
  if (indices.dims.length !== dims.length || indices.dims.some((d, i) => i !== axis && d > dims[i]))
    call.fail('indices', `dims within [${dims}] except on axis ${axis}`, `[${indices.dims}]`);
  const strides = stridesOf(dims);
  const places = stridedIndices(
    indices.dims,
    strides.map((s, d) => (d === axis ? 0 : s)),
  );
  const picks = positions(call, 1, dims[axis]);
  for (let i = 0; i < places.length; i++) places[i] += picks[i] * strides[axis];
  return places;
}

export const gatherElements: RefRule = (call) => {
  const x = call.input(0);
  const axis = call.axis(call.node.int('axis', 0), x.dims.length);
  return [select(x, call.input(1).dims, elementPlaces(call, x.dims, axis))];
};

/** The last axis of `indices` addresses the axes after `batch` of a tensor of `dims`; a block of what follows each. */
function blockPlaces(
  call: Call,
  dims: readonly number[],
  batch: number,
): { starts: Int32Array; block: number; depth: number } {
  const indices = call.input(1);
  const depth = indices.dims[indices.dims.length - 1] ?? 0;
  if (indices.dims.length < 1 || batch + depth > dims.length)
    call.fail('indices', `a last axis of at most ${dims.length - batch}`, `[${indices.dims}]`);
  const numbers = call.integers(1);
  const strides = stridesOf(dims);
  const block = sizeOf(dims.slice(batch + depth));
  const count = sizeOf(indices.dims.slice(0, -1));
  const perBatch = sizeOf(indices.dims.slice(batch, -1));
  const batchSize = sizeOf(dims.slice(batch));
  const starts = new Int32Array(count);
  for (let i = 0; i < count; i++) {
    let at = Math.floor(i / perBatch) * (batch > 0 ? batchSize : 0);
    for (let k = 0; k < depth; k++) {
      const length = dims[batch + k];
      const index = numbers[i * depth + k];
      if (index < -length || index >= length) call.fail('index in input 1', `within ${length}`, `${index}`);
      at += (index < 0 ? index + length : index) * strides[batch + k];
    }
    starts[i] = at;
  }
  return { starts, block, depth };
}

export const gatherNd: RefRule = (call) => {
  const x = call.input(0);
  const batch = call.node.int('batch_dims', 0);
  const { starts, block, depth } = blockPlaces(call, x.dims, batch);
  const dims = [...call.input(1).dims.slice(0, -1), ...x.dims.slice(batch + depth)];
  return [select(x, dims, blocksOf(starts, block, checkedSize(dims)))];
};

export const scatterNd: RefRule = (call) => {
  const x = call.input(0);
  const { starts, block, depth } = blockPlaces(call, x.dims, 0);
  const dims = [...call.input(1).dims.slice(0, -1), ...x.dims.slice(depth)];
  const updates = call.input(2);
  if (updates.dims.length !== dims.length || updates.dims.some((d, i) => d !== dims[i]))
    call.fail('updates', `[${dims}]`, `[${updates.dims}]`);
  return [scatter(call, x, blocksOf(starts, block, starts.length * block), updates)];
};

export const scatterElements: RefRule = (call) => {
  const x = call.input(0);
  const axis = call.axis(call.node.int('axis', 0), x.dims.length);
  const updates = call.input(2);
  const { dims } = call.input(1);
  if (updates.dims.length !== dims.length || updates.dims.some((d, i) => d !== dims[i]))
    call.fail('updates', `[${dims}], as indices`, `[${updates.dims}]`);
  return [scatter(call, x, elementPlaces(call, x.dims, axis), updates)];
};

function blocksOf(starts: Int32Array, block: number, size: number): Int32Array {
  const places = new Int32Array(size);
  let i = 0;
  for (const start of starts) for (let j = 0; j < block; j++) places[i++] = start + j;
  return places;
}

const REDUCTIONS = {
  none: { real: (_: number, b: number) => b, big: (_: bigint, b: bigint) => b },
  add: { real: (a: number, b: number) => a + b, big: (a: bigint, b: bigint) => a + b },
  mul: { real: (a: number, b: number) => a * b, big: (a: bigint, b: bigint) => a * b },
  max: { real: (a: number, b: number) => Math.max(a, b), big: bigMax },
  min: { real: (a: number, b: number) => Math.min(a, b), big: bigMin },
} as const;

function isReduction(name: string): name is keyof typeof REDUCTIONS {
  return Object.hasOwn(REDUCTIONS, name);
}

/** A copy of `x` with update i written (or reduced) to place i, in order. */
function scatter(call: Call, x: RefTensor, places: Int32Array, updates: RefTensor): RefTensor {
  const reduction = call.node.string('reduction', 'none');
  if (!isReduction(reduction))
    return call.fail('attribute reduction', Object.keys(REDUCTIONS).join(', '), reduction);
  const { real, big } = REDUCTIONS[reduction];
  if (!sameKind(x, updates)) call.fail('updates', x.dataType, updates.dataType);
  const y = produce(x, x.dims, (from, to) => {
    for (let i = 0; i < to.length; i++) to[i] = from[i];
  });
  if (y.data instanceof Float64Array && updates.data instanceof Float64Array)
    for (let i = 0; i < places.length; i++) y.data[places[i]] = real(y.data[places[i]], updates.data[i]);
  else if (!(y.data instanceof Float64Array) && !(updates.data instanceof Float64Array))
    for (let i = 0; i < places.length; i++) y.data[places[i]] = big(y.data[places[i]], updates.data[i]);
  return y;
}

/** The slices of an axis (or, without one, the elements) where the condition holds. */
export const compress: RefRule = (call) => {
  const x = call.input(0);
  const kept = call.integers(1).flatMap((v, i) => (v === 0 ? [] : [i]));
  const along = call.node.attributes.has('axis');
  const axis = along ? call.axis(call.node.int('axis', 0), x.dims.length) : 0;
  const dims = along ? x.dims : [x.data.length];
  const last = kept.at(-1) ?? -1;
  if (last >= dims[axis]) call.fail('condition', `at most ${dims[axis]} elements`, `one true at ${last}`);
  const inner = stridesOf(dims)[axis];
  const outer = sizeOf(dims.slice(0, axis));
  const at = new Int32Array(outer * kept.length * inner);
  let i = 0;
  for (let o = 0; o < outer; o++)
    for (const k of kept) for (let j = 0; j < inner; j++) at[i++] = (o * dims[axis] + k) * inner + j;
  return [
    select(
      x,
      dims.map((d, a) => (a === axis ? kept.length : d)),
      at,
    ),
  ];
};

/** Coordinates of the elements that are not 0, one column each: int64 [rank, count]. */
export const nonZero: RefRule = (call) => {
  const x = call.input(0);
  const found: number[] = [];
  for (let i = 0; i < x.data.length; i++) if (Number(x.data[i]) !== 0) found.push(i);
  const coordinates = stridesOf(x.dims).flatMap((s, d) =>
    found.map((i) => BigInt(Math.floor(i / s) % x.dims[d])),
  );
  return [{ dataType: 'int64', dims: [x.dims.length, found.length], data: BigInt64Array.from(coordinates) }];
};
