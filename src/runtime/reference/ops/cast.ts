/**
 * Cast: float16 and bfloat16 round to nearest, ties to even; float32 and float64 stay real numbers (the interpreter
 * does not round to them); integers drop the fraction and wrap; bool is "not zero".
 */
import { UnsupportedError } from '../../../base/errors.js';
import { castTo as castType } from '../../../onnx/index.js';
import type { Call, RefRule } from '../call.js';
import {
  isRealType,
  type RefTensor,
  type RefType,
  roundToType,
  toBigInts,
  toNumbers,
  wrapInteger,
} from '../tensor.js';

export function castTo(t: RefTensor, dataType: RefType): RefTensor {
  if (t.dataType === dataType) return t;
  const { dims } = t;
  if (dataType === 'int64') return { dataType, dims, data: BigInt64Array.from(toBigInts(t)) };
  if (dataType === 'uint64') return { dataType, dims, data: BigUint64Array.from(toBigInts(t)) };
  if (dataType === 'bool') return { dataType, dims, data: toNumbers(t).map((v) => (v === 0 ? 0 : 1)) };
  const numbers = toNumbers(t);
  return { dataType, dims, data: roundToType(dataType, wrapInteger(dataType, numbers)) };
}

export const cast: RefRule = (call) => [castTo(call.input(0), refTypeOf(call, 'to'))];

export const castLike: RefRule = (call) => [castTo(call.input(0), call.input(1).dataType)];

/** The element type in an attribute. */
export function refTypeOf(call: Call, name: string): RefType {
  const type = castType(call.node, name);
  if (type === 'int64' || type === 'uint64' || isRealType(type)) return type;
  throw new UnsupportedError({
    problem: `${call.node.describe()}: type ${type} in the reference interpreter`,
    expected: 'a numeric type of 8 bits or more, other than float8 and complex',
  });
}
