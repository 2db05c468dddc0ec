import { dataTypeOf } from '../ir/dtype.js';
import type { Dim, ValueType } from '../ir/types.js';
import { type DimensionMessage, type TypeMessage, toNumber } from './messages.js';
import { TypeWire } from './wire.js';

/** A tensor type where the message gives one with a known element type; anything else is carried. */
export function decodeType(message: TypeMessage | undefined): ValueType | undefined {
  if (!message) return undefined;
  const { tensor_type: tensor } = message;
  const dataType = tensor && dataTypeOf(tensor.elem_type ?? 0);
  if (!tensor || !dataType) return { kind: 'other', wire: new TypeWire(message) };
  const shape = tensor.shape ? (tensor.shape.dim ?? []).map(decodeDim) : undefined;
  return { kind: 'tensor', dataType, shape, wire: new TypeWire(message, dataType, shape) };
}

/** A negative number, which some exporters write for "unknown", says nothing. */
function decodeDim(message: DimensionMessage): Dim {
  if (message.dim_value !== undefined && Object.hasOwn(message, 'dim_value')) {
    const value = toNumber(message.dim_value);
    return Number.isSafeInteger(value) && value >= 0 ? value : null;
  }
  return message.dim_param || null;
}
