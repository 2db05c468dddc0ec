import { DATA_TYPES } from '../ir/dtype.js';
import type { ValueType } from '../ir/types.js';
import { type DimensionMessage, fromBigInt, type TypeMessage } from './messages.js';
import { TypeWire } from './wire.js';

/** A type that still says what its message says is written as that message. */
export function encodeType(type: ValueType): TypeMessage {
  const wire = type.wire instanceof TypeWire ? type.wire : undefined;
  if (type.kind === 'other') return wire?.message ?? {};
  if (wire && wire.dataType === type.dataType && wire.shape === type.shape) return wire.message;
  const elem_type = DATA_TYPES[type.dataType].code;
  if (type.shape === undefined) return { tensor_type: { elem_type } };
  const dim = type.shape.map((d): DimensionMessage => {
    if (d === null) return {};
    return typeof d === 'string' ? { dim_param: d } : { dim_value: fromBigInt(BigInt(d)) };
  });
  return { tensor_type: { elem_type, shape: { dim } } };
}
