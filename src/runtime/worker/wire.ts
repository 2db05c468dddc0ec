import { UnsupportedError } from '../../base/errors.js';
import { Tensor } from '../../onnx/ir/tensor.js';
import type { NamedTensors, WireTensor } from './protocol.js';

/**
 * A tensor ready to be transferred. Its elements are copied once, unless they were computed for this very reading, or
 * `give` says that the caller needs them no longer, and they fill a buffer of their own. (A buffer shared between threads
 * is always copied: the runtime refuses it.)
 */
export function toWire(name: string, tensor: Tensor, give = false): WireTensor {
  if (tensor.dataType === 'string')
    throw new UnsupportedError({
      problem: `tensor '${name}' holds strings`,
      expected: 'numbers; no operator of a convolutional network takes strings',
    });
  const { storage } = tensor;
  const own = give || (storage.kind === 'made' && storage.fresh);
  const bytes = tensor.bytes();
  const { buffer } = bytes;
  const whole = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength;
  return {
    dataType: tensor.dataType,
    dims: [...tensor.dims],
    buffer: own && whole ? buffer : copyOf(bytes),
  };
}

export function fromWire(wire: WireTensor): Tensor {
  return Tensor.raw(wire.dataType, wire.dims, new Uint8Array(wire.buffer));
}

export function toWireAll(tensors: ReadonlyMap<string, Tensor>, give = false): NamedTensors {
  return Array.from(tensors, ([name, t]) => [name, toWire(name, t, give)] as const);
}

export function fromWireAll(tensors: NamedTensors): Map<string, Tensor> {
  return new Map(tensors.map(([name, t]) => [name, fromWire(t)]));
}

/** The buffers to hand over with a message; each once, as a transfer list must. */
export function buffersOf(tensors: NamedTensors): ArrayBuffer[] {
  return [...new Set(tensors.map(([, t]) => t.buffer))];
}

export function copyOf(bytes: Uint8Array): ArrayBuffer {
  const copy = new Uint8Array(bytes.byteLength);
  copy.set(bytes);
  return copy.buffer;
}
