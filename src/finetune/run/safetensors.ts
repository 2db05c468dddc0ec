import { InputError } from '../../base/errors.js';
import { byteSize, type DataType, sizeOf, Tensor } from '../../onnx/index.js';

/** safetensors' names of the types a training state holds. https://github.com/huggingface/safetensors#format */
const NAMES = {
  float32: 'F32',
  float64: 'F64',
  int64: 'I64',
  int32: 'I32',
  uint8: 'U8',
} as const satisfies Partial<Record<DataType, string>>;

type Stored = keyof typeof NAMES;

function isStored(type: string): type is Stored {
  return Object.hasOwn(NAMES, type);
}

/** The chunks of a safetensors file, tensors in the order given; their bytes are not copied. */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, Tensor>,
  metadata: Readonly<Record<string, string>>,
): Uint8Array[] {
  const header = new Map<string, unknown>([['__metadata__', metadata]]);
  const chunks: Uint8Array[] = [];
  let at = 0;
  for (const [name, tensor] of tensors) {
    if (!isStored(tensor.dataType))
      throw new Error(`'${name}' is ${tensor.dataType}, which a training state never is`);
    const bytes = tensor.bytes();
    header.set(name, {
      dtype: NAMES[tensor.dataType],
      shape: tensor.dims,
      data_offsets: [at, at + bytes.byteLength],
    });
    chunks.push(bytes);
    at += bytes.byteLength;
  }
  const text = JSON.stringify(Object.fromEntries(header));
  // The data begins at a multiple of 8, so that tensors can be mapped.
  const padded = Buffer.from(
    text.padEnd(Math.ceil(Buffer.byteLength(text) / 8) * 8 - (Buffer.byteLength(text) - text.length)),
  );
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(padded.byteLength));
  return [length, padded, ...chunks];
}

export interface SafetensorsFile {
  readonly metadata: Readonly<Record<string, string>>;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

/** @throws InputError naming the file when it is not what {@link encodeSafetensors} writes */
export function decodeSafetensors(file: Uint8Array, path: string): SafetensorsFile {
  const bad = (found: string): InputError =>
    new InputError({
      problem: `${path} is no readable checkpoint`,
      found,
      hint: 'start the run anew, without --resume',
    });
  if (file.byteLength < 8) throw bad(`${file.byteLength} bytes`);
  const view = Buffer.from(file.buffer, file.byteOffset, file.byteLength);
  const length = view.readBigUInt64LE(0);
  if (length > BigInt(file.byteLength - 8))
    throw bad(`a header of ${length} bytes in a file of ${file.byteLength}`);
  const start = 8 + Number(length);
  let header: unknown;
  try {
    header = JSON.parse(view.toString('utf8', 8, start));
  } catch {
    throw bad('a header that is not JSON');
  }
  if (!isObject(header)) throw bad('a header that is no object');
  const tensors = new Map<string, Tensor>();
  let metadata: Record<string, string> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      if (!isObject(entry)) throw bad('metadata that are no object');
      metadata = Object.fromEntries(Object.entries(entry).map(([k, v]) => [k, String(v)]));
      continue;
    }
    tensors.set(name, readEntry(file.subarray(start), name, entry, bad));
  }
  return { metadata, tensors };
}

function readEntry(
  data: Uint8Array,
  name: string,
  entry: unknown,
  bad: (found: string) => InputError,
): Tensor {
  const found = `tensor '${name}' with a broken entry`;
  if (!isObject(entry)) throw bad(found);
  if (!('dtype' in entry && 'shape' in entry && 'data_offsets' in entry)) throw bad(found);
  const { shape, data_offsets: offsets } = entry;
  const type = Object.keys(NAMES).find((t) => isStored(t) && NAMES[t] === entry.dtype);
  if (type === undefined || !isStored(type) || !isCounts(shape) || !isCounts(offsets)) throw bad(found);
  const [from, to] = offsets;
  if (!(to <= data.byteLength && to - from === byteSize(type, sizeOf(shape))))
    throw bad(`tensor '${name}' at ${from} to ${to} of ${data.byteLength} bytes`);
  return Tensor.raw(type, shape, data.slice(from, to));
}

function isObject(v: unknown): v is object {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}

function isCounts(v: unknown): v is number[] {
  return Array.isArray(v) && v.every((d) => Number.isSafeInteger(d) && d >= 0);
}
