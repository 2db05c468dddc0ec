/**
 * An independent reader of the protobuf wire format, which knows nothing of the product's schema: it takes a message
 * apart into records `path wireType value` and compares two files as multisets. Only what cannot be seen on the wire is
 * told to it: which field numbers are messages, and which repeated numbers may be packed.
 *
 * Canonical form: fields of a message are sorted by number, occurrences of one number keep their order; packed numbers
 * are unpacked.
 */
type Kind = 'varint' | 'fixed32' | 'fixed64';

interface Shape {
  readonly [field: number]: Shape | (() => Shape) | Kind;
}

function isKind(known: unknown): known is Kind {
  return known === 'varint' || known === 'fixed32' || known === 'fixed64';
}

const entry: Shape = {};
const tensor: Shape = {
  1: 'varint',
  3: {},
  4: 'fixed32',
  5: 'varint',
  7: 'varint',
  10: 'fixed64',
  11: 'varint',
  13: entry,
  16: entry,
};
const sparse: Shape = { 1: tensor, 2: tensor, 3: 'varint' };
const tensorType: Shape = { 2: { 1: {} } };
const type: Shape = {
  1: tensorType,
  4: { 1: () => type },
  5: { 2: () => type },
  7: {},
  8: tensorType,
  9: { 1: () => type },
};
const info: Shape = { 2: type, 4: entry };
const attribute: Shape = {
  5: tensor,
  6: () => graph,
  7: 'fixed32',
  8: 'varint',
  10: tensor,
  11: () => graph,
  14: type,
  15: type,
  22: sparse,
  23: sparse,
};
const sharding: Shape = { 2: 'varint', 3: { 2: 'varint' }, 4: { 2: {} } };
const node: Shape = { 5: attribute, 9: entry, 10: { 2: sharding } };
const graph: Shape = {
  1: node,
  5: tensor,
  11: info,
  12: info,
  13: info,
  14: { 2: entry },
  15: sparse,
  16: entry,
};
const model: Shape = {
  7: graph,
  8: {},
  14: entry,
  20: { 1: graph, 2: graph, 3: entry, 4: entry },
  25: { 7: node, 9: {}, 11: attribute, 12: info, 14: entry },
  26: {},
};

/** Every record of a file, one line each, in canonical order. Values of more than 64 bytes are given as a checksum. */
export function wireRecords(bytes: Uint8Array): string[] {
  const out: string[] = [];
  message(bytes, 0, bytes.byteLength, model, '', out);
  return out;
}

function message(b: Uint8Array, from: number, to: number, shape: Shape, path: string, out: string[]): void {
  const fields = new Map<number, (() => void)[]>();
  const count = new Map<number, number>();
  let at = from;
  const varint = (): bigint => {
    let v = 0n;
    for (let s = 0n; ; s += 7n) {
      if (at >= to) throw new Error(`${path}: truncated varint at ${at}`);
      const x = b[at++];
      v |= BigInt(x & 127) << s;
      if (x < 128) return BigInt.asUintN(64, v);
    }
  };
  const add = (id: number, emit: (path: string) => void): void => {
    const i = count.get(id) ?? 0;
    count.set(id, i + 1);
    const list = fields.get(id) ?? [];
    list.push(() => emit(`${path}/${id}[${i}]`));
    fields.set(id, list);
  };
  const scalar = (id: number, kind: Kind): void => {
    if (kind === 'varint') {
      const v = varint();
      add(id, (p) => out.push(`${p} varint ${v}`));
      return;
    }
    const n = kind === 'fixed32' ? 4 : 8;
    const v = Buffer.from(b.subarray(at, at + n)).toString('hex');
    at += n;
    add(id, (p) => out.push(`${p} ${kind} ${v}`));
  };
  while (at < to) {
    const tag = Number(varint());
    const id = tag >>> 3;
    const wire = tag & 7;
    const known = shape[id];
    if (wire === 0) scalar(id, 'varint');
    else if (wire === 1) scalar(id, 'fixed64');
    else if (wire === 5) scalar(id, 'fixed32');
    else if (wire === 2) {
      const length = Number(varint());
      const start = at;
      const end = at + length;
      if (end > to) throw new Error(`${path}/${id}: ${length} bytes, ${to - at} left`);
      if (isKind(known)) while (at < end) scalar(id, known);
      else if (known !== undefined) {
        const inner = typeof known === 'function' ? known() : known;
        add(id, (p) => {
          out.push(`${p} message`);
          message(b, start, end, inner, p, out);
        });
      } else add(id, (p) => out.push(`${p} bytes ${show(b.subarray(start, end))}`));
      at = end;
    } else throw new Error(`${path}: wire type ${wire}`);
  }
  for (const id of [...fields.keys()].sort((x, y) => x - y)) for (const emit of fields.get(id) ?? []) emit();
}

function show(value: Uint8Array): string {
  if (value.byteLength <= 64) return Buffer.from(value).toString('latin1');
  let h = 0x811c9dc5;
  for (const x of value) h = Math.imul(h ^ x, 0x01000193);
  return `${value.byteLength} bytes, checksum ${(h >>> 0).toString(16)}`;
}

/** The first differences, at most ten lines; empty when the files hold the same fields. */
export function wireDifference(actual: Uint8Array, expected: Uint8Array): string[] {
  const a = wireRecords(actual);
  const e = wireRecords(expected);
  const inA = new Set(a);
  const inE = new Set(e);
  const lost = e.filter((r) => !inA.has(r)).map((r) => `lost  ${r}`);
  const added = a.filter((r) => !inE.has(r)).map((r) => `added ${r}`);
  const lines = [...lost.slice(0, 5), ...added.slice(0, 5)];
  if (lines.length === 0 && a.length !== e.length) lines.push(`${a.length} records, expected ${e.length}`);
  return lines;
}
