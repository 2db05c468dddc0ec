import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { PREPROCESS_KEY, parsePreprocess } from '../../src/base/preprocess.js';
import {
  assetsFolder,
  buildModel,
  builtinCheckpoint,
  findEntry,
  ZOO,
  zooProvenance,
} from '../../src/zoo/index.js';

test('names are unique, and entries build what their defaults say, with preprocessing and where they are from', () => {
  expect(new Set(ZOO.map((e) => e.name)).size).toBe(ZOO.length);
  for (const entry of ZOO) {
    for (const key of Object.keys(entry.defaults)) expect(entry.accepts).toContain(key);
    const model = entry.build({ width: 0.1 });
    const { name, defaults } = entry;
    const { size, classes } = defaults;
    expect(model.graph.inputs[0].type).toMatchObject({ shape: ['N', name === 'lenet5' ? 1 : 3, size, size] });
    expect(model.graph.outputs[0].type).toMatchObject({ shape: ['N', classes] });
    const preprocess = parsePreprocess(model.metadata.get(PREPROCESS_KEY) ?? '', name);
    expect(preprocess, name).toMatchObject({ size, channels: expect.stringMatching(/^(RGB|BGR|GRAY)$/) });
    expect(zooProvenance(model), name).toMatchObject({ arch: name, ...defaults, width: 0.1, seed: 0 });
  }
});

test.each([
  ['mobilenetv2', 'mobilenetv2'],
  ['MobileNet_V2', 'mobilenetv2'],
  ['mobilenet-v2', 'mobilenetv2'],
  ['mobilenet_v3_large', 'mobilenetv3large'],
  ['MobileNetV3-Small', 'mobilenetv3small'],
  ['ResNet-50', 'resnet50'],
])('%s is %s', (name, found) => {
  expect(findEntry(name).name).toBe(found);
});

test('a known top-1 is a percentage, and says where it is from', () => {
  for (const { name, top1 } of ZOO)
    if (top1) expect(top1.percent > 50 && top1.percent < 100 && top1.source.length > 10, name).toBe(true);
});

describe('refusals name what is wrong', () => {
  test.each([
    [
      () => findEntry('resnet21'),
      /no network 'resnet21' in the zoo\n {2}did you mean resnet20\? reparam zoo list/,
    ],
    [() => findEntry('xyz'), /no network 'xyz' in the zoo\n {2}reparam zoo list shows the networks/],
    [() => buildModel('resnet20', { stem: 'cifar' }), /resnet20 has no option 'stem'; expected width/],
    [() => buildModel('mobilenetv2', { shortcut: 'A' }), /mobilenetv2 has no option 'shortcut'/],
    [() => buildModel('resnet34', { variant: 'v1' }), /resnet34 has no option 'variant'/],
    [() => buildModel('mobilenetv3small', { zeroGamma: true }), /has no option 'zeroGamma'/],
    [() => buildModel('mobilenetv2', { width: 0 }), /width; expected above 0 and at most 16; found 0/],
    [() => buildModel('mobilenetv2', { width: Number.NaN }), /width/],
    [() => buildModel('mobilenetv2', { width: 1e9 }), /width/],
    [() => buildModel('resnet20', { size: 0 }), /size; expected an integer from 1 to 4096; found 0/],
    [
      () => buildModel('alexnet', { size: 32 }),
      /alexnet: images of 32 pixels are too small; found MaxPool 'features\.7'.*\n {2}its own size is 227/,
    ],
    [() => buildModel('resnet20', { classes: 1.5 }), /classes/],
    [() => buildModel('resnet20', { classes: 1e12 }), /classes/],
    [() => buildModel('resnet20', { seed: 0.5 }), /seed/],
  ])('%#', (act, message) => {
    expect(act).toThrow(UsageError);
    expect(act).toThrow(message);
  });
});

describe('built-in checkpoints', () => {
  const folders: string[] = [];
  afterAll(() => {
    for (const folder of folders) rmSync(folder, { recursive: true, force: true });
  });

  function assets(index: unknown): string {
    const folder = mkdtempSync(join(tmpdir(), 'reparam-assets-'));
    folders.push(folder);
    mkdirSync(join(folder, 'checkpoints'));
    writeFileSync(join(folder, 'checkpoints', 'index.json'), JSON.stringify(index));
    writeFileSync(join(folder, 'checkpoints', 'a.onnx'), '');
    return folder;
  }
  const entry = { name: 'resnet20', file: 'a.onnx', dataset: 'shapes', command: 'reparam train …' };

  test('are found by name', () => {
    const folder = assets({ checkpoints: [entry] });
    expect(builtinCheckpoint('ResNet-20', folder)).toEqual({
      path: join(folder, 'checkpoints', 'a.onnx'),
      dataset: 'shapes',
      command: 'reparam train …',
    });
    expect(builtinCheckpoint('resnet32', folder)).toBeUndefined();
    expect(builtinCheckpoint('resnet20', tmpdir())).toBeUndefined();
  });

  test('a missing file or a damaged index is an error that says what to do', () => {
    expect(() =>
      builtinCheckpoint('resnet20', assets({ checkpoints: [{ ...entry, file: 'b.onnx' }] })),
    ).toThrow(/b\.onnx is missing\n {2}install reparam again/);
    expect(() => builtinCheckpoint('resnet20', assets({ checkpoints: 3 }))).toThrow(/index\.json is damaged/);
  });

  test('the assets folder is beside package.json, from the sources and from dist', () => {
    const root = new URL('../../', import.meta.url);
    const folder = new URL('assets', root).pathname;
    expect(assetsFolder()).toBe(folder);
    expect(assetsFolder(new URL('dist/src/zoo/checkpoints.js', root).href)).toBe(folder);
    expect(() => assetsFolder(pathToFileURL('/nowhere/x.js').href)).toThrow(/has no package\.json/);
  });

  test('every committed one is in the index and names a network of the zoo', () => {
    for (const { name } of ZOO) {
      const found = builtinCheckpoint(name);
      if (found) expect(found.command).toContain('reparam');
    }
  });
});
