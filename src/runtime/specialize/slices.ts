import { byteSize, DATA_TYPES, sizeOf, Tensor } from '../../onnx/index.js';

/**
 * The part of a constant that repeats along an axis: a tensor with 1 there, when all entries along the axis are equal.
 * Undefined otherwise, and for element types smaller than a byte.
 */
export function repeatedSlice(tensor: Tensor, axis: number): Tensor | undefined {
  const { bits } = DATA_TYPES[tensor.dataType];
  if (bits < 8) return undefined;
  const dim = tensor.dims[axis];
  const outer = sizeOf(tensor.dims.slice(0, axis));
  const run = byteSize(tensor.dataType, sizeOf(tensor.dims.slice(axis + 1)));
  const bytes = tensor.bytes();
  const slice = new Uint8Array(outer * run);
  for (let o = 0; o < outer; o++) {
    const first = bytes.subarray(o * dim * run, o * dim * run + run);
    for (let i = 1; i < dim; i++) {
      const at = (o * dim + i) * run;
      if (Buffer.compare(first, bytes.subarray(at, at + run)) !== 0) return undefined;
    }
    slice.set(first, o * run);
  }
  return Tensor.raw(
    tensor.dataType,
    tensor.dims.map((d, i) => (i === axis ? 1 : d)),
    slice,
  );
}

/** A tensor with 1 along the axis, repeated `count` times along it. */
export function repeat(tensor: Tensor, axis: number, count: number): Tensor {
  const outer = sizeOf(tensor.dims.slice(0, axis));
  const run = byteSize(tensor.dataType, sizeOf(tensor.dims.slice(axis + 1)));
  const bytes = tensor.bytes();
  const out = new Uint8Array(outer * count * run);
  for (let o = 0; o < outer; o++)
    for (let i = 0; i < count; i++) out.set(bytes.subarray(o * run, (o + 1) * run), (o * count + i) * run);
  return Tensor.raw(
    tensor.dataType,
    tensor.dims.map((d, i) => (i === axis ? count : d)),
    out,
  );
}
