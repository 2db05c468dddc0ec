/**
 * Zip archives, read member by member into memory; nothing is ever written. Names that leave their folder, members that
 * grow beyond what their compressed bytes can hold, and archives whose members overlap are refused.
 */
import { crc32 } from 'node:zlib';
import yauzl from 'yauzl';
import { InputError } from '../base/errors.js';

/** No weights compress better; what does is made to fill the memory. */
const MAX_RATIO = 100;
/** Below this the ratio does not matter. */
const SMALL = 1 << 16;

/** An open archive. Close it. */
export class ZipArchive {
  readonly path: string;
  readonly #file: yauzl.ZipFile;
  readonly #members: ReadonlyMap<string, yauzl.Entry>;

  private constructor(path: string, file: yauzl.ZipFile, members: ReadonlyMap<string, yauzl.Entry>) {
    this.path = path;
    this.#file = file;
    this.#members = members;
  }

  /** Reads the directory of the archive. @throws InputError */
  static async open(path: string): Promise<ZipArchive> {
    const members = new Map<string, yauzl.Entry>();
    let file: yauzl.ZipFile | undefined;
    try {
      file = await yauzl.openPromise(path, { autoClose: false, lazyEntries: true, strictFileNames: true });
      let packed = 0;
      for await (const entry of file.eachEntry()) {
        const name = entry.fileName;
        if (members.has(name)) throw new Error(`two members named ${name}`);
        packed += entry.compressedSize;
        if (packed > file.fileSize)
          throw new Error(`${name} of ${entry.compressedSize} bytes, which overlaps others`);
        members.set(name, entry);
      }
      return new ZipArchive(path, file, members);
    } catch (cause) {
      file?.close();
      throw damaged(path, cause);
    }
  }

  get names(): string[] {
    return [...this.#members.keys()];
  }

  /**
   * The bytes of a member, undefined where there is none.
   * @param options.most refuses a longer one; `checked` compares the CRC-32, which PyTorch does not always write
   * @throws InputError
   */
  async read(
    name: string,
    options: { readonly most?: number; readonly checked: boolean },
  ): Promise<Uint8Array | undefined> {
    const entry = this.#members.get(name);
    if (!entry) return undefined;
    const { compressedSize, uncompressedSize: size } = entry;
    const most = Math.min(
      options.most ?? Number.POSITIVE_INFINITY,
      Math.max(SMALL, MAX_RATIO * compressedSize),
    );
    try {
      if (size > most) throw new Error(`${name} of ${size} bytes, packed in ${compressedSize}`);
      const bytes = new Uint8Array(size);
      let at = 0;
      for await (const chunk of await this.#file.openReadStreamPromise(entry)) {
        if (!(chunk instanceof Uint8Array)) throw new Error(`${name} is no binary stream`);
        bytes.set(chunk, at);
        at += chunk.byteLength;
      }
      if (at !== size) throw new Error(`${name} of ${at} bytes, declared as ${size}`);
      if (options.checked && crc32(bytes) !== entry.crc32)
        throw new Error(`${name}, whose checksum is wrong`);
      return bytes;
    } catch (cause) {
      throw damaged(this.path, cause);
    }
  }

  close(): void {
    this.#file.close();
  }
}

function damaged(path: string, cause: unknown): InputError {
  return new InputError({
    problem: `${path} is no readable zip archive`,
    found: cause instanceof Error ? cause.message : String(cause),
    hint: 'copy or download it again',
    cause,
  });
}
