import { readFile } from 'node:fs/promises';
import { gunzipSync } from 'node:zlib';
import { InputError } from '../base/errors.js';
import { fileError } from '../base/files.js';

/** Deflate cannot expand by more than 1032 to 1, so a larger declared size is a lie. */
const MAX_RATIO = 1032;

/**
 * The bytes of a file, unpacked if it is gzipped (by its first two bytes, not by its name).
 * @param maximum refuses contents of more bytes than this before unpacking them
 * @throws InputError for a missing, truncated or corrupt file
 */
export async function readMaybeGzip(path: string, maximum: number): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw fileError(path, 'reading', cause);
  }
  if (bytes.length < 2 || bytes[0] !== 0x1f || bytes[1] !== 0x8b) return plain(checked(bytes, path, maximum));
  if (bytes.length < 18)
    throw new InputError({ problem: `${path}: truncated gzip file`, found: `${bytes.length} bytes` });
  const declared = new DataView(bytes.buffer, bytes.byteOffset).getUint32(bytes.length - 4, true);
  if (declared > bytes.length * MAX_RATIO)
    throw new InputError({
      problem: `${path}: truncated or corrupt gzip file`,
      found: `a declared length of ${declared} bytes from ${bytes.length} compressed ones`,
    });
  if (declared > maximum) throw tooLong(path, maximum, declared);
  try {
    return plain(gunzipSync(bytes, { maxOutputLength: Math.max(1, declared) }));
  } catch (cause) {
    throw new InputError({
      problem: `${path}: truncated or corrupt gzip file`,
      found: cause instanceof Error ? cause.message : String(cause),
      hint: 'copy or download it again',
      cause,
    });
  }
}

/** A Buffer's `slice` does not copy; what we hand out behaves as a Uint8Array. */
function plain(bytes: Uint8Array): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function checked(bytes: Uint8Array, path: string, maximum: number): Uint8Array {
  if (bytes.length > maximum) throw tooLong(path, maximum, bytes.length);
  return bytes;
}

function tooLong(path: string, maximum: number, found: number): InputError {
  return new InputError({
    problem: `${path}: the file is too long`,
    expected: `at most ${maximum} bytes`,
    found: `${found}`,
  });
}
