/**
 * A reader of Python's pickle format that builds plain values and runs nothing: the opcodes that `torch.save` writes for
 * dicts, lists and tensors. Names of Python objects come out as names; what may be called is the host's decision, and
 * calling means asking the host. https://github.com/python/cpython/blob/main/Lib/pickletools.py describes the opcodes.
 */

export type PickleValue<H> =
  | null
  | boolean
  | number
  | bigint
  | string
  | PickleList<H>
  | PickleMap<H>
  | PickleGlobal
  | Hosted<H>;

export interface PickleList<H> {
  readonly kind: 'list' | 'tuple';
  readonly items: PickleValue<H>[];
}

export interface PickleMap<H> {
  readonly kind: 'map';
  readonly entries: Map<PickleValue<H>, PickleValue<H>>;
}

/** A Python object by its name, `module.name`. */
export interface PickleGlobal {
  readonly kind: 'global';
  readonly name: string;
}

/** What a host made of a call. */
export interface Hosted<H> {
  readonly kind: 'hosted';
  readonly value: H;
}

/** Decides what names mean. Each may throw. */
export interface PickleHost<H> {
  /** Throws for a name that is not known to be harmless. */
  readonly global: (name: string) => void;
  readonly call: (name: string, args: readonly PickleValue<H>[]) => PickleValue<H>;
  /** Resolves an identifier of something kept beside the pickle. */
  readonly persistent: (id: PickleValue<H>) => PickleValue<H>;
}

export class PickleError extends Error {}

const MARK = Symbol('mark');

/**
 * Reads the pickle that begins at `start`.
 * @returns its value, and where the next byte after it is
 * @throws PickleError for damaged data and for opcodes that are not in use in state dicts
 */
export function unpickle<H>(
  bytes: Uint8Array,
  start: number,
  host: PickleHost<H>,
): { readonly value: PickleValue<H>; readonly end: number } {
  const reader = new Reader(bytes, start);
  const machine = new Machine(host);
  while (true) {
    const at = reader.at;
    const opcode = reader.byte();
    if (opcode === STOP) return { value: machine.result(), end: reader.at };
    const run = OPCODES[opcode];
    if (!run)
      throw new PickleError(
        `opcode 0x${opcode.toString(16).padStart(2, '0')} at byte ${at}, which is not read`,
      );
    run(machine, reader);
  }
}

/** The bytes, with the end in view. */
class Reader {
  at: number;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, start: number) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.at = start;
  }

  take(length: number): Uint8Array {
    if (!(length <= this.#bytes.byteLength - this.at))
      throw new PickleError(`${length} bytes at byte ${this.at}, past the end`);
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  byte(): number {
    return this.take(1)[0];
  }

  uint16(): number {
    this.take(2);
    return this.#view.getUint16(this.at - 2, true);
  }

  uint32(): number {
    this.take(4);
    return this.#view.getUint32(this.at - 4, true);
  }

  int32(): number {
    return this.uint32() | 0;
  }

  uint64(): number {
    this.take(8);
    return Number(this.#view.getBigUint64(this.at - 8, true));
  }

  /** Big-endian, alone of all. */
  float64(): number {
    this.take(8);
    return this.#view.getFloat64(this.at - 8, false);
  }

  /** A little-endian two's complement integer: a number where that is exact. */
  long(length: number): number | bigint {
    let value = 0n;
    const bytes = this.take(length);
    for (const [i, b] of bytes.entries()) value |= BigInt(b) << BigInt(8 * i);
    const signed = length > 0 && bytes[length - 1] >= 0x80 ? value - (1n << BigInt(8 * length)) : value;
    const number = Number(signed);
    return Number.isSafeInteger(number) ? number : signed;
  }

  line(): string {
    const end = this.#bytes.indexOf(0x0a, this.at);
    if (end < 0) throw new PickleError(`a line at byte ${this.at} without an end`);
    const text = utf8(this.take(end - this.at));
    this.at++;
    return text;
  }
}

class Machine<H> {
  readonly host: PickleHost<H>;
  readonly #stack: (PickleValue<H> | typeof MARK)[] = [];
  readonly #memo = new Map<number, PickleValue<H>>();

  constructor(host: PickleHost<H>) {
    this.host = host;
  }

  push(value: PickleValue<H>): void {
    this.#stack.push(value);
  }

  mark(): void {
    this.#stack.push(MARK);
  }

  pop(): PickleValue<H> {
    const value = this.#stack.pop();
    if (value === undefined || value === MARK) throw new PickleError('an opcode without its operand');
    return value;
  }

  top(): PickleValue<H> {
    const value = this.#stack.at(-1);
    if (value === undefined || value === MARK) throw new PickleError('an opcode without its operand');
    return value;
  }

  popToMark(): PickleValue<H>[] {
    const items: PickleValue<H>[] = [];
    for (let value = this.#stack.pop(); value !== MARK; value = this.#stack.pop()) {
      if (value === undefined) throw new PickleError('an opcode without its mark');
      items.push(value);
    }
    return items.reverse();
  }

  result(): PickleValue<H> {
    const value = this.pop();
    if (this.#stack.length > 0) throw new PickleError('values left over at the end');
    return value;
  }

  put(index: number): void {
    this.#memo.set(index, this.top());
  }

  /** Under the next free index. */
  memoize(): void {
    this.put(this.#memo.size);
  }

  get(index: number): void {
    const value = this.#memo.get(index);
    if (value === undefined) throw new PickleError(`entry ${index} of the memo, which was never set`);
    this.push(value);
  }

  tuple(items: PickleValue<H>[]): void {
    this.push({ kind: 'tuple', items });
  }

  append(items: readonly PickleValue<H>[]): void {
    const list = this.top();
    if (!isKind(list, 'list')) throw new PickleError('items appended to what is no list');
    for (const item of items) list.items.push(item);
  }

  setItems(items: readonly PickleValue<H>[]): void {
    const map = this.top();
    if (!isKind(map, 'map') || items.length % 2 !== 0) throw new PickleError('items set in what is no dict');
    for (let i = 0; i < items.length; i += 2) map.entries.set(items[i], items[i + 1]);
  }

  global(name: string): void {
    this.host.global(name);
    this.push({ kind: 'global', name });
  }

  call(): void {
    const args = this.pop();
    const callee = this.pop();
    if (!isKind(callee, 'global') || !isKind(args, 'tuple'))
      throw new PickleError('a call of what is no function');
    this.push(this.host.call(callee.name, args.items));
  }

  /** Attributes of a dict (`OrderedDict._metadata`) say nothing about tensors; other objects have none. */
  build(): void {
    this.pop();
    if (!isKind(this.top(), 'map')) throw new PickleError('attributes of what is no dict');
  }

  /** The module and name of a global, both on the stack. */
  stackGlobal(): void {
    const name = this.pop();
    const module = this.pop();
    if (typeof name !== 'string' || typeof module !== 'string')
      throw new PickleError('a name that is no text');
    this.global(`${module}.${name}`);
  }
}

export function isKind<H, K extends 'list' | 'tuple' | 'map' | 'global' | 'hosted'>(
  value: PickleValue<H> | undefined,
  kind: K,
): value is Extract<PickleValue<H>, { readonly kind: unknown }> & { readonly kind: K } {
  return typeof value === 'object' && value !== null && value.kind === kind;
}

const STOP = 0x2e;

type Opcode = <H>(machine: Machine<H>, reader: Reader) => void;

/** By opcode; comments are pickletools' names. */
const OPCODES: Readonly<Record<number, Opcode>> = {
  40: (m) => m.mark(), // MARK
  41: (m) => m.tuple([]), // EMPTY_TUPLE
  71: (m, r) => m.push(r.float64()), // BINFLOAT
  74: (m, r) => m.push(r.int32()), // BININT
  75: (m, r) => m.push(r.byte()), // BININT1
  77: (m, r) => m.push(r.uint16()), // BININT2
  78: (m) => m.push(null), // NONE
  81: (m) => m.push(m.host.persistent(m.pop())), // BINPERSID
  82: (m) => m.call(), // REDUCE
  84: (m, r) => m.push(latin1(r.take(r.uint32()))), // BINSTRING, a str of Python 2
  85: (m, r) => m.push(latin1(r.take(r.byte()))), // SHORT_BINSTRING
  88: (m, r) => m.push(utf8(r.take(r.uint32()))), // BINUNICODE
  93: (m) => m.push({ kind: 'list', items: [] }), // EMPTY_LIST
  97: (m) => m.append([m.pop()]), // APPEND
  98: (m) => m.build(), // BUILD
  99: (m, r) => m.global(`${r.line()}.${r.line()}`), // GLOBAL
  101: (m) => m.append(m.popToMark()), // APPENDS
  104: (m, r) => m.get(r.byte()), // BINGET
  106: (m, r) => m.get(r.uint32()), // LONG_BINGET
  113: (m, r) => m.put(r.byte()), // BINPUT
  114: (m, r) => m.put(r.uint32()), // LONG_BINPUT
  115: (m) => m.setItems([m.pop(), m.pop()].reverse()), // SETITEM
  116: (m) => m.tuple(m.popToMark()), // TUPLE
  117: (m) => m.setItems(m.popToMark()), // SETITEMS
  125: (m) => m.push({ kind: 'map', entries: new Map() }), // EMPTY_DICT
  128: (_m, r) => checkProtocol(r.byte()), // PROTO
  133: (m) => m.tuple([m.pop()]), // TUPLE1
  134: (m) => m.tuple([m.pop(), m.pop()].reverse()), // TUPLE2
  135: (m) => m.tuple([m.pop(), m.pop(), m.pop()].reverse()), // TUPLE3
  136: (m) => m.push(true), // NEWTRUE
  137: (m) => m.push(false), // NEWFALSE
  138: (m, r) => m.push(r.long(r.byte())), // LONG1
  140: (m, r) => m.push(utf8(r.take(r.byte()))), // SHORT_BINUNICODE
  147: (m) => m.stackGlobal(), // STACK_GLOBAL
  148: (m) => m.memoize(), // MEMOIZE
  149: (_m, r) => void r.uint64(), // FRAME: a hint for buffering
};

function checkProtocol(protocol: number): void {
  if (protocol < 2 || protocol > 5) throw new PickleError(`pickle protocol ${protocol}; 2 to 5 are read`);
}

function utf8(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new PickleError('a text that is not UTF-8');
  }
}

function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
}
