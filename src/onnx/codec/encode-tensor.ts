import { DATA_TYPES } from '../ir/dtype.js';
import type { Tensor } from '../ir/tensor.js';
import { writeEntries } from './entries.js';
import { fromBigInt, type SparseTensorMessage, type TensorMessage } from './messages.js';
import { TensorWire } from './wire.js';

/** Where a tensor goes that does not stay in the model file. */
export interface Placement {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

export type Place = (tensor: Tensor) => Placement | undefined;

/** @param name the name to write: the value's, for an initializer */
export function encodeTensor(tensor: Tensor, name: string, place: Place): TensorMessage {
  const wire = tensor.wire instanceof TensorWire ? tensor.wire : undefined;
  const { storage } = tensor;
  const message: TensorMessage = { ...wire?.rest };
  if (wire && (wire.storage !== storage || storage.kind === 'external')) {
    delete message.external_data;
    delete message.data_location;
  }
  if (tensor.dims.length > 0) message.dims = tensor.dims.map((d) => fromBigInt(BigInt(d)));
  message.data_type = DATA_TYPES[tensor.dataType].code;
  if (name) message.name = name;
  if (tensor.docString) message.doc_string = tensor.docString;
  const metadata = writeEntries(tensor.metadata, wire?.rest?.metadata_props);
  if (metadata.length > 0 || message.metadata_props) message.metadata_props = metadata;

  const at = place(tensor);
  if (at) {
    const entries = new Map(storage.kind === 'external' ? storage.entries : []);
    entries.set('location', at.location);
    entries.set('offset', `${at.offset}`);
    entries.set('length', `${at.length}`);
    message.external_data = writeEntries(entries, undefined);
    message.data_location = 1;
    return message;
  }
  switch (storage.kind) {
    case 'strings':
      message.string_data = storage.values;
      return message;
    case 'field':
      if (wire?.storage !== storage || !wire.data) break;
      Object.assign(message, wire.data);
      if (wire.rest?.$unknowns && wire.data.$unknowns)
        message.$unknowns = [...wire.data.$unknowns, ...wire.rest.$unknowns];
      return message;
    case 'bytes':
    case 'external':
    case 'made':
    case 'sparse':
      break;
  }
  const bytes = tensor.bytes();
  if (bytes.byteLength > 0) message.raw_data = bytes;
  return message;
}

/** The sparse tensor that an untouched initializer was read from, under the name to write. */
export function encodeSparse(tensor: Tensor, name: string): SparseTensorMessage | undefined {
  const wire = tensor.wire instanceof TensorWire ? tensor.wire : undefined;
  if (!wire?.sparse || wire.storage !== tensor.storage) return undefined;
  const { sparse } = wire;
  if (sparse.values?.name === name) return sparse;
  return changedName(sparse, name);
}

function changedName(sparse: SparseTensorMessage, name: string): SparseTensorMessage {
  const values = { ...sparse.values, $unknowns: sparse.values?.$unknowns ?? [], name };
  return { ...sparse, $unknowns: sparse.$unknowns ?? [], values };
}
