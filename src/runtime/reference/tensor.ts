import { UnsupportedError } from '../../base/errors.js';
import {
  bfloat16ToNumber,
  float16ToNumber,
  numberToBfloat16,
  numberToFloat16,
  roundToBfloat16,
  roundToFloat16,
} from '../../base/half.js';
import { type DataType, sizeOf, Tensor } from '../../onnx/index.js';

/** Element types a double holds exactly: floats (as real numbers), integers of up to 32 bits, bool as 0 and 1. */
export type RealType =
  | 'float64'
  | 'float32'
  | 'float16'
  | 'bfloat16'
  | 'int8'
  | 'uint8'
  | 'int16'
  | 'uint16'
  | 'int32'
  | 'uint32'
  | 'bool';

/**
 * A tensor of doubles. For float types the numbers are *not* rounded to the named type: the interpreter computes with
 * real numbers, and `float32` only says what the model declares. Integers and bool are exact.
 */
export interface RealTensor {
  readonly dataType: RealType;
  readonly dims: readonly number[];
  readonly data: Float64Array;
}

export interface Int64Tensor {
  readonly dataType: 'int64';
  readonly dims: readonly number[];
  readonly data: BigInt64Array;
}

export interface Uint64Tensor {
  readonly dataType: 'uint64';
  readonly dims: readonly number[];
  readonly data: BigUint64Array;
}

/** A value of the interpreter, row-major. Immutable: results may share data with inputs. */
export type RefTensor = RealTensor | Int64Tensor | Uint64Tensor;
export type RefType = RefTensor['dataType'];
export type RefData = RefTensor['data'];

const REAL_TYPES = {
  float64: true,
  float32: true,
  float16: true,
  bfloat16: true,
  int8: true,
  uint8: true,
  int16: true,
  uint16: true,
  int32: true,
  uint32: true,
  bool: true,
} satisfies Record<RealType, true>;

const INTEGER_ARRAYS = {
  int8: Int8Array,
  uint8: Uint8Array,
  int16: Int16Array,
  uint16: Uint16Array,
  int32: Int32Array,
  uint32: Uint32Array,
} as const;
type SmallInteger = keyof typeof INTEGER_ARRAYS;

export function isRealType(type: DataType): type is RealType {
  return Object.hasOwn(REAL_TYPES, type);
}

export function isSmallInteger(type: DataType): type is SmallInteger {
  return Object.hasOwn(INTEGER_ARRAYS, type);
}

export type FloatType = 'float64' | 'float32' | 'float16' | 'bfloat16';

export function isFloatType(type: DataType): type is FloatType {
  return type === 'float64' || type === 'float32' || type === 'float16' || type === 'bfloat16';
}

export function isReal(t: RefTensor): t is RealTensor {
  return isRealType(t.dataType);
}

/**
 * Whether two tensors may meet in an op that wants one type. Float types may mix: a caller can put float64 values in the
 * place of a model's float32 or float16 ones.
 */
export function sameKind(a: RefTensor, b: RefTensor): boolean {
  return a.dataType === b.dataType || (isFloatType(a.dataType) && isFloatType(b.dataType));
}

/** Most elements one tensor may have: 2 GiB of doubles. A shape is checked against it before memory is taken. */
export const MAX_ELEMENTS = 2 ** 28;

/** Thrown where a shape exceeds {@link MAX_ELEMENTS}; the evaluator rethrows it with the node's name. */
export class TooLarge extends Error {}

/** The number of elements of `dims`, checked. */
export function checkedSize(dims: readonly number[]): number {
  const size = sizeOf(dims);
  if (!(size <= MAX_ELEMENTS)) throw new TooLarge(`a tensor of [${dims}] has ${size} elements`);
  return size;
}

/** Zeros (false, 0n) of a type. */
export function zeros(dataType: RealType, dims: readonly number[]): RealTensor;
export function zeros(dataType: RefType, dims: readonly number[]): RefTensor;
export function zeros(dataType: RefType, dims: readonly number[]): RefTensor {
  const size = checkedSize(dims);
  if (dataType === 'int64') return { dataType, dims, data: new BigInt64Array(size) };
  if (dataType === 'uint64') return { dataType, dims, data: new BigUint64Array(size) };
  return { dataType, dims, data: new Float64Array(size) };
}

/** A tensor of doubles; `dataType` says what a model declares (default float64). */
export function realTensor(
  dims: readonly number[],
  data: ArrayLike<number>,
  dataType: RealType = 'float64',
): RealTensor {
  if (data.length !== sizeOf(dims))
    throw new RangeError(`a tensor of [${dims}] needs ${sizeOf(dims)} elements, not ${data.length}`);
  return { dataType, dims, data: data instanceof Float64Array ? data : Float64Array.from(data) };
}

export function int64Tensor(dims: readonly number[], values: readonly (number | bigint)[]): Int64Tensor {
  return { dataType: 'int64', dims, data: BigInt64Array.from(values, (v) => BigInt(v)) };
}

export function boolTensor(dims: readonly number[], values: readonly boolean[]): RealTensor {
  return { dataType: 'bool', dims, data: Float64Array.from(values, (v) => (v ? 1 : 0)) };
}

/** The same elements under other dims (of the same count); shares the data. */
export function withDims(t: RefTensor, dims: readonly number[]): RefTensor {
  return { ...t, dims };
}

/** A tensor of `like`'s type whose data `fill` writes, whatever the kind of array. */
export function produce(
  like: RefTensor,
  dims: readonly number[],
  fill: <T extends RefData>(from: T, to: T) => void,
): RefTensor {
  const size = checkedSize(dims);
  if (like.dataType === 'int64') {
    const data = new BigInt64Array(size);
    fill(like.data, data);
    return { dataType: like.dataType, dims, data };
  }
  if (like.dataType === 'uint64') {
    const data = new BigUint64Array(size);
    fill(like.data, data);
    return { dataType: like.dataType, dims, data };
  }
  const data = new Float64Array(size);
  fill(like.data, data);
  return { dataType: like.dataType, dims, data };
}

/** The elements as numbers; 64-bit integers beyond 2^53 lose bits. */
export function toNumbers(t: RefTensor): Float64Array {
  return isReal(t) ? t.data : Float64Array.from(t.data, Number);
}

/** Integers modulo 2^bits of their type, as two's complement hardware stores them; floats and bool unchanged. */
export function wrapInteger(dataType: RealType, data: Float64Array): Float64Array {
  return isSmallInteger(dataType) ? new Float64Array(new INTEGER_ARRAYS[dataType](data)) : data;
}

/** Rounds to a 16-bit float type; wider floats stay as they are. */
export function roundToType(dataType: RealType, data: Float64Array): Float64Array {
  if (dataType === 'float16') return data.map(roundToFloat16);
  if (dataType === 'bfloat16') return data.map(roundToBfloat16);
  return data;
}

/**
 * Decodes a tensor of a model. Floats become doubles exactly.
 * @throws UnsupportedError for strings, complex numbers, 8-bit floats and types of less than 8 bits
 */
export function fromTensor(tensor: Tensor): RefTensor {
  const { dataType, dims } = tensor;
  if (dataType !== 'int64' && dataType !== 'uint64' && !isRealType(dataType))
    throw new UnsupportedError({
      problem: `tensor ${tensor.name ? `'${tensor.name}' ` : ''}of type ${dataType} in the reference interpreter`,
      expected: `one of ${Object.keys(REAL_TYPES).join(', ')}, int64, uint64`,
    });
  const typed = tensor.typed();
  if (typed.length !== sizeOf(dims))
    throw new UnsupportedError({
      problem: `tensor ${tensor.name ? `'${tensor.name}' ` : ''}of [${dims}]`,
      expected: `${sizeOf(dims)} elements`,
      found: `${typed.length}`,
    });
  if (dataType === 'int64') return { dataType, dims, data: BigInt64Array.from(big(typed)) };
  if (dataType === 'uint64') return { dataType, dims, data: BigUint64Array.from(big(typed)) };
  const numbers = small(typed);
  if (dataType === 'float16') return { dataType, dims, data: new Float64Array(numbers).map(float16ToNumber) };
  if (dataType === 'bfloat16')
    return { dataType, dims, data: new Float64Array(numbers).map(bfloat16ToNumber) };
  if (dataType === 'bool') return { dataType, dims, data: new Float64Array(numbers).map((v) => (v ? 1 : 0)) };
  return { dataType, dims, data: new Float64Array(numbers) };
}

/**
 * Encodes as a tensor of a model, rounding to the nearest value of `dataType` (default: the tensor's own); ties go to
 * even. Integers are taken modulo 2^bits, fractions toward zero.
 */
export function toTensor(t: RefTensor, dataType: RefType = t.dataType): Tensor {
  const make = (data: ArrayBufferView): Tensor =>
    Tensor.raw(dataType, t.dims, new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  if (dataType === 'int64') return make(BigInt64Array.from(toBigInts(t)));
  if (dataType === 'uint64') return make(BigUint64Array.from(toBigInts(t)));
  const numbers = toNumbers(t);
  switch (dataType) {
    case 'float64':
      return make(numbers.slice());
    case 'float32':
      return make(new Float32Array(numbers));
    case 'float16':
      return make(new Uint16Array(numbers.map(numberToFloat16)));
    case 'bfloat16':
      return make(new Uint16Array(numbers.map(numberToBfloat16)));
    case 'bool':
      return make(new Uint8Array(numbers.map((v) => (v === 0 ? 0 : 1))));
    default:
      return make(new INTEGER_ARRAYS[dataType](numbers));
  }
}

/** The elements as bigints, fractions dropped; NaN and infinities become -2^63, as the x86 conversion makes them. */
export function toBigInts(t: RefTensor): bigint[] {
  if (!isReal(t)) return Array.from<bigint>(t.data);
  return Array.from(t.data, (v) => (Number.isFinite(v) ? BigInt(Math.trunc(v)) : -(2n ** 63n)));
}

function big(typed: ArrayLike<number> | ArrayLike<bigint>): bigint[] {
  return Array.from<number | bigint, bigint>(typed, (v) => BigInt(v));
}

function small(typed: ArrayLike<number> | ArrayLike<bigint>): ArrayLike<number> {
  return typed instanceof BigInt64Array || typed instanceof BigUint64Array
    ? Array.from(typed, Number)
    : (typed as ArrayLike<number>);
}
