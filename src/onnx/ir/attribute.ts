import type { Graph } from './graph.js';
import type { Tensor } from './tensor.js';

/** A node's attribute value, as `AttributeProto` types it. Integers are bigint: INT64_MAX is a common Slice end. */
export type AttributeValue =
  | { readonly type: 'float'; readonly value: number }
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'string'; readonly value: Uint8Array }
  | { readonly type: 'tensor'; readonly value: Tensor }
  | { readonly type: 'graph'; readonly value: Graph }
  | { readonly type: 'floats'; readonly value: readonly number[] }
  | { readonly type: 'ints'; readonly value: readonly bigint[] }
  | { readonly type: 'strings'; readonly value: readonly Uint8Array[] }
  | { readonly type: 'tensors'; readonly value: readonly Tensor[] }
  | { readonly type: 'graphs'; readonly value: readonly Graph[] }
  /** Sparse tensors, type protos and references to a function's attribute: carried, not interpreted. */
  | { readonly type: 'other'; readonly value: unknown };

export type Attribute = AttributeValue & {
  readonly docString?: string;
  /** What the file held beside; only the codec reads it. */
  readonly wire?: unknown;
};

/** What a caller may write instead of a full attribute; a number that must be a float is given as `{ float: 1 }`. */
export type AttributeInit =
  | number
  | bigint
  | string
  | readonly number[]
  | Tensor
  | { readonly float: number }
  | { readonly floats: readonly number[] }
  | { readonly strings: readonly string[] }
  | Attribute;

const utf8 = new TextEncoder();

/** Plain numbers and number lists are integers (the ONNX default for shapes and flags); floats are marked. */
export function toAttribute(init: AttributeInit): Attribute {
  if (typeof init === 'number') {
    if (!Number.isSafeInteger(init)) throw new TypeError(`${init} is no integer; write { float: ${init} }`);
    return { type: 'int', value: BigInt(init) };
  }
  if (typeof init === 'bigint') return { type: 'int', value: init };
  if (typeof init === 'string') return { type: 'string', value: utf8.encode(init) };
  if (isList(init)) return { type: 'ints', value: init.map((v) => BigInt(v)) };
  if ('float' in init) return { type: 'float', value: Math.fround(init.float) };
  if ('floats' in init) return { type: 'floats', value: init.floats.map(Math.fround) };
  if ('strings' in init) return { type: 'strings', value: init.strings.map((s) => utf8.encode(s)) };
  if ('type' in init) return init;
  return { type: 'tensor', value: init };
}

function isList(init: AttributeInit): init is readonly number[] {
  return Array.isArray(init);
}
