/**
 * safetensors: a length (8 bytes, little-endian), a JSON header, and the elements of all tensors without gaps.
 * https://github.com/huggingface/safetensors#format
 */
import { InputError } from '../base/errors.js';
import { byteSize, type DataType, isDataType, Tensor } from '../onnx/index.js';

/** The format's names of element types. It has more; those have no ONNX type, or none that a layer uses. */
const NAMES = {
  float64: 'F64',
  float32: 'F32',
  float16: 'F16',
  bfloat16: 'BF16',
  float8e4m3fn: 'F8_E4M3',
  float8e5m2: 'F8_E5M2',
  int64: 'I64',
  int32: 'I32',
  int16: 'I16',
  int8: 'I8',
  uint64: 'U64',
  uint32: 'U32',
  uint16: 'U16',
  uint8: 'U8',
  bool: 'BOOL',
} as const satisfies Partial<Record<DataType, string>>;

/** The reference implementation's limit. */
const MAX_HEADER = 100_000_000;

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
      throw new Error(`'${name}' is ${tensor.dataType}, which safetensors cannot hold`);
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

/** How an error names the file, and what it advises. */
export interface FileRole {
  /** Completes "PATH is no readable …". */
  readonly what: string;
  readonly hint: string;
}

const ROLE: FileRole = { what: 'safetensors file', hint: 'copy or download it again' };

/**
 * Tensors, in the order of the header, as views of the file's bytes.
 * @throws InputError naming the file when it breaks the format in any way: every byte must belong to one tensor
 */
export function decodeSafetensors(file: Uint8Array, path: string, role = ROLE): SafetensorsFile {
  const bad: Refuse = (found) =>
    new InputError({ problem: `${path} is no readable ${role.what}`, found, hint: role.hint });
  if (file.byteLength < 8) throw bad(`${file.byteLength} bytes`);
  const length = new DataView(file.buffer, file.byteOffset).getBigUint64(0, true);
  if (length > BigInt(Math.min(file.byteLength - 8, MAX_HEADER)))
    throw bad(`a header of ${length} bytes in a file of ${file.byteLength}`);
  const start = 8 + Number(length);
  const header = parseHeader(file.subarray(8, start), bad);
  const data = file.subarray(start);
  const tensors = new Map<string, Tensor>();
  const ranges: Range[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') {
      metadata = parseMetadata(entry, bad);
      continue;
    }
    const { tensor, range } = readEntry(data, name, entry, bad);
    tensors.set(name, tensor);
    ranges.push(range);
  }
  checkCover(ranges, data.byteLength, bad);
  return { metadata, tensors };
}

type Refuse = (found: string) => InputError;

interface Range {
  readonly name: string;
  readonly from: number;
  readonly to: number;
}

function parseHeader(bytes: Uint8Array, bad: Refuse): object {
  let header: unknown;
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
    header = JSON.parse(text);
  } catch {
    throw bad('a header that is not JSON');
  }
  if (!isObject(header)) throw bad('a header that is no object');
  // JSON.parse keeps the last of equal keys without a word.
  if (topLevelKeys(text) !== Object.keys(header).length) throw bad('a name that stands in the header twice');
  return header;
}

/** Keys of the outermost object of valid JSON text: the colons at depth 1, outside of strings. */
function topLevelKeys(text: string): number {
  let depth = 0;
  let keys = 0;
  let quoted = false;
  for (let i = 0; i < text.length; i++) {
    const c = text[i];
    if (quoted) {
      if (c === '\\') i++;
      else if (c === '"') quoted = false;
    } else if (c === '"') quoted = true;
    else if (c === '{' || c === '[') depth++;
    else if (c === '}' || c === ']') depth--;
    else if (c === ':' && depth === 1) keys++;
  }
  return keys;
}

function parseMetadata(entry: unknown, bad: Refuse): Readonly<Record<string, string>> {
  if (!isObject(entry)) throw bad('metadata that are no object');
  const strings: [string, string][] = [];
  for (const [key, value] of Object.entries(entry)) {
    if (typeof value !== 'string') throw bad(`metadata '${key}' that is no text`);
    strings.push([key, value]);
  }
  return Object.fromEntries(strings);
}

function readEntry(
  data: Uint8Array,
  name: string,
  entry: unknown,
  bad: Refuse,
): { readonly tensor: Tensor; readonly range: Range } {
  const broken = `tensor '${name}' with a broken entry`;
  if (!isObject(entry)) throw bad(broken);
  if (!('dtype' in entry && 'shape' in entry && 'data_offsets' in entry)) throw bad(broken);
  const { dtype, shape, data_offsets: offsets } = entry;
  const type = Object.keys(NAMES).find((t) => isStored(t) && NAMES[t] === dtype);
  if (type === undefined || !isStored(type)) throw bad(`tensor '${name}' of type ${JSON.stringify(dtype)}`);
  if (!isCounts(shape) || !isCounts(offsets) || offsets.length !== 2) throw bad(broken);
  const [from, to] = offsets;
  const size = shape.reduce((n, d) => n * d, 1);
  if (
    !(from <= to && to <= data.byteLength && Number.isSafeInteger(size) && to - from === byteSize(type, size))
  )
    throw bad(`tensor '${name}' [${shape}] at ${from} to ${to} of ${data.byteLength} bytes`);
  return { tensor: Tensor.raw(type, shape, data.subarray(from, to)), range: { name, from, to } };
}

/** The tensors lie side by side, from the first byte to the last. */
function checkCover(ranges: readonly Range[], length: number, bad: Refuse): void {
  let end = 0;
  for (const { name, from, to } of ranges.toSorted((a, b) => a.from - b.from || a.to - b.to)) {
    if (from < end) throw bad(`tensor '${name}', which overlaps another`);
    if (from > end) throw bad(`${from - end} bytes before tensor '${name}' that belong to none`);
    end = to;
  }
  if (end !== length) throw bad(`${length - end} bytes after the last tensor`);
}

function isStored(type: string): type is keyof typeof NAMES {
  return isDataType(type) && Object.hasOwn(NAMES, type);
}

function isObject(v: unknown): v is object {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}

function isCounts(v: unknown): v is number[] {
  return Array.isArray(v) && v.every((d) => Number.isSafeInteger(d) && d >= 0);
}
