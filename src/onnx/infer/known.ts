import type { DataType } from '../ir/dtype.js';
import { sizeOf, Tensor } from '../ir/tensor.js';
import type { Dim } from '../ir/types.js';

/**
 * A small tensor of which some elements may be known: a number, the name of a symbolic dim, or null. This is how the
 * Shape → Gather → Concat → Reshape chains of exporters are followed.
 */
export interface Known {
  readonly dataType: DataType;
  readonly dims: readonly number[];
  readonly data: readonly Dim[];
}

/** Larger tensors are weights, not shapes. */
export const KNOWN_LIMIT = 1024;

const NUMERIC: ReadonlySet<DataType> = new Set([
  'int64',
  'int32',
  'float32',
  'float64',
  'bool',
  'uint8',
  'int8',
  'int16',
  'uint16',
  'uint32',
  'uint64',
]);

export function isKnowable(dataType: DataType): boolean {
  return NUMERIC.has(dataType);
}

export function knownOf(tensor: Tensor): Known | undefined {
  if (!isKnowable(tensor.dataType)) return undefined;
  const size = sizeOf(tensor.dims);
  if (size > KNOWN_LIMIT) return undefined;
  const data = Array.from<number | bigint, number>(tensor.typed(), Number);
  return data.length === size ? { dataType: tensor.dataType, dims: tensor.dims, data } : undefined;
}

/** Every element, when all are numbers. */
export function numbers(known: Known | undefined): readonly number[] | undefined {
  if (!known) return undefined;
  const out: number[] = [];
  for (const d of known.data) {
    if (typeof d !== 'number') return undefined;
    out.push(d);
  }
  return out;
}

/** The tensor, when every element is a number and the type is one that shapes are computed in. */
export function tensorOf(known: Known | undefined): Tensor | undefined {
  const list = numbers(known);
  if (!known || !list) return undefined;
  switch (known.dataType) {
    case 'int64':
      return Tensor.int64(
        known.dims,
        BigInt64Array.from(list, (v) => BigInt.asIntN(64, toBigInt(v))),
      );
    case 'int32':
      return Tensor.int32(known.dims, list);
    case 'float32':
      return Tensor.float32(known.dims, list);
    case 'float64':
      return Tensor.float64(known.dims, list);
    case 'bool':
      return Tensor.bool(
        known.dims,
        list.map((v) => v !== 0),
      );
    default:
      return undefined;
  }
}

const INT64_MAX = 2n ** 63n - 1n;

/** Number(INT64_MAX) rounds up to 2^63, which would wrap to the least integer. */
function toBigInt(v: number): bigint {
  const b = BigInt(v);
  return b > INT64_MAX ? INT64_MAX : b;
}
