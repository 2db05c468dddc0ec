import protobuf from 'protobufjs/light.js';

/** Byte fields from this size on are not copied into the writer's buffer. */
const LARGE = 1 << 16;

/**
 * A protobuf writer that keeps large byte fields apart: the message comes out as a list of chunks, some of which are the
 * very arrays that were handed in. So weights go from the file they were read from to the file that is written without
 * a copy in memory.
 */
export class ChunkWriter extends protobuf.BufferWriter {
  readonly #cuts: { at: number; readonly bytes: Uint8Array }[] = [];
  /** Bytes in the cuts. */
  #apart = 0;
  /** Number of cuts and their bytes when each open message began. */
  readonly #open: { readonly cuts: number; readonly apart: number }[] = [];

  /** Bytes of the whole message. */
  get total(): number {
    return this.pos + this.#apart;
  }

  override bytes(value: Uint8Array): this {
    this.uint32(value.byteLength);
    return this.raw(value);
  }

  override raw(value: Uint8Array): this {
    if (value.byteLength < LARGE) {
      super.raw(value);
      return this;
    }
    this.#cuts.push({ at: this.pos, bytes: value });
    this.#apart += value.byteLength;
    return this;
  }

  override fork(): this {
    this.#open.push({ cuts: this.#cuts.length, apart: this.#apart });
    super.fork();
    return this;
  }

  override ldelim(): this {
    const begin = this.#open.pop();
    if (!begin || begin.apart === this.#apart) {
      super.ldelim();
      return this;
    }
    // The base class reserved one byte for the length, which counts only what is in its own buffer.
    const start = this.states?.pop() ?? 0;
    const here = this.pos - start - 1;
    const length = varint(here + this.#apart - begin.apart);
    const shift = length.length - 1;
    super.raw(new Uint8Array(shift));
    this.buf.copyWithin(start + length.length, start + 1, start + 1 + here);
    this.buf.set(length, start);
    for (let i = begin.cuts; i < this.#cuts.length; i++) this.#cuts[i].at += shift;
    return this;
  }

  /** The message in order; `total` bytes together. */
  chunks(): Uint8Array[] {
    const out: Uint8Array[] = [];
    let from = 0;
    for (const { at, bytes } of this.#cuts) {
      if (at > from) out.push(this.buf.subarray(from, at));
      out.push(bytes);
      from = at;
    }
    if (this.pos > from) out.push(this.buf.subarray(from, this.pos));
    return out;
  }
}

function varint(value: number): number[] {
  const out: number[] = [];
  let v = value;
  for (; v > 127; v = Math.floor(v / 128)) out.push((v % 128) | 128);
  out.push(v);
  return out;
}
