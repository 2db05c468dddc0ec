import { existsSync, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Where the loader of Linux looks beside its cache. */
const FOLDERS = ['/lib64', '/usr/lib64', '/lib', '/usr/lib'];

/**
 * The file that `dlopen(name)` would find on Linux, or its name where only the loader's cache knows it; undefined: there
 * is none. Elsewhere nothing can be said, and the name is given back.
 * @param environment of the process that would open it; another one only for tests
 */
export function findLibrary(
  name: string,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): string | undefined {
  if (process.platform !== 'linux') return name;
  const folders = (environment.LD_LIBRARY_PATH ?? '').split(delimiter).filter(Boolean);
  const found = [...folders, ...FOLDERS].map((folder) => join(folder, name)).find((file) => existsSync(file));
  return found ?? (cachedPaths().includes(`/${name}\0`) ? name : undefined);
}

/** The loader's cache: a table, then names and paths, each ended by a zero byte; a name may be the end of its path. */
function cachedPaths(): string {
  try {
    return readFileSync('/etc/ld.so.cache', 'latin1');
  } catch {
    return '';
  }
}
