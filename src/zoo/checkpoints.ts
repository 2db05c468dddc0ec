import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { EnvironmentError } from '../base/errors.js';
import { packageRoot } from '../base/package.js';
import { plainName } from './names.js';

const indexSchema = z.object({
  checkpoints: z.array(
    z.object({
      /** Name in the zoo. */
      name: z.string(),
      /** File beside the index. */
      file: z.string(),
      /** The `--data` it was trained on. */
      dataset: z.string(),
      /** What made it. */
      command: z.string(),
    }),
  ),
});

/** A trained network that comes with the package: what `--model <name>` means. */
export interface BuiltinCheckpoint {
  readonly path: string;
  readonly dataset: string;
  readonly command: string;
}

/** The folder `assets` of this package, from the sources as from dist. @throws EnvironmentError when it is not there */
export function assetsFolder(from = import.meta.url): string {
  return join(packageRoot(from), 'assets');
}

/**
 * The committed checkpoint of a zoo network, undefined where there is none.
 * @param assets folder to look in; default: the package's own
 * @throws EnvironmentError when the index is damaged or names a file that is missing
 */
export function builtinCheckpoint(name: string, assets = assetsFolder()): BuiltinCheckpoint | undefined {
  const index = join(assets, 'checkpoints', 'index.json');
  if (!existsSync(index)) return undefined;
  const found = readIndex(index).checkpoints.find((c) => c.name === plainName(name));
  if (!found) return undefined;
  const path = join(assets, 'checkpoints', found.file);
  if (!existsSync(path))
    throw new EnvironmentError({ problem: `checkpoint ${path} is missing`, hint: 'install reparam again' });
  return { path, dataset: found.dataset, command: found.command };
}

function readIndex(path: string): z.infer<typeof indexSchema> {
  try {
    return indexSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (cause) {
    throw new EnvironmentError({
      problem: `${path} is damaged`,
      hint: 'install reparam again',
      cause,
    });
  }
}
