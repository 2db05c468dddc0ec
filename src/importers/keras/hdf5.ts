/**
 * HDF5 files, by the HDF5 library compiled to WebAssembly: it sees a copy of the file in memory and nothing else, so that
 * links to other files lead nowhere. Sizes are compared with the file's before memory is taken.
 */
import type { Dataset, Entity, File, Group, Metadata } from 'h5wasm';
import { InputError, ReparamError, UnsupportedError } from '../../base/errors.js';
import { byteSize, type DataType, sizeOf, Tensor } from '../../onnx/index.js';

const SIGNATURE = [0x89, 0x48, 0x44, 0x46, 0x0d, 0x0a, 0x1a, 0x0a] as const;
/** Compressed weights are nearly random; a larger factor is made to fill the memory. */
const MAX_RATIO = 100;

type H5Module = Awaited<typeof import('h5wasm')['ready']>;

/** The signature stands at 0, or behind a user block of 512, 1024, 2048, … bytes. */
export function isHdf5(bytes: Uint8Array): boolean {
  for (let at = 0; at + SIGNATURE.length <= bytes.byteLength; at = at === 0 ? 512 : at * 2)
    if (SIGNATURE.every((b, i) => bytes[at + i] === b)) return true;
  return false;
}

/**
 * Opens the file, hands it to `read` and closes it.
 * @param path names it in errors
 * @throws InputError when it is damaged
 */
export async function withHdf5<T>(bytes: Uint8Array, path: string, read: (file: Hdf5) => T): Promise<T> {
  const h5wasm = await import('h5wasm');
  const library = await h5wasm.ready;
  // Otherwise the library prints its errors to standard error.
  library.activate_throwing_error_handler();
  library.FS.createDataFile('/', NAME, bytes, true, false, true);
  let file: File | undefined;
  try {
    file = new h5wasm.File(`/${NAME}`, 'r');
    return read(new Hdf5(library, file, path, bytes.byteLength));
  } catch (cause) {
    throw cause instanceof ReparamError ? cause : damaged(path, cause);
  } finally {
    file?.close();
    library.FS.unlink(`/${NAME}`);
  }
}

/** In the library's own file system; nothing waits between creating and removing it. */
const NAME = 'weights.h5';

/** An open file. Paths are absolute, without a leading slash; '' is the root. */
export class Hdf5 {
  readonly path: string;
  readonly #library: H5Module;
  readonly #file: File;
  readonly #entities = new Map<string, Entity>();
  /** Bytes of elements that may still be read. */
  #stored: number;
  #packed: number;

  constructor(library: H5Module, file: File, path: string, length: number) {
    this.#library = library;
    this.#file = file;
    this.path = path;
    this.#stored = length;
    this.#packed = MAX_RATIO * length;
  }

  has(path: string): boolean {
    return this.#entity(path) !== undefined;
  }

  /** Names in a group, in the library's order; none where there is no such group. */
  children(path: string): string[] {
    const entity = this.#entity(path);
    return isGroup(entity) ? entity.keys() : [];
  }

  /** A text attribute of a group. */
  text(path: string, attribute: string): string | undefined {
    const value = this.#attribute(path, attribute);
    return typeof value === 'string' ? value : undefined;
  }

  /**
   * A list of texts in an attribute of a group. Keras spreads one that is longer than HDF5 allows over `name0`, `name1`, …
   * @returns undefined where there is none
   */
  texts(path: string, attribute: string): string[] | undefined {
    const whole = this.#attribute(path, attribute);
    if (whole !== undefined) return asTexts(whole);
    const texts: string[] = [];
    for (let i = 0; ; i++) {
      const part = this.#attribute(path, `${attribute}${i}`);
      if (part === undefined) return i === 0 ? undefined : texts;
      texts.push(...(asTexts(part) ?? []));
    }
  }

  /** @throws InputError when there is no such data set, or no numbers in it, or more than the file can hold */
  tensor(path: string): Tensor {
    const data = this.#entity(path);
    if (!isDataset(data)) throw damaged(this.path, `no data set ${path}`);
    const { metadata } = data;
    const { shape } = metadata;
    const dataType = this.#dataType(metadata);
    if (!shape || !dataType) throw damaged(this.path, `${path}, which holds no numbers`);
    const length = byteSize(dataType, sizeOf(shape));
    const left = this.#take(length, data.filters.length > 0);
    if (!(left >= 0) || metadata.virtual_sources)
      throw damaged(this.path, `${path} [${shape}], more than the file holds`);
    return Tensor.raw(dataType, shape, this.#elements(path, length));
  }

  /** @returns what may still be read after so many bytes more */
  #take(length: number, packed: boolean): number {
    if (packed) this.#packed -= length;
    else this.#stored -= length;
    return packed ? this.#packed : this.#stored;
  }

  /** Little-endian, whatever the order in the file. */
  #elements(path: string, length: number): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    const at = this.#library._malloc(length);
    if (at === 0) throw damaged(this.path, `${path}, too large for HDF5's memory`);
    try {
      this.#library.get_dataset_data(this.#file.file_id, `/${path}`, null, null, null, BigInt(at));
      return this.#library.HEAPU8.slice(at, at + length);
    } finally {
      this.#library._free(at);
    }
  }

  #dataType({ type, size, signed }: Metadata): DataType | undefined {
    const { H5T_FLOAT, H5T_INTEGER } = this.#library.H5T_class_t;
    if (type === H5T_FLOAT.value) return FLOATS[size];
    if (type === H5T_INTEGER.value) return (signed ? SIGNED : UNSIGNED)[size];
    return undefined;
  }

  #attribute(path: string, name: string): unknown {
    const entity = this.#entity(path);
    if (!isGroup(entity) || !Object.hasOwn(entity.attrs, name)) return undefined;
    return entity.attrs[name].value;
  }

  /** Goes name by name, so that a link to another file is seen before it is followed. */
  #entity(path: string): Entity | undefined {
    if (path === '') return this.#file;
    const known = this.#entities.get(path);
    if (known) return known;
    const slash = path.lastIndexOf('/');
    const parent = this.#entity(path.slice(0, Math.max(0, slash)));
    const name = path.slice(slash + 1);
    if (!isGroup(parent) || !parent.keys().includes(name)) return undefined;
    const entity = parent.get(name);
    if (entity === null) return undefined;
    if ('filename' in entity && 'obj_path' in entity)
      throw new UnsupportedError({
        problem: `${this.path}: ${path} lies in another file`,
        found: `a link to ${entity.filename}, which is not followed`,
      });
    this.#entities.set(path, entity);
    return entity;
  }
}

const FLOATS: Readonly<Record<number, DataType>> = { 2: 'float16', 4: 'float32', 8: 'float64' };
const SIGNED: Readonly<Record<number, DataType>> = { 1: 'int8', 2: 'int16', 4: 'int32', 8: 'int64' };
const UNSIGNED: Readonly<Record<number, DataType>> = { 1: 'uint8', 2: 'uint16', 4: 'uint32', 8: 'uint64' };

function isGroup(entity: Entity | undefined): entity is Group {
  return entity !== undefined && 'keys' in entity;
}

function isDataset(entity: Entity | undefined): entity is Dataset {
  return entity !== undefined && 'filters' in entity;
}

function asTexts(value: unknown): string[] | undefined {
  if (typeof value === 'string') return [value];
  // An attribute of no elements comes as an empty array of numbers.
  const items: unknown[] = Array.isArray(value) ? value : ArrayBuffer.isView(value) ? [] : [undefined];
  const texts = items.filter((v) => typeof v === 'string');
  return texts.length === items.length ? texts : undefined;
}

function damaged(path: string, cause: unknown): InputError {
  return new InputError({
    problem: `${path} is no readable HDF5 file of weights`,
    found: cause instanceof Error ? innermost(cause.message) : String(cause),
    hint: 'copy or download it again',
    ...(cause instanceof Error && { cause }),
  });
}

/** HDF5 reports a stack of calls, the innermost last: `#006: H5Fsuper.c line 577 in H5F__super_read(): truncated file`. */
function innermost(message: string): string {
  return [...message.matchAll(/#\d+: .*?\(\): (.*)/g)].at(-1)?.[1] ?? message;
}
