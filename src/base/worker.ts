import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from './errors.js';

/**
 * The file to start a worker thread from. Tests import the TypeScript sources, which Node 20 cannot run in a worker:
 * there the compiled twin under dist/ is taken.
 * @param from `import.meta.url` of the caller
 * @param file the worker beside it, with its .js name
 */
export function workerUrl(from: string, file: string): URL {
  const url = new URL(file, from);
  if (existsSync(fileURLToPath(url))) return url;
  const compiled = new URL(url.href.replace(/\/src\/(?!.*\/src\/)/, '/dist/src/'));
  if (existsSync(fileURLToPath(compiled))) return compiled;
  throw new EnvironmentError({
    problem: `worker ${fileURLToPath(url)} is missing`,
    hint: 'run npm run build',
  });
}
