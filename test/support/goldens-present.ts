import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Where reference values from other implementations are: beside the repository, or where REPARAM_GOLDENS says. */
export const sharedRoot =
  process.env.REPARAM_GOLDENS ?? fileURLToPath(new URL('../../../shared', import.meta.url));

export const haveGoldens = existsSync(resolve(sharedRoot, 'goldens'));
