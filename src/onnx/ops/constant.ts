import type { Node } from '../ir/node.js';
import { Tensor } from '../ir/tensor.js';

/** The tensor that a Constant node (1, 9, 11, 12, 13 …) holds; undefined for sparse ones. */
export function constantValue(node: Node): Tensor | undefined {
  for (const [name, a] of node.attributes) {
    if (name === 'value' && a.type === 'tensor') return a.value;
    if (name === 'value_float' && a.type === 'float') return Tensor.float32([], [a.value]);
    if (name === 'value_floats' && a.type === 'floats') return Tensor.float32([a.value.length], a.value);
    if (name === 'value_int' && a.type === 'int') return Tensor.int64([], BigInt64Array.of(a.value));
    if (name === 'value_ints' && a.type === 'ints')
      return Tensor.int64([a.value.length], BigInt64Array.from(a.value));
    if (name === 'value_string' && a.type === 'string') return strings([], [a.value]);
    if (name === 'value_strings' && a.type === 'strings') return strings([a.value.length], a.value);
  }
  return undefined;
}

function strings(dims: readonly number[], values: readonly Uint8Array[]): Tensor {
  return new Tensor({ dataType: 'string', dims, storage: { kind: 'strings', values } });
}
