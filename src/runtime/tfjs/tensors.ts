/**
 * ONNX tensors as TensorFlow.js holds them. It has float32, int32 and bool: whole numbers of every size up to 64 bits are
 * held as int32 (64-bit ones that do not fit are refused), and what leaves gets its own type back.
 */
import { UnsupportedError } from '../../base/errors.js';
import { type DataType, type TypedArray, typedView } from '../../onnx/index.js';
import type { TensorSpec, WireTensor } from '../worker/protocol.js';
import { copyOf } from '../worker/wire.js';
import type { Tf, TfTensor } from './tf.js';

const HELD_AS = {
  float32: 'float32',
  bool: 'bool',
  int8: 'int32',
  uint8: 'int32',
  int16: 'int32',
  uint16: 'int32',
  int32: 'int32',
  int64: 'int32',
} as const satisfies Partial<Record<DataType, 'float32' | 'int32' | 'bool'>>;

export type HeldType = keyof typeof HELD_AS;

export const HELD_TYPES: readonly string[] = Object.keys(HELD_AS);

/** Whether TensorFlow.js can hold tensors of this type. */
export function isHeld(type: DataType): type is HeldType {
  return Object.hasOwn(HELD_AS, type);
}

/** What TensorFlow.js holds tensors of a type as. */
export function heldAs(type: HeldType): 'float32' | 'int32' | 'bool' {
  return HELD_AS[type];
}

const INT32 = { least: -(2n ** 31n), most: 2n ** 31n - 1n };

/** The first 64-bit element that int32 cannot hold. */
export function beyondInt32(elements: ArrayLike<number | bigint>): bigint | undefined {
  if (!(elements instanceof BigInt64Array)) return undefined;
  return elements.find((v) => v < INT32.least || v > INT32.most);
}

/**
 * A TensorFlow.js tensor of little-endian elements. The CPU backend computes on `bytes` itself: nobody may write to them.
 * @throws UnsupportedError naming the tensor for elements that cannot be held
 */
export function toTf(tf: Tf, name: string, { dataType, dims }: TensorSpec, bytes: Uint8Array): TfTensor {
  const held = requireHeld(name, dataType);
  const elements = typedView(dataType, bytes);
  const lost = beyondInt32(elements);
  if (lost !== undefined)
    throw new UnsupportedError({
      problem: `TensorFlow.js holds int64 as int32, and tensor '${name}' has the element ${lost}`,
      expected: `${INT32.least} to ${INT32.most}`,
    });
  const data =
    held === 'int32' && !(elements instanceof Int32Array)
      ? Int32Array.from<number | bigint>(elements, Number)
      : elements;
  if (data instanceof BigInt64Array || data instanceof BigUint64Array || data instanceof Float64Array)
    throw new Error(`${held} over ${dataType} data`);
  return tf.tensor(data, [...dims], held);
}

/** A tensor of zeros. @throws UnsupportedError naming it, for a type that cannot be held */
export function zerosOf(tf: Tf, name: string, { dataType, dims }: TensorSpec): TfTensor {
  return tf.zeros([...dims], requireHeld(name, dataType));
}

function requireHeld(name: string, dataType: DataType): ReturnType<typeof heldAs> {
  if (isHeld(dataType)) return heldAs(dataType);
  throw new UnsupportedError({
    problem: `TensorFlow.js cannot hold tensor '${name}'`,
    expected: HELD_TYPES.join(', '),
    found: dataType,
  });
}

/** A copy of the elements, in the type that the model declares. */
export function fromTf(tensor: TfTensor, dataType: DataType): WireTensor {
  const data = tensor.dataSync<'float32' | 'int32' | 'bool'>();
  return { dataType, dims: [...tensor.shape], buffer: copyOf(bytesOf(narrowed(data, dataType))) };
}

function narrowed(data: Float32Array | Int32Array | Uint8Array, dataType: DataType): TypedArray {
  switch (dataType) {
    case 'int64':
      return BigInt64Array.from(data, (v) => BigInt(v));
    case 'uint8':
      return Uint8Array.from(data);
    case 'int8':
      return Int8Array.from(data);
    case 'int16':
      return Int16Array.from(data);
    case 'uint16':
      return Uint16Array.from(data);
    case 'bool':
      return Uint8Array.from(data);
    default:
      return data;
  }
}

function bytesOf({ buffer, byteOffset, byteLength }: TypedArray): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
