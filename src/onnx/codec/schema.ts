import protobuf from 'protobufjs/light.js';

/**
 * The messages of the ONNX IR (onnx.proto, IR version 14) by the specification's names and field numbers, as
 * `<number> [repeated|packed] <type>`. It is proto2: each singular field has presence, repeated numbers are not packed
 * unless the specification says so. Oneofs are left out: they do not change the wire format, and a file that sets two
 * members keeps both.
 */
export const MESSAGES = {
  ModelProto: {
    ir_version: '1 int64',
    producer_name: '2 string',
    producer_version: '3 string',
    domain: '4 string',
    model_version: '5 int64',
    doc_string: '6 string',
    graph: '7 GraphProto',
    opset_import: '8 repeated OperatorSetIdProto',
    metadata_props: '14 repeated StringStringEntryProto',
    training_info: '20 repeated TrainingInfoProto',
    functions: '25 repeated FunctionProto',
    configuration: '26 repeated DeviceConfigurationProto',
  },
  OperatorSetIdProto: { domain: '1 string', version: '2 int64' },
  StringStringEntryProto: { key: '1 string', value: '2 string' },
  TrainingInfoProto: {
    initialization: '1 GraphProto',
    algorithm: '2 GraphProto',
    initialization_binding: '3 repeated StringStringEntryProto',
    update_binding: '4 repeated StringStringEntryProto',
  },
  FunctionProto: {
    name: '1 string',
    input: '4 repeated string',
    output: '5 repeated string',
    attribute: '6 repeated string',
    node: '7 repeated NodeProto',
    doc_string: '8 string',
    opset_import: '9 repeated OperatorSetIdProto',
    domain: '10 string',
    attribute_proto: '11 repeated AttributeProto',
    value_info: '12 repeated ValueInfoProto',
    overload: '13 string',
    metadata_props: '14 repeated StringStringEntryProto',
  },
  DeviceConfigurationProto: { name: '1 string', num_devices: '2 int32', device: '3 repeated string' },
  GraphProto: {
    node: '1 repeated NodeProto',
    name: '2 string',
    initializer: '5 repeated TensorProto',
    doc_string: '10 string',
    input: '11 repeated ValueInfoProto',
    output: '12 repeated ValueInfoProto',
    value_info: '13 repeated ValueInfoProto',
    quantization_annotation: '14 repeated TensorAnnotation',
    sparse_initializer: '15 repeated SparseTensorProto',
    metadata_props: '16 repeated StringStringEntryProto',
  },
  TensorAnnotation: {
    tensor_name: '1 string',
    quant_parameter_tensor_names: '2 repeated StringStringEntryProto',
  },
  NodeProto: {
    input: '1 repeated string',
    output: '2 repeated string',
    name: '3 string',
    op_type: '4 string',
    attribute: '5 repeated AttributeProto',
    doc_string: '6 string',
    domain: '7 string',
    overload: '8 string',
    metadata_props: '9 repeated StringStringEntryProto',
    device_configurations: '10 repeated NodeDeviceConfigurationProto',
  },
  NodeDeviceConfigurationProto: {
    configuration_id: '1 string',
    sharding_spec: '2 repeated ShardingSpecProto',
    pipeline_stage: '3 int32',
  },
  ShardingSpecProto: {
    tensor_name: '1 string',
    device: '2 repeated int64',
    index_to_device_group_map: '3 repeated IntIntListEntryProto',
    sharded_dim: '4 repeated ShardedDimProto',
  },
  IntIntListEntryProto: { key: '1 int64', value: '2 repeated int64' },
  ShardedDimProto: { axis: '1 int64', simple_sharding: '2 repeated SimpleShardedDimProto' },
  SimpleShardedDimProto: { dim_value: '1 int64', dim_param: '2 string', num_shards: '3 int64' },
  AttributeProto: {
    name: '1 string',
    f: '2 float',
    i: '3 int64',
    s: '4 bytes',
    t: '5 TensorProto',
    g: '6 GraphProto',
    floats: '7 repeated float',
    ints: '8 repeated int64',
    strings: '9 repeated bytes',
    tensors: '10 repeated TensorProto',
    graphs: '11 repeated GraphProto',
    doc_string: '13 string',
    tp: '14 TypeProto',
    type_protos: '15 repeated TypeProto',
    type: '20 int32',
    ref_attr_name: '21 string',
    sparse_tensor: '22 SparseTensorProto',
    sparse_tensors: '23 repeated SparseTensorProto',
  },
  TensorProto: {
    dims: '1 repeated int64',
    data_type: '2 int32',
    segment: '3 Segment',
    float_data: '4 packed float',
    int32_data: '5 packed int32',
    string_data: '6 repeated bytes',
    int64_data: '7 packed int64',
    name: '8 string',
    raw_data: '9 bytes',
    double_data: '10 packed double',
    uint64_data: '11 packed uint64',
    doc_string: '12 string',
    external_data: '13 repeated StringStringEntryProto',
    data_location: '14 int32',
    metadata_props: '16 repeated StringStringEntryProto',
  },
  Segment: { begin: '1 int64', end: '2 int64' },
  SparseTensorProto: { values: '1 TensorProto', indices: '2 TensorProto', dims: '3 repeated int64' },
  ValueInfoProto: {
    name: '1 string',
    type: '2 TypeProto',
    doc_string: '3 string',
    metadata_props: '4 repeated StringStringEntryProto',
  },
  TypeProto: {
    tensor_type: '1 TypeTensor',
    sequence_type: '4 TypeSequence',
    map_type: '5 TypeMap',
    denotation: '6 string',
    opaque_type: '7 TypeOpaque',
    sparse_tensor_type: '8 TypeTensor',
    optional_type: '9 TypeSequence',
  },
  /** `TypeProto.Tensor` and `TypeProto.SparseTensor`. */
  TypeTensor: { elem_type: '1 int32', shape: '2 TensorShapeProto' },
  /** `TypeProto.Sequence` and `TypeProto.Optional`. */
  TypeSequence: { elem_type: '1 TypeProto' },
  TypeMap: { key_type: '1 int32', value_type: '2 TypeProto' },
  TypeOpaque: { domain: '1 string', name: '2 string' },
  TensorShapeProto: { dim: '1 repeated Dimension' },
  Dimension: { dim_value: '1 int64', dim_param: '2 string', denotation: '3 string' },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

export type MessageName = keyof typeof MESSAGES;

const SCALARS = ['int32', 'int64', 'uint64', 'float', 'double', 'string', 'bytes'] as const;
export type Scalar = (typeof SCALARS)[number];

/** Wire type of each scalar when it is not packed: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
export const WIRE_TYPES = {
  int32: 0,
  int64: 0,
  uint64: 0,
  double: 1,
  string: 2,
  bytes: 2,
  float: 5,
} as const satisfies Record<Scalar, number>;

export interface FieldSpec {
  readonly name: string;
  readonly id: number;
  readonly label: 'single' | 'repeated' | 'packed';
  readonly type: { readonly scalar: Scalar } | { readonly message: MessageName };
}

function isScalar(name: string): name is Scalar {
  return SCALARS.some((s) => s === name);
}

function isMessage(name: string): name is MessageName {
  return Object.hasOwn(MESSAGES, name);
}

function parseField(name: string, text: string): FieldSpec {
  const words = text.split(' ');
  const type = words[words.length - 1];
  const label = words.length === 2 ? 'single' : words[1] === 'packed' ? 'packed' : 'repeated';
  const id = Number(words[0]);
  if (isScalar(type)) return { name, id, label, type: { scalar: type } };
  if (isMessage(type)) return { name, id, label, type: { message: type } };
  throw new Error(`schema: ${name} has the unknown type ${type}`);
}

/** Fields of each message by number. */
export const FIELDS: ReadonlyMap<MessageName, ReadonlyMap<number, FieldSpec>> = new Map(
  Object.entries(MESSAGES).flatMap(([message, fields]) => {
    if (!isMessage(message)) return [];
    const specs = Object.entries(fields).map(([name, text]) => parseField(name, text));
    return [[message, new Map(specs.map((s) => [s.id, s]))] as const];
  }),
);

/**
 * The protobuf library's types. Packed data fields are declared as repeated bytes, which they are on the wire: each
 * packed run comes as a view of the file and goes back without being decoded; data that is not packed lands among the
 * unknown fields, which are views too (tensor-data.ts reads both).
 */
const types: ReadonlyMap<MessageName, protobuf.Type> = build();

function build(): Map<MessageName, protobuf.Type> {
  const root = new protobuf.Root();
  const made = new Map<MessageName, protobuf.Type>();
  for (const [message, fields] of FIELDS) {
    const type = new protobuf.Type(message);
    for (const { name, id, label, type: t } of fields.values()) {
      const typeName = label === 'packed' ? 'bytes' : 'scalar' in t ? t.scalar : t.message;
      type.add(new protobuf.Field(name, id, typeName, label === 'single' ? undefined : 'repeated'));
    }
    root.add(type);
    made.set(message, type);
  }
  root.resolveAll();
  return made;
}

export function protobufType(name: MessageName): protobuf.Type {
  const type = types.get(name);
  if (!type) throw new Error(`schema: no message ${name}`);
  return type;
}
