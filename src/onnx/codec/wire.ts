/**
 * What stands in the `wire` slots of the IR: whatever a file held beside the IR's own fields. Clones share these objects,
 * so they refer to values by name or identity of immutable things only, and never change after decoding.
 */
import type { Attribute } from '../ir/attribute.js';
import type { DataType } from '../ir/dtype.js';
import type { TensorStorage } from '../ir/tensor.js';
import type { Dim, ValueType } from '../ir/types.js';
import type {
  AnnotationMessage,
  AttributeMessage,
  GraphMessage,
  ModelMessage,
  NodeMessage,
  SparseTensorMessage,
  TensorMessage,
  TypeMessage,
  ValueInfoMessage,
} from './messages.js';

export class TensorWire {
  constructor(
    /** The storage this was read with; another one makes `data` and `sparse` void. */
    readonly storage: TensorStorage,
    /** Fields that do not describe the data. */
    readonly rest: Partial<TensorMessage> | undefined,
    /** The data in the form of the file, where it was neither raw nor external. */
    readonly data: Partial<TensorMessage> | undefined,
    /** The sparse tensor that the storage spreads out. */
    readonly sparse: SparseTensorMessage | undefined,
  ) {}
}

export class TypeWire {
  constructor(
    readonly message: TypeMessage,
    /** What the message says; a type object with other content is written anew. */
    readonly dataType?: DataType,
    readonly shape?: readonly Dim[],
  ) {}
}

export class AttributeWire {
  constructor(
    /** The value this was read with; for graphs and tensors, whose content is written anew, it is not compared. */
    readonly value: Attribute['value'],
    /** The whole message, without graphs and tensors. */
    readonly message: AttributeMessage,
  ) {}
}

export class NodeWire {
  constructor(
    readonly rest: Partial<NodeMessage> | undefined,
    readonly metadata: NodeMessage['metadata_props'],
  ) {}
}

export class ValueWire {
  constructor(
    /** The name in the file; a value that still has it is not renamed. */
    readonly name: string,
    readonly rest: Partial<ValueInfoMessage> | undefined,
    readonly metadata: ValueInfoMessage['metadata_props'],
    /** Place among the graph's value_info entries, where the value had one. */
    readonly listed: number | undefined,
  ) {}
}

/** An entry of `output` or `value_info` beside the one that its value was described by. */
export interface SecondEntry {
  readonly list: 'output' | 'value_info';
  readonly place: number;
  readonly message: ValueInfoMessage;
  /** The value's type when it was read; undefined also for a name that no value has. */
  readonly type: ValueType | undefined;
}

export class GraphWire {
  constructor(
    readonly rest: Partial<GraphMessage> | undefined,
    readonly metadata: GraphMessage['metadata_props'],
    readonly second: readonly SecondEntry[],
    readonly annotations: readonly AnnotationMessage[],
    /** Names of the values that were read; an annotation of one that is gone goes too. */
    readonly names: ReadonlySet<string>,
  ) {}
}

export class ModelWire {
  constructor(
    readonly rest: Partial<ModelMessage> | undefined,
    readonly metadata: ModelMessage['metadata_props'],
    readonly opsets: ModelMessage['opset_import'],
  ) {}
}
