/** Ops that copy elements to other places: every one a strided view, or a join of blocks. */
import {
  concatAxis,
  depthToSpaceAttributes,
  sizeOf,
  sliceAxes,
  sliceRange,
  splitSizes,
  transposePerm,
} from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import { broadcastDims, expandTo, stridesOf, transpose, view } from '../strides.js';
import { isReal, produce, type RefTensor, sameKind, withDims, zeros } from '../tensor.js';

export const transposeRule: RefRule = (call) => {
  const x = call.input(0);
  return [transpose(x, transposePerm(call.node, x.dims.length))];
};

export const expand: RefRule = (call) => {
  const x = call.input(0);
  const shape = call.integers(1);
  if (shape.some((d) => d < 0)) call.fail('shape', 'no negative dims', `[${shape}]`);
  const dims =
    broadcastDims(x.dims, shape) ?? call.fail('shape', `one that [${x.dims}] broadcasts with`, `[${shape}]`);
  return [expandTo(x, dims)];
};

export const tile: RefRule = (call) => {
  const x = call.input(0);
  const repeats = call.integers(1);
  if (repeats.length !== x.dims.length || repeats.some((r) => r < 0))
    call.fail('repeats', `${x.dims.length} integers from 0`, `[${repeats}]`);
  const strides = stridesOf(x.dims);
  const copies = view(
    x,
    x.dims.flatMap((d, i) => [repeats[i], d]),
    strides.flatMap((s) => [0, s]),
  );
  return [
    withDims(
      copies,
      x.dims.map((d, i) => d * repeats[i]),
    ),
  ];
};

export const concat: RefRule = (call): RefTensor[] => {
  const parts = call.inputs.map((_, i) => call.input(i));
  const first = call.input(0);
  const axis = concatAxis(call.node, first.dims.length);
  for (const [i, t] of parts.entries()) {
    if (t.dims.length !== first.dims.length || t.dims.some((d, k) => k !== axis && d !== first.dims[k]))
      call.fail(`input ${i}`, `dims like [${first.dims}] except on axis ${axis}`, `[${t.dims}]`);
    if (!sameKind(t, first)) call.fail(`input ${i}`, first.dataType, t.dataType);
  }
  const dims = first.dims.map((d, k) => (k === axis ? parts.reduce((n, t) => n + t.dims[axis], 0) : d));
  const y = zeros(first.dataType, dims);
  const block = sizeOf(dims.slice(axis));
  const inner = sizeOf(dims.slice(axis + 1));
  let offset = 0;
  for (const t of parts) {
    const width = t.dims[axis] * inner;
    if (width > 0)
      for (let from = 0, to = offset; from < t.data.length; from += width, to += block)
        copy(t, from, y, to, width);
    offset += width;
  }
  return [y];
};

function copy(t: RefTensor, from: number, y: RefTensor, to: number, count: number): void {
  if (isReal(t) && isReal(y)) y.data.set(t.data.subarray(from, from + count), to);
  else if (!isReal(t) && !isReal(y)) y.data.set(t.data.subarray(from, from + count), to);
}

export const split: RefRule = (call) => {
  const x = call.input(0);
  const axis = call.axis(call.node.int('axis', 0), x.dims.length);
  const sizes = splitSizes(call.node, x.dims[axis], call.known) ?? call.fail('sizes are missing');
  const strides = stridesOf(x.dims);
  let at = 0;
  return sizes.map((s) => {
    const part = view(
      x,
      x.dims.map((d, i) => (i === axis ? s : d)),
      strides,
      at * strides[axis],
    );
    at += s;
    return part;
  });
};

export const slice: RefRule = (call) => {
  const x = call.input(0);
  const cuts = sliceAxes(call.node, x.dims.length, call.known) ?? call.fail('starts and ends are missing');
  const dims = [...x.dims];
  const strides = stridesOf(x.dims);
  let offset = 0;
  for (const cut of cuts) {
    const { start, count } = sliceRange(cut, x.dims[cut.axis]);
    dims[cut.axis] = count;
    offset += start * strides[cut.axis];
    strides[cut.axis] *= cut.step;
  }
  return [view(x, dims, strides, offset)];
};

/** [N,C,H,W] → [N,C/b²,H·b,W·b]: the channel holds (row, column, channel) for DCR, (channel, row, column) for CRD. */
export const depthToSpace: RefRule = (call) => {
  const [n, c, h, w, b] = blocks(call);
  const x = call.input(0);
  const depth = c / (b * b);
  if (!Number.isInteger(depth)) call.fail('channels', `a multiple of ${b * b}`, `${c}`);
  const { mode } = depthToSpaceAttributes(call.node);
  const split =
    mode === 'DCR'
      ? transpose(withDims(x, [n, b, b, depth, h, w]), [0, 3, 4, 1, 5, 2])
      : transpose(withDims(x, [n, depth, b, b, h, w]), [0, 1, 4, 2, 5, 3]);
  return [withDims(split, [n, depth, h * b, w * b])];
};

/** The inverse of DepthToSpace in DCR order. */
export const spaceToDepth: RefRule = (call) => {
  const [n, c, h, w, b] = blocks(call);
  if (h % b !== 0 || w % b !== 0) call.fail('height and width', `multiples of ${b}`, `${h} and ${w}`);
  const parts = withDims(call.input(0), [n, c, h / b, b, w / b, b]);
  return [withDims(transpose(parts, [0, 3, 5, 1, 2, 4]), [n, c * b * b, h / b, w / b])];
};

function blocks(call: Call): readonly [number, number, number, number, number] {
  const { dims } = call.input(0);
  const { blockSize: b } = depthToSpaceAttributes(call.node);
  if (dims.length !== 4) call.fail('input', 'rank 4', `[${dims}]`);
  return [dims[0], dims[1], dims[2], dims[3], b];
}

/** Keeps one triangle of the last two axes, moved by k diagonals; the rest is 0. */
export const trilu: RefRule = (call) => {
  const x = call.input(0);
  const rank = x.dims.length;
  if (rank < 2) call.fail('input', 'rank 2 or more', `[${x.dims}]`);
  const upper = call.node.int('upper', 1) !== 0;
  const k = call.inputs[1] ? call.scalar(1) : 0;
  const columns = x.dims[rank - 1];
  const rows = x.dims[rank - 2];
  return [
    produce(x, x.dims, (from, to) => {
      for (let i = 0; i < to.length; i++) {
        const diagonal = (i % columns) - (Math.floor(i / columns) % rows);
        if (upper ? diagonal >= k : diagonal <= k) to[i] = from[i];
      }
    }),
  ];
};
