/** QuantizeLinear, DequantizeLinear and their kin. */
import { type InferRule, typed } from '../context.js';

/** The zero point's type, or that of `output_dtype` (21 up), else uint8. */
export const quantize: InferRule = (c) => {
  const named = c.node.int('output_dtype', 0);
  const dataType = c.dataType(2) ?? (named === 0 ? 'uint8' : undefined);
  return [typed(dataType, c.shape(0))];
};

/** The scale's type. */
export const dequantize: InferRule = (c) => [typed(c.dataType(1), c.shape(0))];

/** DynamicQuantizeLinear: uint8, its scale and zero point. */
export const dynamicQuantize: InferRule = (c) => [
  typed('uint8', c.shape(0)),
  typed('float32', []),
  typed('uint8', []),
];
