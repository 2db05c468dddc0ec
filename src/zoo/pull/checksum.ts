import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { fileError } from '../../base/files.js';
import type { Checksum } from '../sources/index.js';

/** Hash of a file, as lower-case hex. @throws InputError, EnvironmentError when it cannot be read */
export async function hashFile(
  path: string,
  algorithm: Checksum['algorithm'],
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm);
  try {
    await pipeline(createReadStream(path, { highWaterMark: 1 << 20 }), hash, signal ? { signal } : {});
  } catch (cause) {
    throw signal?.aborted ? signal.reason : fileError(path, 'reading', cause);
  }
  return hash.digest('hex');
}

/** What a file hashes to where that is not what it should be; undefined: it is. */
export async function mismatch(
  path: string,
  checksum: Checksum,
  signal?: AbortSignal,
): Promise<string | undefined> {
  const found = await hashFile(path, checksum.algorithm, signal);
  return found.startsWith(checksum.hex) ? undefined : found;
}
