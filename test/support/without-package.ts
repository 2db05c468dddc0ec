import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('../../', import.meta.url));

/** A copy of the compiled sources in a new folder, where every dependency is found but one (a package, or a scope). */
export async function copyWithout(dependency: string): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'reparam-test-'));
  for (const room of ['base', 'onnx', 'runtime'])
    cpSync(join(root, 'dist/src', room), join(folder, 'src', room), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== dependency)
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
  return folder;
}

/** What a script prints in such a folder; `createEngine` and `diagnose` are there for it. */
export function runIn(folder: string, body: string): string {
  const code = `import { createEngine, diagnose } from '${pathToFileURL(join(folder, 'src/runtime/index.js'))}'; ${body}`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
}
