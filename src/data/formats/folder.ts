import type { Dirent } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { fileError } from '../../base/files.js';

/** Ascending by code units, as Python sorts names (and not as the locale does). */
export function byName(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Names of the folders and files in `dir`, links followed, each list sorted. @throws InputError when it is no folder */
export async function listFolder(dir: string): Promise<{ folders: string[]; files: string[] }> {
  let entries: Dirent[];
  try {
    entries = await readdir(dir, { withFileTypes: true });
  } catch (cause) {
    throw fileError(dir, 'reading data folder', cause);
  }
  const folders: string[] = [];
  const files: string[] = [];
  for (const entry of entries) {
    let folder = entry.isDirectory();
    let file = entry.isFile();
    if (entry.isSymbolicLink()) {
      // A dangling link is neither.
      const target = await stat(join(dir, entry.name)).catch(() => undefined);
      folder = target?.isDirectory() ?? false;
      file = target?.isFile() ?? false;
    }
    if (folder) folders.push(entry.name);
    else if (file) files.push(entry.name);
  }
  return { folders: folders.sort(byName), files: files.sort(byName) };
}

/** @throws InputError */
export function requireFiles(
  dir: string,
  files: readonly string[],
  expected: string,
  found: readonly string[],
): void {
  if (files.length > 0) return;
  throw new InputError({
    problem: `${dir} holds no data`,
    expected,
    found:
      found.length === 0 ? 'an empty folder' : found.slice(0, 5).join(', ') + (found.length > 5 ? ', …' : ''),
  });
}
