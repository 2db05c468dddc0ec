import type { DataType } from './dtype.js';

/** A dimension: a number, the name of a symbolic one, or null where the file says nothing. */
export type Dim = number | string | null;

/** The type of a value. Objects are immutable; the codec recognises an untouched one by identity and writes it as it was. */
export type ValueType = TensorType | OtherType;

export interface TensorType {
  readonly kind: 'tensor';
  readonly dataType: DataType;
  /** Undefined: unknown rank. */
  readonly shape: readonly Dim[] | undefined;
  /** The file's own message; only the codec reads it. */
  readonly wire?: unknown;
}

/** Sequences, maps, optionals, sparse tensors and types without an element type: carried, not interpreted. */
export interface OtherType {
  readonly kind: 'other';
  readonly wire: unknown;
}

export function tensorType(dataType: DataType, shape?: readonly Dim[]): TensorType {
  return { kind: 'tensor', dataType, shape };
}

/** The dims when every one of them is a number. */
export function staticShape(type: ValueType | undefined): readonly number[] | undefined {
  if (type?.kind !== 'tensor' || type.shape === undefined) return undefined;
  const dims: number[] = [];
  for (const d of type.shape) {
    if (typeof d !== 'number') return undefined;
    dims.push(d);
  }
  return dims;
}
