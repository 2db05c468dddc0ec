import { checkedSize, produce, type RefTensor } from './tensor.js';

/** Row-major strides, in elements. */
export function stridesOf(dims: readonly number[]): number[] {
  const strides = new Array<number>(dims.length);
  let stride = 1;
  for (let d = dims.length - 1; d >= 0; d--) {
    strides[d] = stride;
    stride *= dims[d];
  }
  return strides;
}

/** The dims both shapes broadcast to (numpy rules), or undefined when they do not. */
export function broadcastDims(a: readonly number[], b: readonly number[]): number[] | undefined {
  const rank = Math.max(a.length, b.length);
  const dims = new Array<number>(rank);
  for (let d = 0; d < rank; d++) {
    const x = a[d - rank + a.length] ?? 1;
    const y = b[d - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) return undefined;
    dims[d] = x === 1 ? y : x;
  }
  return dims;
}

/** Strides that read a tensor of `dims` as if it had the dims `to` (which it must broadcast to). */
export function broadcastStrides(dims: readonly number[], to: readonly number[]): number[] {
  const own = stridesOf(dims);
  return to.map((_, d) => {
    const at = d - to.length + dims.length;
    return at < 0 || dims[at] === 1 ? 0 : own[at];
  });
}

/** For each element of a row-major tensor of `dims`, `offset + Σ index_d · strides_d`. */
export function stridedIndices(dims: readonly number[], strides: readonly number[], offset = 0): Int32Array {
  const size = checkedSize(dims);
  const indices = new Int32Array(size);
  const last = dims.length - 1;
  const inner = last < 0 ? 1 : dims[last];
  const step = last < 0 ? 0 : strides[last];
  const counter = new Array<number>(dims.length).fill(0);
  let base = offset;
  for (let i = 0; i < size; ) {
    for (let j = 0, at = base; j < inner; j++, at += step) indices[i++] = at;
    for (let d = last - 1; d >= 0; d--) {
      base += strides[d];
      if (++counter[d] < dims[d]) break;
      base -= strides[d] * dims[d];
      counter[d] = 0;
    }
  }
  return indices;
}

/** The tensor of `dims` whose element i is element `indices[i]` of `t`. */
export function select(t: RefTensor, dims: readonly number[], indices: Int32Array): RefTensor {
  return produce(t, dims, (from, to) => {
    for (let i = 0; i < indices.length; i++) to[i] = from[indices[i]];
  });
}

/** A copy of a strided view: transposing, slicing, broadcasting and tiling are all this. */
export function view(
  t: RefTensor,
  dims: readonly number[],
  strides: readonly number[],
  offset = 0,
): RefTensor {
  return select(t, dims, stridedIndices(dims, strides, offset));
}

/** Axes permuted: output dim d is input dim `perm[d]`. */
export function transpose(t: RefTensor, perm: readonly number[]): RefTensor {
  const strides = stridesOf(t.dims);
  return view(
    t,
    perm.map((p) => t.dims[p]),
    perm.map((p) => strides[p]),
  );
}

/** `t` repeated to `dims`, which it must broadcast to. */
export function expandTo(t: RefTensor, dims: readonly number[]): RefTensor {
  const same = t.dims.length === dims.length && dims.every((d, i) => d === t.dims[i]);
  return same ? t : view(t, dims, broadcastStrides(t.dims, dims));
}
