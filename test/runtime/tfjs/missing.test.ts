import { mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { copyWithout, runIn } from '../../support/without-package.js';

let folder: string;
beforeAll(async () => {
  folder = await copyWithout('@tensorflow');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const start = (): string =>
  runIn(
    folder,
    `await createEngine({ engine: 'tfjs' }).then(() => console.log('started'), (e) => console.log(e.name, e.exitCode, e.message));`,
  );

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
