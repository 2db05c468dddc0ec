import { ModelError } from '../../base/errors.js';
import type { Attribute } from '../ir/attribute.js';
import type { Graph } from '../ir/graph.js';
import { ATTRIBUTE_CODES } from './decode-attribute.js';
import { encodeTensor, type Place } from './encode-tensor.js';
import { type AttributeMessage, changed, fromBigInt, type GraphMessage } from './messages.js';
import { AttributeWire } from './wire.js';

/** An attribute that still holds what the file gave it is written as it was. */
export function encodeAttribute(
  name: string,
  attribute: Attribute,
  place: Place,
  graph: (graph: Graph) => GraphMessage,
): AttributeMessage {
  const wire = attribute.wire instanceof AttributeWire ? attribute.wire : undefined;
  const kept =
    (wire?.message.name ?? name) === name ? wire?.message : wire && changed(wire.message, { name });
  const same = wire !== undefined && Object.is(wire.value, attribute.value);
  if (attribute.type === 'other') {
    if (!kept || !same)
      throw new ModelError({ problem: `attribute '${name}' is of a kind that can be carried, but not made` });
    return kept;
  }
  const code = ATTRIBUTE_CODES[attribute.type];
  const base: AttributeMessage = { name, type: code };
  if (attribute.docString) base.doc_string = attribute.docString;
  // Graphs change in place and tensors may move, so their content is always written anew, into the rest of the message.
  const outer = kept && (kept.type ?? code) === code ? kept : base;
  switch (attribute.type) {
    case 'tensor':
      return changed(outer, { t: encodeTensor(attribute.value, attribute.value.name, place) });
    case 'tensors':
      return changed(outer, { tensors: attribute.value.map((t) => encodeTensor(t, t.name, place)) });
    case 'graph':
      return changed(outer, { g: graph(attribute.value) });
    case 'graphs':
      return changed(outer, { graphs: attribute.value.map(graph) });
    case 'float':
      return same && kept ? kept : { ...base, f: attribute.value };
    case 'int':
      return same && kept ? kept : { ...base, i: fromBigInt(attribute.value) };
    case 'string':
      return same && kept ? kept : { ...base, s: attribute.value };
    case 'floats':
      return same && kept ? kept : { ...base, floats: attribute.value };
    case 'ints':
      return same && kept ? kept : { ...base, ints: attribute.value.map(fromBigInt) };
    case 'strings':
      return same && kept ? kept : { ...base, strings: attribute.value };
  }
}
