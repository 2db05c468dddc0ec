/**
 * The shapes in which the protobuf library hands messages over (schema.ts has the field numbers). A field that the file
 * did not set is no own property: reading it gives '' or 0, null for a message, and [] (not bytes) for bytes, see
 * {@link bytesOf}; repeated fields are always there. `$unknowns` holds fields of no known number, each as its own bytes,
 * tag included.
 */

/** 64-bit integers come as `Long`; any object with its two halves can be written. */
export type Int64 = number | { readonly low: number; readonly high: number };

export interface Message {
  $unknowns?: readonly Uint8Array[];
}

export interface EntryMessage extends Message {
  key?: string;
  value?: string;
}

export interface OpsetMessage extends Message {
  domain?: string;
  version?: Int64;
}

export interface DimensionMessage extends Message {
  dim_value?: Int64;
  dim_param?: string;
  denotation?: string;
}

export interface ShapeMessage extends Message {
  dim?: readonly DimensionMessage[];
}

export interface TensorTypeMessage extends Message {
  elem_type?: number;
  shape?: ShapeMessage;
}

export interface TypeMessage extends Message {
  tensor_type?: TensorTypeMessage;
  sequence_type?: Message;
  map_type?: Message;
  optional_type?: Message;
  sparse_tensor_type?: TensorTypeMessage;
  opaque_type?: Message;
  denotation?: string;
}

export interface ValueInfoMessage extends Message {
  name?: string;
  type?: TypeMessage;
  doc_string?: string;
  metadata_props?: readonly EntryMessage[];
}

/** Packed runs of a typed data field, as they stood in the file. */
type Runs = readonly Uint8Array[];

export interface TensorMessage extends Message {
  dims?: readonly Int64[];
  data_type?: number;
  segment?: Message;
  float_data?: Runs;
  int32_data?: Runs;
  string_data?: readonly Uint8Array[];
  int64_data?: Runs;
  name?: string;
  raw_data?: Uint8Array;
  double_data?: Runs;
  uint64_data?: Runs;
  doc_string?: string;
  external_data?: readonly EntryMessage[];
  data_location?: number;
  metadata_props?: readonly EntryMessage[];
}

export interface SparseTensorMessage extends Message {
  values?: TensorMessage;
  indices?: TensorMessage;
  dims?: readonly Int64[];
}

export interface AttributeMessage extends Message {
  name?: string;
  f?: number;
  i?: Int64;
  s?: Uint8Array;
  t?: TensorMessage;
  g?: GraphMessage;
  floats?: readonly number[];
  ints?: readonly Int64[];
  strings?: readonly Uint8Array[];
  tensors?: readonly TensorMessage[];
  graphs?: readonly GraphMessage[];
  doc_string?: string;
  tp?: TypeMessage;
  type_protos?: readonly TypeMessage[];
  type?: number;
  ref_attr_name?: string;
  sparse_tensor?: SparseTensorMessage;
  sparse_tensors?: readonly SparseTensorMessage[];
}

export interface NodeMessage extends Message {
  input?: readonly string[];
  output?: readonly string[];
  name?: string;
  op_type?: string;
  attribute?: readonly AttributeMessage[];
  doc_string?: string;
  domain?: string;
  overload?: string;
  metadata_props?: readonly EntryMessage[];
  device_configurations?: readonly Message[];
}

export interface AnnotationMessage extends Message {
  tensor_name?: string;
  quant_parameter_tensor_names?: readonly EntryMessage[];
}

export interface GraphMessage extends Message {
  node?: readonly NodeMessage[];
  name?: string;
  initializer?: readonly TensorMessage[];
  sparse_initializer?: readonly SparseTensorMessage[];
  doc_string?: string;
  input?: readonly ValueInfoMessage[];
  output?: readonly ValueInfoMessage[];
  value_info?: readonly ValueInfoMessage[];
  quantization_annotation?: readonly AnnotationMessage[];
  metadata_props?: readonly EntryMessage[];
}

export interface FunctionMessage extends Message {
  name?: string;
  domain?: string;
  overload?: string;
  input?: readonly string[];
  output?: readonly string[];
  attribute?: readonly string[];
  attribute_proto?: readonly AttributeMessage[];
  node?: readonly NodeMessage[];
  opset_import?: readonly OpsetMessage[];
  value_info?: readonly ValueInfoMessage[];
}

export interface TrainingInfoMessage extends Message {
  initialization?: GraphMessage;
  algorithm?: GraphMessage;
}

export interface ModelMessage extends Message {
  ir_version?: Int64;
  producer_name?: string;
  producer_version?: string;
  domain?: string;
  model_version?: Int64;
  doc_string?: string;
  graph?: GraphMessage;
  opset_import?: readonly OpsetMessage[];
  metadata_props?: readonly EntryMessage[];
  training_info?: readonly TrainingInfoMessage[];
  functions?: readonly FunctionMessage[];
  configuration?: readonly Message[];
}

/** A bytes field, empty where the file did not set it. */
export function bytesOf<K extends string>(message: { readonly [k in K]?: Uint8Array }, field: K): Uint8Array {
  const value = Object.hasOwn(message, field) ? message[field] : undefined;
  return value ?? new Uint8Array(0);
}

export function toBigInt(v: Int64 | undefined): bigint {
  if (v === undefined) return 0n;
  if (typeof v === 'number') return BigInt(v);
  return BigInt.asIntN(64, (BigInt(v.high) << 32n) | BigInt(v.low >>> 0));
}

/** Exact below 2^53; above it rounded, so a caller that must be exact checks with Number.isSafeInteger. */
export function toNumber(v: Int64 | undefined): number {
  if (v === undefined) return 0;
  return typeof v === 'number' ? v : v.high * 4294967296 + (v.low >>> 0);
}

export function fromBigInt(v: bigint): Int64 {
  return { low: Number(BigInt.asIntN(32, v)), high: Number(BigInt.asIntN(32, v >> 32n)) };
}

function isDefault(value: unknown): boolean {
  if (value === '' || value === 0) return true;
  if (value instanceof Uint8Array) return value.byteLength === 0;
  return typeof value === 'object' && value !== null && 'low' in value && 'high' in value
    ? value.low === 0 && value.high === 0
    : false;
}

/**
 * What of a message the IR does not hold: unknown fields, fields outside `owned`, and the fact that an owned field was
 * set to its default. Undefined when there is nothing. Writing starts from it, so that all of this comes back.
 */
export function leftover<M extends Message>(
  message: M,
  owned: Readonly<Record<string, true>>,
): Partial<M> | undefined {
  let rest: Partial<M> | undefined;
  for (const key in message) {
    if (!Object.hasOwn(message, key)) continue;
    const value = message[key];
    if (Array.isArray(value) && value.length === 0) continue;
    if (Object.hasOwn(owned, key) && !isDefault(value)) continue;
    rest ??= {};
    rest[key] = value;
  }
  if (message.$unknowns && message.$unknowns.length > 0) {
    rest ??= {};
    rest.$unknowns = message.$unknowns;
  }
  return rest;
}

/** A copy of a message with some fields changed; unknown fields, which a spread would drop, come along. */
export function changed<M extends Message>(message: M, change: Partial<M>): M {
  return message.$unknowns
    ? { ...message, $unknowns: message.$unknowns, ...change }
    : { ...message, ...change };
}
