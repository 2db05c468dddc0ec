import { type DataType, Tensor } from '../onnx/index.js';
import { fromTensor, toNumbers, toTensor } from '../runtime/reference/tensor.js';

/** Element types a kernel may have. Each of their values is a float64 exactly. */
export type FloatType = 'float16' | 'bfloat16' | 'float32' | 'float64';

export function isFloatType(type: DataType): type is FloatType {
  return type === 'float32' || type === 'float16' || type === 'float64' || type === 'bfloat16';
}

/** Digits of the significand, the hidden one included: one rounding is off by at most 2^-digits of the value. */
export const SIGNIFICAND_DIGITS = {
  float16: 11,
  bfloat16: 8,
  float32: 24,
  float64: 53,
} as const satisfies Record<FloatType, number>;

/** The elements in float64, exactly. Do not write to them. */
export function toFloat64(tensor: Tensor): Float64Array {
  const { dataType } = tensor;
  if (dataType !== 'float16' && dataType !== 'bfloat16') return toNumbers(fromTensor(tensor));
  const table = sixteenBits(dataType);
  const bits = tensor.typed();
  const data = new Float64Array(bits.length);
  for (let i = 0; i < data.length; i++) data[i] = table[Number(bits[i])];
  return data;
}

const tables = new Map<DataType, Float64Array>();

/** Every value of a 16-bit type by its bits: feature maps are decoded by the million. */
function sixteenBits(dataType: 'float16' | 'bfloat16'): Float64Array {
  const known = tables.get(dataType);
  if (known) return known;
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const table = toNumbers(fromTensor(Tensor.raw(dataType, [all.length], new Uint8Array(all.buffer))));
  tables.set(dataType, table);
  return table;
}

/** A tensor of `dataType`; each value is rounded once, to the nearest, ties to even. */
export function fromFloat64(dataType: FloatType, dims: readonly number[], data: Float64Array): Tensor {
  return toTensor({ dataType, dims, data });
}
