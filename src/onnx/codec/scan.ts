import { isUtf8 } from 'node:buffer';
import { ModelError } from '../../base/errors.js';
import { FIELDS, type FieldSpec, type MessageName, WIRE_TYPES } from './schema.js';

/** Messages inside messages; the limit of the reference implementation of protobuf, and enough for 25 nested Ifs. */
const MAX_DEPTH = 100;
/**
 * Records (tags) outside packed data, and what messages weigh when they are objects (1 is some 200 bytes). Bounds memory
 * by a constant, about 1 GiB; a graph of 150,000 nodes with the types of all values is within.
 */
const MAX_RECORDS = 10_000_000;
const MAX_WEIGHT = 4_000_000;
const WEIGHTS: Readonly<Partial<Record<MessageName, number>>> = {
  NodeProto: 8,
  ValueInfoProto: 3,
  TensorProto: 3,
  AttributeProto: 2,
};

interface Frame {
  readonly end: number;
  readonly fields: ReadonlyMap<number, FieldSpec> | undefined;
  readonly name: string;
  /** Number of the field when this is a group (an obsolete form that only unknown fields can have). */
  readonly group: number;
}

/**
 * Walks a file's wire format without decoding it, so that the decoder behind it meets no surprise: lengths inside
 * their parents, known fields of the right wire type, names in UTF-8, bounded depth and count. Iterative; linear time;
 * allocates nothing that grows with the file but one frame per level.
 * @throws ModelError naming the field path and the byte
 */
export function scan(bytes: Uint8Array, root: MessageName, source: string): void {
  const frames: Frame[] = [{ end: bytes.byteLength, fields: FIELDS.get(root), name: '', group: 0 }];
  let pos = 0;
  let records = 0;
  let weight = 0;

  const fail = (what: string, at: number, name?: string): never => {
    const names = [...frames.map((f) => f.name), name ?? ''].filter(Boolean);
    const path = (names.length > 12 ? [...names.slice(0, 5), '…', ...names.slice(-5)] : names).join('.');
    throw new ModelError({
      problem: `${source}: not a readable ONNX model: ${what}${path ? ` in ${path}` : ''} at byte ${at} of ${bytes.byteLength}`,
      hint: 'the file is truncated, damaged, or something else than an ONNX model; fetch or export it again',
    });
  };

  /** As a double: exact to 2^53, which is all that lengths and tags need. */
  const varint = (end: number): number => {
    const start = pos;
    let value = 0;
    let scale = 1;
    for (;;) {
      if (pos >= end) fail('truncated number', start);
      if (pos - start >= 10) fail('a number of more than 10 bytes', start);
      const b = bytes[pos++];
      value += (b & 127) * scale;
      if (b < 128) return value;
      scale *= 128;
    }
  };

  for (;;) {
    const frame = frames[frames.length - 1];
    if (pos === frame.end) {
      if (frame.group) fail(`group ${frame.group} has no end`, pos);
      frames.pop();
      if (frames.length === 0) return;
      continue;
    }
    const at = pos;
    if (++records > MAX_RECORDS) fail(`more than ${MAX_RECORDS} fields`, at);
    const tag = varint(frame.end);
    const id = Math.floor(tag / 8);
    const wire = tag % 8;
    if (id === 0 || id > 536870911) fail(`field number ${id}`, at);
    if (wire > 5) fail(`wire type ${wire}, which does not exist,`, at);
    const spec = frame.fields?.get(id);
    if (spec && !accepts(spec, wire)) fail(`wire type ${wire}, expected ${expected(spec)},`, at, spec.name);

    if (wire === 0) varint(frame.end);
    else if (wire === 1) skip(8);
    else if (wire === 5) skip(4);
    else if (wire === 3) enter({ end: frame.end, fields: undefined, name: `(group ${id})`, group: id });
    else if (wire === 4) {
      if (frame.group !== id) fail(`end of group ${id}, which was not begun,`, at);
      frames.pop();
    } else {
      const length = varint(frame.end);
      if (length > frame.end - pos)
        fail(`${length} bytes declared, ${frame.end - pos} left`, at, spec?.name ?? `field ${id}`);
      if (spec && 'message' in spec.type) {
        weight += WEIGHTS[spec.type.message] ?? 1;
        if (weight > MAX_WEIGHT) fail('too many nodes and other parts to be a network', at, spec.name);
        enter({ end: pos + length, fields: FIELDS.get(spec.type.message), name: spec.name, group: 0 });
      } else {
        if (spec && 'scalar' in spec.type) {
          const { scalar } = spec.type;
          if (scalar === 'string' && !isUtf8(bytes.subarray(pos, pos + length)))
            fail('text that is not UTF-8', at, spec.name);
          const width = scalar === 'float' ? 4 : scalar === 'double' ? 8 : 1;
          if (length % width !== 0)
            fail(`${length} bytes of packed ${scalar}, no multiple of ${width},`, at, spec.name);
        }
        pos += length;
      }
    }

    function skip(n: number): void {
      if (n > frame.end - pos) fail(`${n} bytes needed, ${frame.end - pos} left`, at, spec?.name);
      pos += n;
    }

    function enter(inner: Frame): void {
      if (frames.length >= MAX_DEPTH) fail(`more than ${MAX_DEPTH} messages nested in each other`, at);
      frames.push(inner);
    }
  }
}

function accepts(spec: FieldSpec, wire: number): boolean {
  if ('message' in spec.type) return wire === 2;
  const plain = WIRE_TYPES[spec.type.scalar];
  return wire === plain || (spec.label !== 'single' && wire === 2);
}

function expected(spec: FieldSpec): string {
  return 'message' in spec.type ? '2 (a message)' : `${WIRE_TYPES[spec.type.scalar]} (${spec.type.scalar})`;
}
