import { randomBytes } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import { EnvironmentError, InputError } from './errors.js';

function errno(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** Turns a file system error into one that says what to do. */
export function fileError(path: string, doing: string, cause: unknown): EnvironmentError | InputError {
  const code = errno(cause);
  if (code === 'ENOENT')
    return new InputError({ problem: `${doing} ${path}: no such file or folder`, cause });
  if (code === 'EISDIR')
    return new InputError({ problem: `${doing} ${path}: it is a folder, not a file`, cause });
  if (code === 'ENOTDIR')
    return new InputError({ problem: `${doing} ${path}: a part of the path is not a folder`, cause });
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new EnvironmentError({
      problem: `${doing} ${path}: the disk is full`,
      hint: 'free some space, or choose another place with --out; nothing was overwritten',
      cause,
    });
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new EnvironmentError({ problem: `${doing} ${path}: permission denied (${code})`, cause });
  return new EnvironmentError({
    problem: `${doing} ${path}: ${cause instanceof Error ? cause.message : String(cause)}`,
    cause,
  });
}

/**
 * Writes a file whole or not at all: the chunks go to a temporary name in the same folder, are synced, then renamed.
 * A crash leaves the old file or the new one, never half of one.
 * @throws EnvironmentError when the disk is full or not writable; the temporary file is removed.
 */
export async function writeFileAtomic(
  path: string,
  chunks: Iterable<Uint8Array> | Uint8Array | string,
): Promise<void> {
  const temporary = `${path}.${process.pid}-${randomBytes(4).toString('hex')}.tmp`;
  const parts =
    typeof chunks === 'string' ? [Buffer.from(chunks)] : chunks instanceof Uint8Array ? [chunks] : chunks;
  try {
    const file = await open(temporary, 'wx');
    try {
      for (const part of parts) {
        // A single write of more than 2 GiB fails on Linux.
        for (let at = 0; at < part.byteLength; at += 1 << 30)
          await file.writeFile(part.subarray(at, at + (1 << 30)));
      }
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (cause) {
    await unlink(temporary).catch(() => undefined);
    throw fileError(path, 'writing', cause);
  }
}
