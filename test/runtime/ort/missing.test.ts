import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError } from '../../../src/base/errors.js';
import { explainLoadError } from '../../../src/runtime/ort/load.js';
import { copyWithout, runIn } from '../../support/without-package.js';

let folder: string;
beforeAll(async () => {
  folder = await copyWithout('onnxruntime-node');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

const script = (body: string): string => runIn(folder, body);

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
    const from = fileURLToPath(new URL('../../../node_modules/onnxruntime-node', import.meta.url));
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
