import { byteSize, type DataType } from '../../onnx/ir/dtype.js';
import { sizeOf, typedView } from '../../onnx/ir/tensor.js';
import type { TensorSpec, WireTensor } from '../worker/protocol.js';
import { copyOf } from '../worker/wire.js';
import { alignedViews } from './aligned.js';
import type { Ort } from './load.js';

/** How the runtime's binding names each element type; null where it has none. */
const ORT_TYPES = {
  float32: 'float32',
  float64: 'float64',
  float16: 'float16',
  int8: 'int8',
  int16: 'int16',
  int32: 'int32',
  int64: 'int64',
  uint8: 'uint8',
  uint16: 'uint16',
  uint32: 'uint32',
  uint64: 'uint64',
  bool: 'bool',
  int4: 'int4',
  uint4: 'uint4',
  string: null,
  bfloat16: null,
  complex64: null,
  complex128: null,
  float8e4m3fn: null,
  float8e4m3fnuz: null,
  float8e5m2: null,
  float8e5m2fnuz: null,
  float8e8m0: null,
  float4e2m1: null,
  int2: null,
  uint2: null,
} as const satisfies Record<DataType, Ort.Tensor.Type | null>;

/** Whether tensors of this type can go in and out of the runtime. (Inside a graph it knows more.) */
export function isFeedable(type: DataType): boolean {
  return ORT_TYPES[type] !== null;
}

/** A runtime tensor over the wire tensor's own buffer. */
export function toOrt(ort: typeof Ort, wire: WireTensor): Ort.Tensor {
  return over(ort, wire, new Uint8Array(wire.buffer));
}

/** Runtime tensors over fresh memory, zeros, laid out for speed. */
export function zeros(ort: typeof Ort, specs: readonly TensorSpec[]): Ort.Tensor[] {
  const views = alignedViews(specs.map(({ dataType, dims }) => byteSize(dataType, sizeOf(dims))));
  return specs.map((spec, i) => over(ort, spec, views[i]));
}

function over(ort: typeof Ort, { dataType, dims }: TensorSpec, bytes: Uint8Array): Ort.Tensor {
  const type = ORT_TYPES[dataType];
  if (type === null) throw new Error(`the runtime takes no ${dataType} tensors as inputs`);
  const data = typedView(dataType, bytes);
  if (data instanceof Float64Array && type !== 'float64') throw new Error(`${type} over float64 data`);
  return new ort.Tensor(type, data, dims);
}

/** The bytes of a runtime tensor in CPU memory; a view, not a copy. */
export function bytesOf(tensor: Ort.Tensor): Uint8Array {
  const { data } = tensor;
  if (Array.isArray(data)) throw new Error('string tensors are not supported');
  return new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
}

/**
 * A runtime tensor as a wire tensor.
 * @param give the tensor is a result nobody else reads: its own buffer goes, if the elements fill it
 */
export function fromOrt(tensor: Ort.Tensor, give: boolean): WireTensor {
  const bytes = bytesOf(tensor);
  const { buffer } = bytes;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  if (tensor.type === 'string') throw new Error('string tensors are not supported');
  return {
    dataType: tensor.type,
    dims: [...tensor.dims],
    buffer: give && whole ? buffer : copyOf(bytes),
  };
}
