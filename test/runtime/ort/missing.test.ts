import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError } from '../../../src/base/errors.js';
import { explainLoadError } from '../../../src/runtime/ort/load.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
let folder: string;

/** A copy of the compiled sources in a place where every dependency is found but the runtime. */
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'reparam-test-'));
  for (const room of ['base', 'onnx', 'runtime'])
    cpSync(join(root, 'dist/src', room), join(folder, 'src', room), { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}');
  mkdirSync(join(folder, 'node_modules'));
  for (const name of readdirSync(join(root, 'node_modules')))
    if (name !== 'onnxruntime-node')
      symlinkSync(join(root, 'node_modules', name), join(folder, 'node_modules', name));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** What a script prints in that place; `createEngine` and `diagnose` are there for it. */
function script(body: string): string {
  const code = `import { createEngine, diagnose } from '${pathToFileURL(join(folder, 'src/runtime/index.js'))}'; ${body}`;
  return execFileSync(process.execPath, ['--input-type=module', '-e', code], { encoding: 'utf8' });
}

const start = (): string =>
  script(
    `await createEngine().then(() => console.log('started'), (e) => console.log(e.name, e.exitCode, e.message));`,
  );

describe('without the runtime', () => {
  test('the package is not installed', () => {
    const said = start();
    expect(said).toMatch(/^EnvironmentError 4 the package onnxruntime-node is not installed/);
    expect(said).toContain('npm install onnxruntime-node --onnxruntime-node-install=skip');
    expect(said).toContain('ONNXRUNTIME_NODE_INSTALL=skip');
  });

  test('the doctor reports it instead of failing', () => {
    const { ok, runtime, devices, problems } = JSON.parse(
      script('console.log(JSON.stringify(await diagnose()))'),
    );
    expect(ok).toBe(false);
    expect(runtime).toMatchObject({ version: null, providers: [], checkMilliseconds: null });
    expect(devices[0]).toMatchObject({ device: 'cpu', usable: false });
    expect(problems).toHaveLength(1);
    expect(problems[0].problem).toMatch(/not installed/);
    expect(problems[0].hint).toMatch(/npm install onnxruntime-node/);
  });

  test('its native library is missing, or no library', () => {
    const from = join(root, 'node_modules/onnxruntime-node');
    const to = join(folder, 'node_modules/onnxruntime-node');
    for (const part of ['package.json', 'dist'])
      cpSync(join(from, part), join(to, part), { recursive: true, dereference: true });
    expect(start()).toMatch(/has no native library for .*expected one of linux\/x64.*is incomplete/s);

    const binding = join(to, `bin/napi-v6/${process.platform}/${process.arch}/onnxruntime_binding.node`);
    mkdirSync(dirname(binding), { recursive: true });
    writeFileSync(binding, 'not a library');
    expect(start()).toMatch(/cannot be loaded; found .*onnxruntime_binding\.node.*remove node_modules/s);
  });
});

test('a platform without a build is told what there is', () => {
  const cause = Object.assign(new Error(`Cannot find module '../bin/napi-v6/x/onnxruntime_binding.node'`), {
    code: 'MODULE_NOT_FOUND',
  });
  const intel = explainLoadError(cause, 'darwin', 'x64');
  expect(intel).toBeInstanceOf(EnvironmentError);
  expect(intel.message).toMatch(/no native library for darwin\/x64.*no build for Intel Macs/s);
  expect(explainLoadError(cause, 'freebsd', 'x64').message).toMatch(/use one of these platforms/);
});
