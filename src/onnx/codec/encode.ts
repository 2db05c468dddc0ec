import { ModelError } from '../../base/errors.js';
import type { Model } from '../ir/model.js';
import { tensorType } from '../ir/types.js';
import type { Value } from '../ir/value.js';
import { ChunkWriter } from './chunk-writer.js';
import { encodeGraph } from './encode-graph.js';
import type { Place } from './encode-tensor.js';
import { encodeType } from './encode-type.js';
import { writeEntries, writeOpsets } from './entries.js';
import { fromBigInt, type GraphMessage, type ModelMessage, type ValueInfoMessage } from './messages.js';
import { nameValues } from './names.js';
import { protobufType } from './schema.js';
import { ModelWire } from './wire.js';

/** A protobuf message is smaller than 2 GiB; readers refuse a larger one. */
export const MAX_FILE = 2 ** 31 - 1;

/**
 * A model as the bytes of one `ModelProto`, external data included. Values with equal names get unique ones; names from
 * a file, and those of graph inputs and outputs, stay.
 * @throws ModelError when it is 2 GiB or larger (saveModel can write that), or a node reads a value outside the model
 */
export function encodeModel(model: Model): Uint8Array {
  const { chunks, total } = encodeChunks(model, () => undefined);
  if (total > MAX_FILE)
    throw new ModelError({
      problem: `${model.source ?? 'the model'} takes ${total} bytes`,
      expected: 'less than 2 GiB for a single protobuf message',
      hint: 'save it with external data',
    });
  const out = new Uint8Array(total);
  let at = 0;
  for (const chunk of chunks) {
    out.set(chunk, at);
    at += chunk.byteLength;
  }
  return out;
}

export interface Encoded {
  readonly chunks: readonly Uint8Array[];
  readonly total: number;
}

/** The file in pieces; large tensors are the very arrays that the model holds. */
export function encodeChunks(model: Model, place: Place): Encoded {
  const writer = new ChunkWriter();
  protobufType('ModelProto').encode(toMessage(model, place), writer);
  return { chunks: writer.chunks(), total: writer.total };
}

function toMessage(model: Model, place: Place): ModelMessage {
  const wire = model.wire instanceof ModelWire ? model.wire : undefined;
  const message: ModelMessage = { ...wire?.rest };
  if (model.irVersion !== 0) message.ir_version = model.irVersion;
  if (model.producerName) message.producer_name = model.producerName;
  if (model.producerVersion) message.producer_version = model.producerVersion;
  if (model.domain) message.domain = model.domain;
  if (model.modelVersion !== 0n) message.model_version = fromBigInt(model.modelVersion);
  if (model.docString) message.doc_string = model.docString;
  message.opset_import = writeOpsets(model.opsets, wire?.opsets);
  message.metadata_props = writeEntries(model.metadata, wire?.metadata);
  const names = nameValues(model.graph);
  message.graph = encodeGraph(model.graph, names, place);
  if (model.irVersion < 4) listNewInitializers(model, message.graph, names);
  return message;
}

/** Before IR version 4 each initializer has to be a graph input too. Those of the file stay as it had them. */
function listNewInitializers(model: Model, graph: GraphMessage, names: ReadonlyMap<Value, string>): void {
  const added: ValueInfoMessage[] = [];
  for (const v of model.graph.initializers) {
    const name = names.get(v);
    if (v.isInput || v.wire !== undefined || name === undefined || !v.initializer) continue;
    added.push({ name, type: encodeType(tensorType(v.initializer.dataType, v.initializer.dims)) });
  }
  if (added.length > 0) graph.input = [...(graph.input ?? []), ...added];
}
