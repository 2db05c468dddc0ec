import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { Graph, GraphBuilder, Model, saveModel, Tensor, tensorType } from '../../src/onnx/index.js';
import { buildModel, markTrained } from '../../src/zoo/index.js';
import { expectUserError, reparam, reparamJson, scratch } from './cli.js';

/** What goes wrong for users most often: each with its exit code and a text that says what to do. */
const cwd = scratch();
const DATA = ['--data', 'shapes:size=16,train=64,eval=32'];
const TINY = ['--batch', '16', '--epochs', '1', '--lr', '0.01'];

async function resnet(file: string, classes: number): Promise<void> {
  const model = buildModel('resnet20', { size: 16, classes, seed: 3 });
  markTrained(model);
  await saveModel(model, join(cwd, file));
}

function head(dims: readonly number[]): Tensor {
  const random = randomFor('messages', ...dims);
  return Tensor.float32(
    dims,
    Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, () => random.normal() / 4),
  );
}

/** A network of 1×1 convolutions, or one with a second output. */
async function small(file: string, kernel: number, outputs: number): Promise<void> {
  const graph = new Graph('small');
  const x = graph.addInput('input', tensorType('float32', ['N', 3, 16, 16]));
  const b = new GraphBuilder(graph, 17);
  const w = b.constant(head([8, 3, kernel, kernel]), 'conv.weight');
  const half = (kernel - 1) / 2;
  const y = b.op('Relu', [b.op('Conv', [x, w], { pads: [half, half, half, half] }, { name: 'conv' })]);
  const flat = b.op('Flatten', [b.op('GlobalAveragePool', [y])]);
  for (let i = 0; i < outputs; i++)
    graph.addOutput(
      b.op('MatMul', [flat, b.constant(head([8, 10]), `head${i}.weight`)], {}, { name: `head${i}` }),
    );
  await saveModel(new Model(graph, 17, 8), join(cwd, file));
}

async function images(folder: string, classes: number, each: number, side: number): Promise<void> {
  for (let c = 0; c < classes; c++) {
    mkdirSync(join(cwd, folder, `class${c}`), { recursive: true });
    for (let i = 0; i < each; i++) {
      const random = randomFor('image', c, i);
      const data = Uint8Array.from({ length: side * side * 3 }, () => random.int(256));
      await sharp(data, { raw: { width: side, height: side, channels: 3 } })
        .png()
        .toFile(join(cwd, folder, `class${c}`, `${i}.png`));
    }
  }
}

beforeAll(async () => {
  await Promise.all([
    resnet('ten.onnx', 10),
    resnet('two.onnx', 2),
    small('pointwise.onnx', 1, 1),
    small('two-heads.onnx', 3, 2),
    small('bare.onnx', 3, 1),
    images('pictures', 2, 10, 16),
    images('large', 2, 3, 20),
  ]);
});

describe('messages', () => {
  test('a model without a convolution to swap', async () => {
    const args = ['refocus', '--model', 'pointwise.onnx', ...DATA, '--preprocess', 'cifar10', '--out', 'r1'];
    await expectUserError(args, 1, /no convolution.*(1×1|kernel)/s, { cwd });
    await expectUserError(['expand', 'pointwise.onnx', '-o', 'never.onnx'], 1, /no convolution/, { cwd });
    expect(existsSync(join(cwd, 'r1'))).toBe(false);
    expect(existsSync(join(cwd, 'never.onnx'))).toBe(false);
  });

  test('20 pictures in two folders: the batch must fit them, and the error says which does', async () => {
    const args = [
      'refocus',
      '--model',
      'two.onnx',
      '--data',
      'imagefolder:pictures',
      '--epochs',
      '1',
      '--lr',
      '0.001',
      '--out',
      'r2',
    ];
    await expectUserError(args, 2, /--batch 64.*at most 16.*use --batch 16/s, { cwd });
    expect(existsSync(join(cwd, 'r2'))).toBe(false);
    const run = await reparam([...args, '--batch', '16'], { cwd });
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toMatch(/refocus: one step of 16 images needs about \d+ MiB/);
    expect(run.stdout).toMatch(/training step .* about \d+ MiB of memory/);
    expect(run.stdout).toMatch(/80 % training and 20 % evaluation/);
  });

  test('pictures of a size that the preprocessing does not make: before any training', async () => {
    const args = ['refocus', '--model', 'two.onnx', '--data', 'imagefolder:large', ...TINY, '--out', 'r5'];
    await expectUserError(args, 3, /expected images of 16×16.*found 20×20/s, { cwd });
    expect(existsSync(join(cwd, 'r5'))).toBe(false);
  });

  test('a detector: no top-1 to evaluate or refocus, but it expands, fuses and verifies', async () => {
    for (const command of ['eval', 'refocus'])
      await expectUserError(
        [
          command,
          '--model',
          'two-heads.onnx',
          ...DATA,
          '--preprocess',
          'cifar10',
          ...(command === 'refocus' ? ['--out', 'r3'] : []),
        ].filter((_, i) => command === 'refocus' || i !== 1),
        3,
        /no classifier.*2 outputs/s,
        { cwd },
      );
    expect((await reparam(['expand', 'two-heads.onnx', '-o', 'form.onnx'], { cwd })).code).toBe(0);
    expect((await reparam(['fuse', 'form.onnx', '-o', 'fused.onnx'], { cwd })).code).toBe(0);
    const { code, json } = await reparamJson(['verify', 'two-heads.onnx', 'fused.onnx'], { cwd });
    expect(code).toBe(0);
    expect(json.equivalent).toBe(true);
  });

  test('missing preprocessing', async () => {
    await expectUserError(['eval', 'bare.onnx', ...DATA], 2, /--preprocess imagenet\|cifar10\|tf\|caffe/, {
      cwd,
    });
  });

  test('training and evaluation images that coincide: it runs, and says so', async () => {
    const same = ['--train', 'imagefolder:pictures', '--eval', 'imagefolder:pictures'];
    const run = await reparam(
      ['refocus', '--model', 'two.onnx', ...same, ...TINY, '--no-control', '--out', 'r4'],
      { cwd },
    );
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/Note: .*coincide/);
  });

  test('an unknown option, with the nearest known one', async () => {
    await expectUserError(['refocus', '--model', 'ten.onnx', '--epoch', '3'], 2, /--epochs/, { cwd });
  });
});

describe('a full disk', () => {
  const disk = join(cwd, 'disk');
  mkdirSync(disk, { recursive: true });
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=600k', 'none', disk]).status === 0;
  afterAll(() => {
    if (mounted) spawnSync('umount', [disk]);
  });

  test.skipIf(!mounted)('is said, with the file; nothing half-written stays', async () => {
    await expectUserError(
      ['expand', 'ten.onnx', '-o', join(disk, 'form.onnx')],
      4,
      /form\.onnx: the disk is full/,
      { cwd },
    );
    expect(readdirSync(disk)).toEqual([]);
    const out = join(disk, 'run');
    await expectUserError(
      ['refocus', '--model', 'ten.onnx', ...DATA, ...TINY, '--out', out],
      4,
      /the disk is full/,
      { cwd },
    );
    const files = readdirSync(out, { recursive: true, encoding: 'utf8' });
    expect(files.filter((f) => f.endsWith('.tmp') || f.endsWith('fused.onnx'))).toEqual([]);
  });
});
