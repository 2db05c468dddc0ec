import { byteSize, sizeOf, Tensor } from '../../onnx/index.js';
import type { Storage, StridedTensor } from './host.js';
import { PickleError } from './pickle.js';

/**
 * Makes tensors of storages that have been read. A contiguous one is a view of its storage; another is copied into
 * row-major order, all copies together no larger than `budget` bytes: overlapping strides make gigabytes of a short file.
 */
export class Elements {
  readonly #storages: ReadonlyMap<string, Uint8Array>;
  #budget: number;

  /** @param storages bytes by key */
  constructor(storages: ReadonlyMap<string, Uint8Array>, budget: number) {
    this.#storages = storages;
    this.#budget = budget;
  }

  /** @throws PickleError when a view leaves its storage */
  tensors(views: ReadonlyMap<string, StridedTensor>): Map<string, Tensor> {
    return new Map([...views].map(([name, view]) => [name, this.#tensor(view)]));
  }

  #tensor(view: StridedTensor): Tensor {
    const { storage, offset, dims, strides } = view;
    const { dataType } = storage;
    const bytes = this.#bytes(storage);
    const width = byteSize(dataType, 1);
    const size = sizeOf(dims);
    const last = dims.reduce((n, d, i) => n + (d - 1) * strides[i], offset);
    if (!Number.isSafeInteger(size) || (size > 0 && !(last < bytes.byteLength / width)))
      throw new PickleError(`a tensor [${dims}] that reaches beyond its storage`);
    if (size === 0) return Tensor.raw(dataType, dims, new Uint8Array(0));
    if (isContiguous(dims, strides))
      return Tensor.raw(dataType, dims, bytes.subarray(offset * width, (offset + size) * width));
    this.#budget -= size * width;
    if (this.#budget < 0) throw new PickleError('strided tensors of more elements than the file holds');
    return Tensor.raw(dataType, dims, gather(bytes, width, view, size));
  }

  #bytes(storage: Storage): Uint8Array {
    const bytes = this.#storages.get(storage.key);
    const expected = byteSize(storage.dataType, storage.size);
    if (bytes?.byteLength !== expected)
      throw new PickleError(
        `storage ${storage.key} of ${bytes?.byteLength ?? 'no'} bytes where ${expected} are declared`,
      );
    return bytes;
  }
}

function isContiguous(dims: readonly number[], strides: readonly number[]): boolean {
  let expected = 1;
  for (let i = dims.length - 1; i >= 0; i--) {
    if (dims[i] !== 1 && strides[i] !== expected) return false;
    expected *= dims[i];
  }
  return true;
}

function gather(bytes: Uint8Array, width: number, view: StridedTensor, size: number): Uint8Array {
  const { dims, strides } = view;
  const out = new Uint8Array(size * width);
  const index = dims.map(() => 0);
  let from = view.offset;
  for (let to = 0; to < size; to++) {
    out.set(bytes.subarray(from * width, (from + 1) * width), to * width);
    for (let axis = dims.length - 1; axis >= 0; axis--) {
      from += strides[axis];
      if (++index[axis] < dims[axis]) break;
      from -= strides[axis] * dims[axis];
      index[axis] = 0;
    }
  }
  return out;
}
