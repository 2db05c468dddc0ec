import { randomBytes } from 'node:crypto';
import { open, rename, unlink } from 'node:fs/promises';
import { EnvironmentError, InputError, ReparamError } from './errors.js';

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

export interface ReadOptions {
  /** What should have been given, for the error where it is a folder. */
  readonly expected: string;
  /** Sees the size before memory is taken; throws where it is too large. */
  readonly check?: (size: number) => void;
  /** Only so many bytes from the beginning, or as many as there are. */
  readonly first?: number;
}

/**
 * The bytes of a file.
 * @throws InputError when there is none, or it is a folder, a pipe or a device; EnvironmentError when it cannot be read
 */
export async function readRegularFile(path: string, options: ReadOptions): Promise<Uint8Array> {
  try {
    const file = await open(path, 'r');
    try {
      const info = await file.stat();
      if (info.isDirectory())
        throw new InputError({
          problem: `reading ${path}: it is a folder, not a file`,
          expected: options.expected,
        });
      if (!info.isFile()) throw new InputError({ problem: `reading ${path}: it is not a regular file` });
      options.check?.(info.size);
      const bytes = new Uint8Array(Math.min(info.size, options.first ?? info.size));
      let at = 0;
      while (at < bytes.byteLength) {
        const { bytesRead } = await file.read(bytes, at, Math.min(bytes.byteLength - at, 1 << 30), at);
        if (bytesRead === 0) break;
        at += bytesRead;
      }
      return bytes.subarray(0, at);
    } finally {
      await file.close();
    }
  } catch (cause) {
    if (cause instanceof ReparamError) throw cause;
    throw fileError(path, 'reading', cause);
  }
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
