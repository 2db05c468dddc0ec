import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodeSafetensors } from '../../src/importers/index.js';
import { sizeOf, Tensor } from '../../src/onnx/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { FileServer } from '../zoo/file-server.js';
import { BINARY, expectUserError, reparam, reparamJson, scratch } from './cli.js';

const folder = scratch();
const server = new FileServer();
const PLACE = '/timm/resnet18.a1_in1k/resolve/main/model.safetensors';
const TIMM = ['--source', 'timm', '--tag', 'resnet18.a1_in1k'];

beforeAll(async () => {
  await server.listen();
  const weights = new Map<string, Tensor>();
  for (const { name, shape } of buildModel('resnet18').graph.initializers)
    if (shape && !name.startsWith('const/'))
      weights.set(name, Tensor.float32(shape, new Float32Array(sizeOf(shape)).fill(0.5)));
  server.files.set(PLACE, Buffer.concat(encodeSafetensors(weights, {})));
});

afterAll(() => server.close());

function pull(name: string, cache: string, ...more: string[]): string[] {
  return ['zoo', 'pull', name, '--mirror', server.origin, '--cache', join(folder, cache), ...more];
}

// Windows has no signals to send to another process.
test.skipIf(process.platform === 'win32')(
  'Ctrl-C leaves what has come; the same command asks for the rest and writes the model',
  async () => {
    const args = pull('resnet18', 'cache', ...TIMM, '-o', join(folder, 'a.onnx'));
    server.pause = 20;
    const child = spawn(process.execPath, [BINARY, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
    let stderr = '';
    child.stderr.on('data', (b: Buffer) => {
      stderr += b.toString();
    });
    while (server.sent < 2_000_000) await new Promise((resolve) => setTimeout(resolve, 20));
    child.kill('SIGINT');
    const [code, signal] = await new Promise<[number | null, NodeJS.Signals | null]>((resolve) =>
      child.on('close', (c, s) => resolve([c, s])),
    );
    // A shell reports 130 either way.
    expect(signal === 'SIGINT' || code === 130).toBe(true);
    expect(stderr).toMatch(
      /interrupted; [\d.]+ MB of 46\.\d\d MB of resnet18\.a1_in1k\.safetensors are in the cache\n {2}the same command goes on from there/,
    );
    const cache = join(folder, 'cache', 'weights', 'timm');
    const [part] = readdirSync(cache).filter((n) => n.endsWith('.part'));
    const kept = statSync(join(cache, part)).size;
    expect(kept).toBeGreaterThan(0);
    expect(existsSync(join(cache, 'resnet18.a1_in1k.safetensors'))).toBe(false);

    server.pause = 0;
    const { code: done, json } = await reparamJson(args);
    expect(done).toBe(0);
    const file = server.files.get(PLACE) ?? new Uint8Array();
    expect(json).toMatchObject({
      network: 'resnet18',
      bytes: file.byteLength,
      sha256: createHash('sha256').update(file).digest('hex'),
    });
    expect(server.asked.at(-1)).toMatchObject({ range: `bytes=${kept}-`, sent: file.byteLength - kept });
    expect(readdirSync(cache)).toEqual(['resnet18.a1_in1k.safetensors']);
    expect(Buffer.compare(readFileSync(join(cache, 'resnet18.a1_in1k.safetensors')), file)).toBe(0);
  },
);

test('what is said at the end; a pulled model is inspected like any other', async () => {
  const out = join(folder, 'b.onnx');
  const { code, stdout, stderr } = await reparam(pull('resnet18', 'cache', ...TIMM, '-o', out));
  expect(stderr).toBe('');
  expect(code).toBe(0);
  expect(stdout).toMatch(
    /b\.onnx: resnet18 with the weights resnet18\.a1_in1k of timm\n {2}read from .*46\.\d\d MB/,
  );
  expect(stdout).toMatch(
    /top-1 71\.504 % \(timm [\d.]+, results-imagenet\.csv, 224 px\)\n {2}licence apache-2\.0/,
  );
  const seen = await reparamJson(['inspect', out]);
  expect(seen.code).toBe(0);
});

describe('errors', () => {
  test('no network: exit code 4 and the way by hand', async () => {
    await expectUserError(
      ['zoo', 'pull', 'resnet50', '--mirror', 'http://127.0.0.1:9', '--cache', join(folder, 'none')],
      4,
      /connection was refused \(ECONNREFUSED\)\n {2}without a network: download https:\/\/download\.pytorch\.org\/models\/resnet50-11ad3fa6\.pth/,
      { cwd: folder },
    );
    expect(existsSync(join(folder, 'resnet50.onnx'))).toBe(false);
  });

  test('a wrong checksum: exit code 4, nothing left', async () => {
    server.files.set('/models/resnet18-f37072fd.pth', new Uint8Array(1000));
    const { code, stdout, stderr } = await reparam(pull('resnet18', 'wrong'), { cwd: folder });
    expect(stderr).toMatch(
      /\nreparam: .*resnet18-f37072fd\.pth is not the file that the publisher names; it was removed/,
    );
    expect(stdout).toBe('');
    expect(code).toBe(4);
    expect(readdirSync(join(folder, 'wrong', 'weights', 'torchvision'))).toEqual([]);
  });

  test('a default output is not replaced unasked: exit code 2', async () => {
    writeFileSync(join(folder, 'resnet34.onnx'), 'mine');
    await expectUserError(
      pull('resnet34', 'x'),
      2,
      /resnet34\.onnx is there already\n {2}name another file with -o FILE, or replace it with --force/,
      { cwd: folder },
    );
    await expectUserError(pull('resnet34', 'x', '--force'), 4, /HTTP 404/, { cwd: folder });
    expect(readFileSync(join(folder, 'resnet34.onnx'), 'utf8')).toBe('mine');
  });

  test('a wrong name: exit code 2', async () => {
    await expectUserError(pull('resnet50', 'x', '--tag', 'IMAGENET1K_V9'), 2, /no weights 'IMAGENET1K_V9'/);
    await expectUserError(
      ['refocus', '--model', 'resnet50', '--data', 'shapes'],
      2,
      /reparam zoo pull resnet50 -o FILE/,
    );
  });

  test('a name of the zoo where a file is wanted mentions it', async () => {
    await expectUserError(['fuse', 'resnet50', '-o', join(folder, 'x.onnx')], 3, /zoo pull resnet50/);
  });
});
