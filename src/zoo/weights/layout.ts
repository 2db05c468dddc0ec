/** From the layouts of PyTorch and Keras to the zoo's: OIHW kernels, [out, in] matrices, float32. */
import { bfloat16ToNumber, float16ToNumber } from '../../base/half.js';
import type { DataType, Graph, Tensor, Value } from '../../onnx/index.js';

/** Whether values of this type become float32, as those of layers: no integers. */
export function isFloat(dataType: DataType): boolean {
  return dataType === 'float32' || Object.hasOwn(TO_NUMBER, dataType);
}

/** The values in float32. The type must be one of {@link isFloat}. */
export function asFloat32(tensor: Tensor): Float32Array {
  const data = tensor.typed();
  if (data instanceof Float32Array) return data;
  const value = TO_NUMBER[tensor.dataType];
  const out = new Float32Array(data.length);
  for (let i = 0; i < out.length; i++) out[i] = value(Number(data[i]));
  return out;
}

/** From an element as it is stored: halves by their bits. */
const TO_NUMBER: Readonly<Record<string, (stored: number) => number>> = {
  float64: (stored) => stored,
  float16: float16ToNumber,
  bfloat16: bfloat16ToNumber,
};

/** Dims, and where elements stand in another order, [a, b, c] of them seen as [c, b, a]. */
export interface Layout {
  readonly dims: readonly number[];
  readonly reversed?: readonly [number, number, number];
}

/**
 * The zoo's layout of a tensor of Keras, still under its own dims:
 * HWIO → OIHW; depthwise HWIM → [I·M, 1, H, W]; [in, out] → [out, in]. Vectors stay.
 * @param target the initializer it goes to, which tells a depthwise kernel from another, and a dense layer behind a
 *   Flatten, whose inputs Keras has in the order H, W, C and we in C, H, W
 */
export function kerasLayout(dims: readonly number[], target: Value): Layout {
  if (dims.length === 4) {
    const [h, w, i, o] = dims;
    const [, groupIn] = target.shape ?? [];
    if (groupIn === 1 && i !== 1) return { dims: [i * o, 1, h, w], reversed: [h * w, 1, i * o] };
    return { dims: [o, i, h, w], reversed: [h * w, i, o] };
  }
  if (dims.length === 2) {
    const [inputs, outputs] = dims;
    const [c, h, w] = flattenedMap(target) ?? [inputs, 1, 1];
    if (c * h * w === inputs) return { dims: [outputs, inputs], reversed: [h * w, c, outputs] };
  }
  return { dims };
}

/** [C, H, W] of the map that a dense layer's Flatten reads. */
function flattenedMap(weight: Value): readonly [number, number, number] | undefined {
  const flatten = weight.uses.find(({ node }) => node.opType === 'Gemm')?.node.inputs[0]?.producer;
  if (flatten?.opType !== 'Flatten') return undefined;
  const type = flatten.inputs[0]?.type;
  if (type?.kind !== 'tensor' || type.shape?.length !== 4) return undefined;
  const [, c, h, w] = type.shape;
  return typeof c === 'number' && typeof h === 'number' && typeof w === 'number' ? [c, h, w] : undefined;
}

/** The elements of [a, b, c] in the order of [c, b, a]. */
export function reversed(data: Float32Array, [a, b, c]: readonly [number, number, number]): Float32Array {
  const out = new Float32Array(data.length);
  let from = 0;
  for (let i = 0; i < a; i++)
    for (let j = 0; j < b; j++) for (let k = 0; k < c; k++) out[(k * b + j) * a + i] = data[from++];
  return out;
}

/** Where the biases of convolutions go that the zoo builds without: into the means of their normalizations. */
export function normalizationAfter(graph: Graph, conv: string): Value | undefined {
  const output = graph.nodes.find((node) => node.opType === 'Conv' && node.name === conv)?.outputs[0];
  const next = output?.uses.length === 1 ? output.uses[0].node : undefined;
  return (next?.opType === 'BatchNormalization' && next.inputs[3]) || undefined;
}
