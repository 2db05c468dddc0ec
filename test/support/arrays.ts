import { readFileSync } from 'node:fs';

export interface ArrayData {
  readonly dims: number[];
  readonly data: Float32Array | Float64Array | BigInt64Array | Int32Array | Uint8Array;
}

const NPY = {
  '<f4': Float32Array,
  '<f8': Float64Array,
  '<i8': BigInt64Array,
  '<i4': Int32Array,
  '|u1': Uint8Array,
} as const;
const SAFE = {
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  I32: Int32Array,
  U8: Uint8Array,
} as const;

function has<T extends object>(table: T, key: string): key is Extract<keyof T, string> {
  return Object.hasOwn(table, key);
}

/** Reads a .npy file, format 1.0, C order. */
export function readNpy(path: string): ArrayData {
  const file = readFileSync(path);
  const length = file.readUInt16LE(8);
  const header = file.toString('latin1', 10, 10 + length);
  const descr = /'descr': '([^']+)'/.exec(header)?.[1] ?? '';
  const dims = (/'shape': \(([^)]*)\)/.exec(header)?.[1] ?? '')
    .split(',')
    .map((s) => s.trim())
    .filter(Boolean)
    .map(Number);
  if (!has(NPY, descr) || header.includes("'fortran_order': True"))
    throw new Error(`${path}: unsupported npy ${header}`);
  const bytes = Uint8Array.from(file.subarray(10 + length));
  return { dims, data: new NPY[descr](bytes.buffer) };
}

/** Reads every tensor of a .safetensors file. */
export function readSafetensors(path: string): Map<string, ArrayData> {
  const file = readFileSync(path);
  const length = Number(file.readBigUInt64LE(0));
  const header: Record<string, { dtype: string; shape: number[]; data_offsets: [number, number] }> =
    JSON.parse(file.toString('utf8', 8, 8 + length));
  const out = new Map<string, ArrayData>();
  for (const [name, entry] of Object.entries(header)) {
    if (name === '__metadata__') continue;
    if (!has(SAFE, entry.dtype)) throw new Error(`${path}: ${name} is ${entry.dtype}`);
    const [from, to] = entry.data_offsets;
    const bytes = Uint8Array.from(file.subarray(8 + length + from, 8 + length + to));
    out.set(name, { dims: entry.shape, data: new SAFE[entry.dtype](bytes.buffer) });
  }
  return out;
}
