import { ModelError } from '../../base/errors.js';
import { byteSize, DATA_TYPES, type DataType, dataTypeOf } from '../ir/dtype.js';
import { Tensor, type TensorStorage } from '../ir/tensor.js';
import { readEntries } from './entries.js';
import type { ExternalFolder } from './external.js';
import { bytesOf, leftover, type SparseTensorMessage, type TensorMessage, toNumber } from './messages.js';
import {
  countField,
  decodeField,
  fieldCount,
  fieldData,
  fieldOf,
  TYPED_FIELDS,
  withoutData,
} from './tensor-data.js';
import { TensorWire } from './wire.js';

const OWNED = {
  dims: true,
  data_type: true,
  name: true,
  doc_string: true,
  raw_data: true,
  string_data: true,
  float_data: true,
  int32_data: true,
  int64_data: true,
  double_data: true,
  uint64_data: true,
} as const;

const DATA_FIELDS = [...TYPED_FIELDS, 'string_data'] as const;

const EXTERNAL = 1;

/** Dims and element count of a message; the count is exact, whatever the dims. */
function readDims(
  message: { readonly dims?: TensorMessage['dims'] },
  where: string,
): { dims: number[]; count: number } {
  const dims = (message.dims ?? []).map(toNumber);
  const negative = dims.find((d) => d < 0);
  if (negative !== undefined)
    throw new ModelError({ problem: `${where} has a negative dimension`, found: `[${dims}]` });
  if (!dims.every(Number.isSafeInteger))
    throw new ModelError({ problem: `${where}: its dims [${dims}] make more elements than can exist` });
  let count = 1n;
  for (const d of dims) {
    count *= BigInt(d);
    // A later 0 would make it small again, but no such tensor is real.
    if (count > BigInt(Number.MAX_SAFE_INTEGER))
      throw new ModelError({ problem: `${where}: its dims [${dims}] make more elements than can exist` });
  }
  return { dims, count: Number(count) };
}

/**
 * A tensor of the file. Its declared size is checked against the data that is there before anything is allocated.
 * @param where names the tensor in errors
 * @throws ModelError
 */
export function decodeTensor(message: TensorMessage, where: string, files: ExternalFolder): Tensor {
  const code = message.data_type ?? 0;
  const dataType = dataTypeOf(code);
  if (!dataType)
    throw new ModelError({
      problem: `${where} has ${code === 0 ? 'no data type (UNDEFINED)' : `the unknown data type ${code}`}`,
    });
  const { dims, count } = readDims(message, where);
  const storage = readStorage(message, dataType, dims, count, where, files);
  const metadata = new Map<string, string>();
  readEntries(message.metadata_props, metadata);
  return new Tensor({
    dataType,
    dims,
    storage,
    name: message.name ?? '',
    docString: message.doc_string ?? '',
    metadata,
    wire: tensorWire(message, storage),
  });
}

function tensorWire(message: TensorMessage, storage: TensorStorage): TensorWire | undefined {
  const rest = leftover(message, OWNED);
  let data: Partial<TensorMessage> | undefined;
  if (storage.kind === 'field' || storage.kind === 'strings') {
    data = {};
    for (const field of DATA_FIELDS) if (message[field]?.length) data[field] = message[field];
    const unknowns = rest?.$unknowns;
    const others = unknowns && withoutData(unknowns);
    if (rest && unknowns && others && others.length < unknowns.length) {
      data.$unknowns = unknowns.filter((u) => !others.includes(u));
      if (others.length > 0) rest.$unknowns = others;
      else delete rest.$unknowns;
    }
  }
  return rest || data ? new TensorWire(storage, rest, data, undefined) : undefined;
}

function readStorage(
  message: TensorMessage,
  dataType: DataType,
  dims: readonly number[],
  count: number,
  where: string,
  files: ExternalFolder,
): TensorStorage {
  const fields = fieldData(message);
  if (fields === 'mixed')
    throw new ModelError({ problem: `${where} mixes packed and single elements in one data field` });
  const raw = bytesOf(message, 'raw_data');
  const strings = message.string_data ?? [];
  const holds = [
    ...(raw.byteLength > 0 ? ['raw_data'] : []),
    ...(strings.length > 0 ? ['string_data'] : []),
    ...fields.map((f) => f.field),
    ...(message.data_location === EXTERNAL ? ['external data'] : []),
  ];
  if (holds.length > 1)
    throw new ModelError({ problem: `${where} gives its data more than once`, found: holds.join(' and ') });
  const what = `${where} (${dataType} [${dims}])`;

  if (dataType === 'string') {
    if (holds.length > 0 && holds[0] !== 'string_data')
      throw new ModelError({ problem: `${what}: its data`, expected: 'string_data', found: holds[0] });
    mustBe(strings.length, count, 'strings', what);
    return { kind: 'strings', values: strings };
  }
  const size = byteSize(dataType, count);
  if (message.data_location === EXTERNAL) return external(message, size, what, files);
  if (raw.byteLength > 0) {
    mustBe(raw.byteLength, size, 'bytes of raw_data', what);
    return { kind: 'bytes', bytes: raw };
  }
  if (fields.length === 0) {
    if (strings.length > 0)
      throw new ModelError({
        problem: `${what}: its data`,
        expected: `raw_data or ${fieldOf(dataType)}`,
        found: 'string_data',
      });
    if (size > 0) throw new ModelError({ problem: `${what} has no data`, expected: `${size} bytes` });
    return { kind: 'bytes', bytes: raw };
  }
  const [data] = fields;
  if (data.field !== fieldOf(dataType))
    throw new ModelError({
      problem: `${what}: its data`,
      expected: `raw_data or ${fieldOf(dataType)}`,
      found: data.field,
    });
  const found = countField(data);
  if (found === undefined)
    throw new ModelError({ problem: `${what}: ${data.field} is cut inside an element` });
  const wanted = fieldCount(dataType, count);
  mustBe(found, wanted, `elements of ${data.field}`, what);
  let decoded: Uint8Array | undefined;
  return {
    kind: 'field',
    field: data.field,
    bytes: () => {
      decoded ??= decodeField(dataType, data, wanted);
      return decoded;
    },
  };
}

function mustBe(found: number, expected: number, unit: string, what: string): void {
  if (found !== expected)
    throw new ModelError({
      problem: `${what}: its data is too ${found < expected ? 'short' : 'long'}`,
      expected: `${expected} ${unit}`,
      found: `${found}`,
    });
}

function external(message: TensorMessage, size: number, what: string, files: ExternalFolder): TensorStorage {
  const entries = new Map<string, string>();
  readEntries(message.external_data, entries);
  const location = entries.get('location');
  if (location === undefined)
    throw new ModelError({ problem: `${what}: its data is external, but no location is given` });
  const file = files.open(location, what);
  const offset = wholeNumber(entries, 'offset', what) ?? 0;
  const length = wholeNumber(entries, 'length', what);
  if (length !== undefined) mustBe(length, size, 'bytes of external data (length)', what);
  if (offset + size > file.size)
    throw new ModelError({
      problem: `${what}: external data '${location}' is too short`,
      expected: `${size} bytes at offset ${offset}`,
      found: `a file of ${file.size} bytes`,
    });
  // Held only while something uses it, so that saving a large model streams instead of filling memory.
  let cached: WeakRef<Uint8Array> | undefined;
  return {
    kind: 'external',
    entries,
    read: () => {
      const known = cached?.deref();
      if (known) return known;
      const bytes = file.read(offset, size);
      cached = new WeakRef(bytes);
      return bytes;
    },
  };
}

function wholeNumber(entries: ReadonlyMap<string, string>, key: string, what: string): number | undefined {
  const text = entries.get(key);
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value))
    throw new ModelError({
      problem: `${what}: external data ${key}`,
      expected: 'a whole number from 0',
      found: `'${text}'`,
    });
  return value;
}

/** Bytes that a sparse tensor may take when it is spread out. */
const MAX_DENSE = 1 << 30;

/**
 * A sparse tensor as a dense one that is spread out when it is first read.
 * `indices` are linear [NNZ], or coordinates [NNZ, rank]; what they do not name is 0.
 * @throws ModelError when an index is outside the dims
 */
export function decodeSparse(message: SparseTensorMessage, where: string, files: ExternalFolder): Tensor {
  if (!message.values || !message.indices)
    throw new ModelError({
      problem: `${where} is sparse, but lacks ${message.values ? 'indices' : 'values'}`,
    });
  if (message.values.data_location === EXTERNAL || message.indices.data_location === EXTERNAL)
    throw new ModelError({
      problem: `${where} is sparse and has its data in an external file, which is not supported`,
    });
  const values = decodeTensor(message.values, `values of ${where}`, files);
  const indices = decodeTensor(message.indices, `indices of ${where}`, files);
  const { dims, count } = readDims(message, where);
  const nonZero = values.dims[0] ?? 0;
  const rank = indices.dims.length === 2 ? indices.dims[1] : 1;
  if (
    values.dims.length !== 1 ||
    indices.dataType !== 'int64' ||
    indices.dims[0] !== nonZero ||
    (indices.dims.length !== 1 && (indices.dims.length !== 2 || rank !== dims.length))
  )
    throw new ModelError({
      problem: `${where} is sparse`,
      expected: `values [n] and int64 indices [n] or [n, ${dims.length}]`,
      found: `values [${values.dims}] and ${indices.dataType} indices [${indices.dims}]`,
    });
  const { dataType } = values;
  let dense: Uint8Array | undefined;
  const spread = (): Uint8Array => {
    const width = DATA_TYPES[dataType].bits / 8;
    if (width < 1 || count * width > MAX_DENSE)
      throw new ModelError({
        problem: `${where}: ${dataType} [${dims}] is too large, or of no type, to be spread out`,
      });
    const out = new Uint8Array(count * width);
    const from = values.bytes();
    const at = indices.typed();
    for (let i = 0; i < nonZero; i++) {
      let linear = 0;
      for (let k = 0; k < rank; k++) {
        const index = Number(at[i * rank + k]);
        const limit = indices.dims.length === 2 ? dims[k] : count;
        if (index < 0 || index >= limit)
          throw new ModelError({ problem: `${where}: sparse index ${index}`, expected: `0 to ${limit - 1}` });
        linear = linear * limit + index;
      }
      out.set(from.subarray(i * width, (i + 1) * width), linear * width);
    }
    return out;
  };
  const storage: TensorStorage = {
    kind: 'sparse',
    bytes: () => {
      dense ??= spread();
      return dense;
    },
  };
  return new Tensor({
    dataType,
    dims,
    storage,
    name: message.values.name ?? '',
    wire: new TensorWire(storage, undefined, undefined, message),
  });
}
