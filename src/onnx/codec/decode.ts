import protobuf from 'protobufjs/light.js';
import { ModelError } from '../../base/errors.js';
import { Model } from '../ir/model.js';
import { assertInside } from './carried.js';
import { decodeGraph } from './decode-graph.js';
import { readEntries, shortDomain } from './entries.js';
import { ExternalFolder } from './external.js';
import { leftover, type ModelMessage, toBigInt, toNumber } from './messages.js';
import { scan } from './scan.js';
import { protobufType } from './schema.js';
import { refuseOtherFormats } from './sniff.js';
import { ModelWire } from './wire.js';

export interface DecodeOptions {
  /** What to call the model in errors; default: 'model'. */
  readonly source?: string;
  /** Folder of the model's external data files; without it a model that has some is refused. */
  readonly folder?: string;
}

const OWNED = {
  ir_version: true,
  producer_name: true,
  producer_version: true,
  domain: true,
  model_version: true,
  doc_string: true,
  graph: true,
  opset_import: true,
  metadata_props: true,
} as const;

/**
 * Reads a serialized `ModelProto`. Tensors are views of `bytes`, which must not change afterwards; external data is read
 * when it is first needed. Everything the file holds comes back when the model is written, also what the IR does not know.
 * The model is not verified beyond what its reading needs: see verifyModel.
 * @throws ModelError when the bytes are no model, or names, types or sizes in it contradict each other
 */
export function decodeModel(bytes: Uint8Array, options: DecodeOptions = {}): Model {
  const source = options.source ?? 'model';
  refuseOtherFormats(bytes, source);
  scan(bytes, 'ModelProto', source);
  const message = parse(bytes, source);
  if (!message.graph) throw new ModelError({ problem: `${source} has no graph` });
  assertInside(message, source);

  const files = new ExternalFolder(options.folder);
  const model = new Model(decodeGraph(message.graph, source, files));
  model.source = options.source;
  model.irVersion = toNumber(message.ir_version);
  model.producerName = message.producer_name ?? '';
  model.producerVersion = message.producer_version ?? '';
  model.domain = message.domain ?? '';
  model.modelVersion = toBigInt(message.model_version);
  model.docString = message.doc_string ?? '';
  readEntries(message.metadata_props, model.metadata);
  model.opsets.clear();
  for (const { domain, version } of message.opset_import ?? []) {
    const key = shortDomain(domain);
    if (model.opsets.has(key))
      throw new ModelError({
        problem: `${source} imports the operator set '${key || 'ai.onnx'}' twice`,
        found: `versions ${model.opsets.get(key)} and ${toNumber(version)}`,
      });
    model.opsets.set(key, toNumber(version));
  }
  model.wire = new ModelWire(leftover(message, OWNED), message.metadata_props, message.opset_import);
  return model;
}

function parse(bytes: Uint8Array, source: string): ModelMessage {
  // A plain Uint8Array (not a Buffer), so that views of it behave as such when sliced.
  const plain = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const reader = protobuf.Reader.create(plain);
  reader.discardUnknown = false;
  try {
    // The schema's type is what ModelMessage describes.
    return protobufType('ModelProto').decode(reader) as ModelMessage;
  } catch (cause) {
    throw new ModelError({
      problem: `${source}: not a readable ONNX model: ${cause instanceof Error ? cause.message : String(cause)}`,
      cause,
    });
  }
}
