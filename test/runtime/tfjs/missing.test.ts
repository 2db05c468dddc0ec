import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../../', import.meta.url));
let folder: string;

/** A copy of the compiled sources in a place where every dependency is found but TensorFlow.js. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reparam-test-'));
  for (const room of ['base', 'onnx', 'runtime'])
    cpSync(join(root, 'dist/src', room), join(folder, 'src', room), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== '@tensorflow')
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function start(): string {
  const code = `import { createEngine } from '${pathToFileURL(join(folder, 'src/runtime/index.js'))}';
    await createEngine({ engine: 'tfjs' }).then(() => console.log('started'), (e) => console.log(e.name, e.exitCode, e.message));`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
}

/** A package of this name whose main file has this text. */
function fake(name: string, text: string): void {
  const to = join(folder, 'node_modules', name);
  mkdirSync(to, { recursive: true });
  writeFileSync(join(to, 'package.json'), JSON.stringify({ name, version: '4.0.0', main: 'index.js' }));
  writeFileSync(join(to, 'index.js'), text);
}

test('not installed: what there is to install, and what needs no download', () => {
  const said = start();
  expect(said).toMatch(
    /^EnvironmentError 4 TensorFlow\.js is not installed; expected one of @tensorflow\/tfjs-node-gpu/,
  );
  for (const what of ['npm install @tensorflow/tfjs-node-gpu', 'nothing to download', '--engine onnxruntime'])
    expect(said).toContain(what);
});

test('the preferred package cannot be loaded: it is named, and no slower one takes its place', () => {
  fake('@tensorflow/tfjs', 'module.exports = {};');
  fake('@tensorflow/tfjs-node-gpu', `throw new Error('libcudart.so.11 is missing');`);
  const said = start();
  expect(said).toMatch(/^EnvironmentError 4 @tensorflow\/tfjs-node-gpu is installed and cannot be loaded/);
  expect(said).toMatch(/found libcudart\.so\.11 is missing/);
  expect(said).toMatch(/npm rebuild @tensorflow\/tfjs-node-gpu|remove @tensorflow\/tfjs-node-gpu/);
});
