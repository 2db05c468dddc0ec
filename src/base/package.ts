import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from './errors.js';

/** The folder of this package, from its sources as from dist. @throws EnvironmentError when it is damaged */
export function packageRoot(from = import.meta.url): string {
  for (let folder = dirname(fileURLToPath(from)); ; folder = dirname(folder)) {
    if (manifest(folder)) return folder;
    if (dirname(folder) === folder)
      throw new EnvironmentError({
        problem: `the package of ${fileURLToPath(from)} has no package.json`,
        hint: 'install reparam again',
      });
  }
}

export function packageVersion(): string {
  return manifest(packageRoot())?.version ?? '?';
}

/** This package's manifest in a folder; others on the way up are not ours. */
function manifest(folder: string): { readonly version: string } | undefined {
  const file = join(folder, 'package.json');
  if (!existsSync(file)) return undefined;
  try {
    const json: unknown = JSON.parse(readFileSync(file, 'utf8'));
    if (typeof json !== 'object' || json === null || !('name' in json) || json.name !== 'reparam')
      return undefined;
    return { version: 'version' in json && typeof json.version === 'string' ? json.version : '?' };
  } catch {
    return undefined;
  }
}
