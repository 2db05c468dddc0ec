/** Files that are often given in place of the one that was meant. */

export interface ForeignFile {
  /** Completes "PATH is …". */
  readonly what: string;
  readonly hint: string;
}

/** First bytes of a kind of file, and what to say about it. */
export interface Magic extends ForeignFile {
  /** Default: 0. */
  readonly at?: number;
  readonly magic: readonly number[];
}

/** The bytes of a text of ASCII characters. */
export function ascii(text: string): number[] {
  return [...text].map((c) => c.charCodeAt(0));
}

const KNOWN: readonly Magic[] = [
  {
    magic: ascii('version https://git-lfs'),
    what: 'a Git LFS pointer, not the file itself',
    hint: 'fetch the file with git lfs pull',
  },
  { magic: [0x1f, 0x8b], what: 'gzip-compressed', hint: 'unpack it with gunzip' },
  { magic: [0x89, ...ascii('PNG')], what: 'a PNG image', hint: 'give the model, not a picture of it' },
  { magic: [0xff, 0xd8, 0xff], what: 'a JPEG image', hint: 'give the model, not a picture of it' },
];

/** What the bytes certainly are: one of `kinds`, or of those that are never meant. */
export function foreignFile(bytes: Uint8Array, kinds: readonly Magic[]): ForeignFile | undefined {
  for (const kind of [...KNOWN, ...kinds]) {
    const { at = 0, magic } = kind;
    if (magic.every((b, i) => bytes[at + i] === b)) return kind;
  }
  const text = new TextDecoder().decode(bytes.subarray(0, 256)).trimStart().toLowerCase();
  if (text.startsWith('<!doctype') || text.startsWith('<html') || text.startsWith('<?xml'))
    return {
      what: 'a web page (HTML or XML)',
      hint: 'the download went wrong: open its address in a browser, or fetch the raw file',
    };
  return undefined;
}
