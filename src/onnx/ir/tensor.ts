import { ModelError } from '../../base/errors.js';
import { byteSize, type DataType } from './dtype.js';

/** Where a tensor's elements are. The codec keeps the one a file used, so that an untouched tensor is written as it was. */
export type TensorStorage =
  /** Little-endian elements, as in `raw_data`; often a view of the file's own buffer. */
  | { readonly kind: 'bytes'; readonly bytes: Uint8Array }
  /** In another file. `read` maps or reads it on demand; `location`, `offset`, `length` and others stand in `entries`. */
  | {
      readonly kind: 'external';
      readonly entries: ReadonlyMap<string, string>;
      readonly read: () => Uint8Array;
    }
  /** A typed field (`float_data`, `int32_data`, …) of the file; `bytes` decodes it to little-endian elements. */
  | { readonly kind: 'field'; readonly field: TypedField; readonly bytes: () => Uint8Array }
  /** Computed when read. `fresh`: anew at each reading, and the array is the reader's own. */
  | { readonly kind: 'made'; readonly fresh: boolean; readonly bytes: () => Uint8Array }
  /** A sparse initializer; `bytes` spreads it out. */
  | { readonly kind: 'sparse'; readonly bytes: () => Uint8Array }
  /** Strings, each as bytes. */
  | { readonly kind: 'strings'; readonly values: readonly Uint8Array[] };

export type TypedField = 'float_data' | 'int32_data' | 'int64_data' | 'double_data' | 'uint64_data';

export type TypedArray =
  | Float32Array
  | Float64Array
  | Int8Array
  | Uint8Array
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array;

export interface TensorInit {
  readonly dataType: DataType;
  readonly dims: readonly number[];
  readonly storage: TensorStorage;
  readonly name?: string;
  readonly docString?: string;
  readonly metadata?: ReadonlyMap<string, string>;
  readonly wire?: unknown;
}

/** An immutable tensor. Changing a weight means making a new tensor; two models may share one. */
export class Tensor {
  readonly dataType: DataType;
  readonly dims: readonly number[];
  readonly storage: TensorStorage;
  /** The name in the file; an initializer's own name is its value's. Kept for attribute tensors. */
  readonly name: string;
  readonly docString: string;
  readonly metadata: ReadonlyMap<string, string>;
  /** What the file held beside the fields above; only the codec reads it. */
  readonly wire: unknown;
  #typed: TypedArray | undefined;

  constructor(init: TensorInit) {
    this.dataType = init.dataType;
    this.dims = init.dims;
    this.storage = init.storage;
    this.name = init.name ?? '';
    this.docString = init.docString ?? '';
    this.metadata = init.metadata ?? new Map();
    this.wire = init.wire;
  }

  /** Number of elements. */
  get size(): number {
    return sizeOf(this.dims);
  }

  /** Little-endian elements, packed as in `raw_data`. Not a copy: do not write to it. */
  bytes(): Uint8Array {
    switch (this.storage.kind) {
      case 'bytes':
        return this.storage.bytes;
      case 'external':
        return this.storage.read();
      case 'field':
      case 'made':
      case 'sparse':
        return this.storage.bytes();
      case 'strings':
        throw new ModelError({
          problem: `tensor ${this.name || '(unnamed)'} holds strings, which have no numeric bytes`,
        });
    }
  }

  /**
   * The elements as a typed array of the element type: float16 and bfloat16 as Uint16Array, bool as Uint8Array, other
   * sub-byte and 8-bit float types as packed Uint8Array. Cached, shared: do not write to it.
   */
  typed(): TypedArray {
    if (this.storage.kind === 'made') return typedView(this.dataType, this.bytes());
    this.#typed ??= typedView(this.dataType, this.bytes());
    return this.#typed;
  }

  /** Same elements and shape under another name or metadata. */
  with(change: Partial<Pick<TensorInit, 'name' | 'docString' | 'metadata' | 'dims'>>): Tensor {
    return new Tensor({
      dataType: this.dataType,
      dims: change.dims ?? this.dims,
      storage: this.storage,
      name: change.name ?? this.name,
      docString: change.docString ?? this.docString,
      metadata: change.metadata ?? this.metadata,
      wire: this.wire,
    });
  }

  static float32(dims: readonly number[], data: Float32Array | readonly number[]): Tensor {
    return fromTyped('float32', dims, data instanceof Float32Array ? data : Float32Array.from(data));
  }

  /** Elements that are computed when they are first read; `make` must fill the dims. Counting a model reads none. */
  static lazyFloat32(dims: readonly number[], make: () => Float32Array): Tensor {
    let made: Uint8Array | undefined;
    const bytes = (): Uint8Array => {
      made ??= Tensor.float32(dims, make()).bytes();
      return made;
    };
    return new Tensor({ dataType: 'float32', dims, storage: { kind: 'made', fresh: false, bytes } });
  }

  /**
   * Elements that can be computed again: they are kept as long as somebody uses them, and then while memory is plentiful.
   * `make` must fill the dims.
   */
  static remade(dataType: DataType, dims: readonly number[], make: () => Tensor): Tensor {
    let last: WeakRef<Uint8Array> | undefined;
    const bytes = (): Uint8Array => {
      const known = last?.deref();
      if (known) return known;
      const made = Tensor.raw(dataType, dims, make().bytes()).bytes();
      last = new WeakRef(made);
      return made;
    };
    return new Tensor({ dataType, dims, storage: { kind: 'made', fresh: false, bytes } });
  }

  /**
   * Elements that are computed at each reading and never kept: other tensors in another order, zeros. `make` must fill
   * the dims.
   */
  static derivedFloat32(dims: readonly number[], make: () => Float32Array): Tensor {
    const bytes = (): Uint8Array => Tensor.float32(dims, make()).bytes();
    return new Tensor({ dataType: 'float32', dims, storage: { kind: 'made', fresh: true, bytes } });
  }

  static float64(dims: readonly number[], data: Float64Array | readonly number[]): Tensor {
    return fromTyped('float64', dims, data instanceof Float64Array ? data : Float64Array.from(data));
  }

  static int64(dims: readonly number[], data: BigInt64Array | readonly number[]): Tensor {
    return fromTyped(
      'int64',
      dims,
      data instanceof BigInt64Array ? data : BigInt64Array.from(data, (v) => BigInt(v)),
    );
  }

  static int32(dims: readonly number[], data: Int32Array | readonly number[]): Tensor {
    return fromTyped('int32', dims, data instanceof Int32Array ? data : Int32Array.from(data));
  }

  static uint8(dims: readonly number[], data: Uint8Array): Tensor {
    return fromTyped('uint8', dims, data);
  }

  static bool(dims: readonly number[], data: readonly boolean[]): Tensor {
    return fromTyped(
      'bool',
      dims,
      Uint8Array.from(data, (v) => (v ? 1 : 0)),
    );
  }

  /** A tensor of any numeric type over its little-endian bytes (not copied). @throws ModelError on a wrong length. */
  static raw(dataType: DataType, dims: readonly number[], bytes: Uint8Array): Tensor {
    const expected = byteSize(dataType, sizeOf(dims));
    if (bytes.byteLength !== expected)
      throw new ModelError({
        problem: `a ${dataType} tensor of [${dims}]`,
        expected: `${expected} bytes`,
        found: `${bytes.byteLength}`,
      });
    return new Tensor({ dataType, dims, storage: { kind: 'bytes', bytes } });
  }
}

export function sizeOf(dims: readonly number[]): number {
  let n = 1;
  for (const d of dims) n *= d;
  return n;
}

function fromTyped(dataType: DataType, dims: readonly number[], data: TypedArray): Tensor {
  return Tensor.raw(dataType, dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
}

const VIEWS = {
  float32: Float32Array,
  float64: Float64Array,
  int8: Int8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  float16: Uint16Array,
  bfloat16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
  int64: BigInt64Array,
  uint64: BigUint64Array,
  complex64: Float32Array,
  complex128: Float64Array,
} as const;

/** A typed array over little-endian bytes; copies only where the offset is not aligned. */
export function typedView(dataType: DataType, bytes: Uint8Array): TypedArray {
  if (!(dataType in VIEWS)) return bytes;
  const View = VIEWS[dataType as keyof typeof VIEWS];
  const source = bytes.byteOffset % View.BYTES_PER_ELEMENT === 0 ? bytes : bytes.slice();
  return new View(
    source.buffer as ArrayBuffer,
    source.byteOffset,
    source.byteLength / View.BYTES_PER_ELEMENT,
  );
}
