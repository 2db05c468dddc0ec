/**
 * The typed data fields of TensorProto: which element type uses which field, and how a field's wire bytes become the
 * little-endian elements that `raw_data` would hold.
 *
 * float_data, double_data: the packed bytes are the elements. int64_data, uint64_data: one varint per element.
 * int32_data: one varint per element, of which the low 8, 16 or 32 bits count; 4- and 2-bit types pack a byte into each.
 * complex64 takes two of float_data, complex128 two of double_data.
 */
import { DATA_TYPES, type DataType } from '../ir/dtype.js';
import type { TypedField } from '../ir/tensor.js';
import type { TensorMessage } from './messages.js';
import { FIELDS, WIRE_TYPES } from './schema.js';

export const TYPED_FIELDS = [
  'float_data',
  'int32_data',
  'int64_data',
  'double_data',
  'uint64_data',
] as const satisfies readonly TypedField[];

const FIELD_OF = {
  float32: 'float_data',
  complex64: 'float_data',
  float64: 'double_data',
  complex128: 'double_data',
  int64: 'int64_data',
  uint32: 'uint64_data',
  uint64: 'uint64_data',
  int32: 'int32_data',
  uint8: 'int32_data',
  int8: 'int32_data',
  uint16: 'int32_data',
  int16: 'int32_data',
  bool: 'int32_data',
  float16: 'int32_data',
  bfloat16: 'int32_data',
  float8e4m3fn: 'int32_data',
  float8e4m3fnuz: 'int32_data',
  float8e5m2: 'int32_data',
  float8e5m2fnuz: 'int32_data',
  float8e8m0: 'int32_data',
  uint4: 'int32_data',
  int4: 'int32_data',
  float4e2m1: 'int32_data',
  uint2: 'int32_data',
  int2: 'int32_data',
  string: undefined,
} as const satisfies Record<DataType, TypedField | undefined>;

/** The field that holds elements of this type when they are not raw; undefined for strings. */
export function fieldOf(type: DataType): TypedField | undefined {
  return FIELD_OF[type];
}

/** A typed field's content: payload bytes in the order of the file, tags and run lengths stripped. */
export interface FieldData {
  readonly field: TypedField;
  readonly bytes: Uint8Array;
}

/** Every typed field of the message that holds something. 'mixed': packed and single elements side by side. */
export function fieldData(message: TensorMessage): FieldData[] | 'mixed' {
  const found: FieldData[] = [];
  for (const field of TYPED_FIELDS) {
    const packed = (message[field] ?? []).filter((run) => run.byteLength > 0);
    const single = unpacked(message.$unknowns ?? [], field);
    if (packed.length > 0 && single.length > 0) return 'mixed';
    const runs = packed.length > 0 ? packed : single;
    if (runs.length > 0) found.push({ field, bytes: runs.length === 1 ? runs[0] : concat(runs) });
  }
  return found;
}

const numbers: ReadonlyMap<string, { readonly id: number; readonly wire: number }> = new Map(
  [...(FIELDS.get('TensorProto')?.values() ?? [])].flatMap((f) =>
    f.label === 'packed' && 'scalar' in f.type
      ? [[f.name, { id: f.id, wire: WIRE_TYPES[f.type.scalar] }] as const]
      : [],
  ),
);

function unpacked(unknowns: readonly Uint8Array[], field: TypedField): Uint8Array[] {
  const number = numbers.get(field);
  if (!number) return [];
  // Field numbers up to 15 have a tag of one byte.
  const tag = number.id * 8 + number.wire;
  return unknowns.filter((u) => u[0] === tag).map((u) => u.subarray(1));
}

/** The unknown fields without the typed data among them. */
export function withoutData(unknowns: readonly Uint8Array[]): Uint8Array[] {
  const tags = new Set([...numbers.values()].map((n) => n.id * 8 + n.wire));
  return unknowns.filter((u) => !tags.has(u[0]));
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.byteLength, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.byteLength;
  }
  return out;
}

/** How many elements the field holds, or undefined when its bytes are no whole number of them. */
export function countField(data: FieldData): number | undefined {
  const { bytes } = data;
  if (data.field === 'float_data') return bytes.byteLength % 4 === 0 ? bytes.byteLength / 4 : undefined;
  if (data.field === 'double_data') return bytes.byteLength % 8 === 0 ? bytes.byteLength / 8 : undefined;
  let count = 0;
  let length = 0;
  for (const b of bytes) {
    length++;
    if (b >= 128) continue;
    if (length > 10) return undefined;
    count++;
    length = 0;
  }
  return length === 0 ? count : undefined;
}

/** Elements of the field that a tensor of `count` elements needs. */
export function fieldCount(type: DataType, count: number): number {
  if (type === 'complex64' || type === 'complex128') return 2 * count;
  const { bits } = DATA_TYPES[type];
  return bits < 8 ? Math.ceil((count * bits) / 8) : count;
}

/** Little-endian elements of type `type` from a field that was counted before. A view where the wire form is that. */
export function decodeField(type: DataType, data: FieldData, count: number): Uint8Array {
  if (data.field === 'float_data' || data.field === 'double_data') return data.bytes;
  const width = Math.max(8, DATA_TYPES[type].bits) / 8;
  const out = new Uint8Array(count * width);
  const { bytes } = data;
  let at = 0;
  for (let i = 0; i < count; i++) {
    let low = 0;
    let high = 0;
    let shift = 0;
    for (;;) {
      const b = bytes[at++];
      const part = b & 127;
      if (shift < 28) low |= part << shift;
      else if (shift === 28) {
        low |= part << 28;
        high = part >>> 4;
      } else if (shift < 64) high |= part << (shift - 32);
      if (b < 128) break;
      shift += 7;
    }
    for (let k = 0; k < width; k++) out[i * width + k] = k < 4 ? low >>> (8 * k) : high >>> (8 * (k - 4));
  }
  return out;
}
