import { ModelError } from '../../base/errors.js';
import type { Attribute, AttributeValue } from '../ir/attribute.js';
import type { Graph } from '../ir/graph.js';
import { decodeTensor } from './decode-tensor.js';
import type { ExternalFolder } from './external.js';
import { type AttributeMessage, bytesOf, changed, type GraphMessage, toBigInt } from './messages.js';
import { AttributeWire } from './wire.js';

/** `AttributeProto.AttributeType`: name of each number, with the field that holds the value. */
const KINDS = {
  1: { type: 'float', field: 'f' },
  2: { type: 'int', field: 'i' },
  3: { type: 'string', field: 's' },
  4: { type: 'tensor', field: 't' },
  5: { type: 'graph', field: 'g' },
  6: { type: 'floats', field: 'floats' },
  7: { type: 'ints', field: 'ints' },
  8: { type: 'strings', field: 'strings' },
  9: { type: 'tensors', field: 'tensors' },
  10: { type: 'graphs', field: 'graphs' },
  11: { type: 'other', field: 'sparse_tensor' },
  12: { type: 'other', field: 'sparse_tensors' },
  13: { type: 'other', field: 'tp' },
  14: { type: 'other', field: 'type_protos' },
} as const satisfies Record<number, { type: Attribute['type']; field: keyof AttributeMessage }>;

type Code = keyof typeof KINDS;

function isCode(code: number): code is Code {
  return Object.hasOwn(KINDS, code);
}

/** The `AttributeProto.AttributeType` number of a value that is not merely carried. */
export const ATTRIBUTE_CODES = {
  float: 1,
  int: 2,
  string: 3,
  tensor: 4,
  graph: 5,
  floats: 6,
  ints: 7,
  strings: 8,
  tensors: 9,
  graphs: 10,
} as const satisfies Record<Exclude<Attribute['type'], 'other'>, Code>;

export interface AttributeContext {
  /** Names the attribute in errors. */
  readonly where: string;
  readonly files: ExternalFolder;
  readonly graph: (message: GraphMessage) => Graph;
}

/** @throws ModelError when the type is unknown, or a tensor or graph is missing */
export function decodeAttribute(message: AttributeMessage, context: AttributeContext): Attribute {
  const { value, kept } = readValue(message, context);
  const wire = new AttributeWire(value.value, kept);
  return message.doc_string ? { ...value, docString: message.doc_string, wire } : { ...value, wire };
}

function readValue(
  message: AttributeMessage,
  { where, files, graph }: AttributeContext,
): { value: AttributeValue; kept: AttributeMessage } {
  const whole = (value: AttributeValue) => ({ value, kept: message });
  if (message.ref_attr_name) return whole({ type: 'other', value: message });
  const code = codeOf(message, where);
  const missing = (): never => {
    throw new ModelError({ problem: `${where} is of type ${KINDS[code].type}, but holds none` });
  };
  switch (code) {
    case 1:
      return whole({ type: 'float', value: message.f ?? 0 });
    case 2:
      return whole({ type: 'int', value: toBigInt(message.i) });
    case 3:
      return whole({ type: 'string', value: bytesOf(message, 's') });
    case 6:
      return whole({ type: 'floats', value: message.floats ?? [] });
    case 7:
      return whole({ type: 'ints', value: (message.ints ?? []).map(toBigInt) });
    case 8:
      return whole({ type: 'strings', value: message.strings ?? [] });
    case 4: {
      const value = decodeTensor(message.t ?? missing(), where, files);
      return { value: { type: 'tensor', value }, kept: without(message, 't') };
    }
    case 5: {
      const value = graph(message.g ?? missing());
      return { value: { type: 'graph', value }, kept: without(message, 'g') };
    }
    case 9: {
      const value = (message.tensors ?? []).map((t, i) => decodeTensor(t, `${where}[${i}]`, files));
      return { value: { type: 'tensors', value }, kept: without(message, 'tensors') };
    }
    case 10: {
      const value = (message.graphs ?? []).map(graph);
      return { value: { type: 'graphs', value }, kept: without(message, 'graphs') };
    }
    case 11:
    case 12: {
      for (const s of [message.sparse_tensor, ...(message.sparse_tensors ?? [])])
        if (s?.values?.data_location === 1 || s?.indices?.data_location === 1)
          throw new ModelError({
            problem: `${where} is sparse and has its data in an external file, which is not supported`,
          });
      return whole({ type: 'other', value: message });
    }
    case 13:
    case 14:
      return whole({ type: 'other', value: message });
  }
}

function without(message: AttributeMessage, field: keyof AttributeMessage): AttributeMessage {
  const copy = changed(message, {});
  delete copy[field];
  return copy;
}

/** The declared type; files of the first IR versions have none, there the one field that is set tells. */
function codeOf(message: AttributeMessage, where: string): Code {
  const code = message.type ?? 0;
  if (isCode(code)) return code;
  if (code !== 0) throw new ModelError({ problem: `${where} has the unknown attribute type ${code}` });
  const set = Object.keys(KINDS)
    .map(Number)
    .filter(isCode)
    .filter((c) => {
      const { field } = KINDS[c];
      const value = message[field];
      return Object.hasOwn(message, field) && !(Array.isArray(value) && value.length === 0);
    });
  if (set.length !== 1)
    throw new ModelError({
      problem: `${where} has no type`,
      found:
        set.length === 0 ? 'no value either' : `values in ${set.map((c) => KINDS[c].field).join(' and ')}`,
    });
  return set[0];
}
