import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { loadModel, saveModel, Tensor } from '../../src/onnx/index.js';
import { expectUserError, reparam, reparamJson, scratch } from './cli.js';

const cwd = scratch();
const file = (name: string): string => join(cwd, name);

beforeAll(async () => {
  await reparam(['zoo', 'build', 'resnet20', '--width', '0.25', '-o', 'net.onnx'], { cwd });
  const run = await reparam(['expand', 'net.onnx', '-o', 'training.onnx', '--init', 'xavier'], { cwd });
  expect(run.code, run.stderr).toBe(0);
});

describe('fuse', () => {
  test('folds a training form, and shows that it stayed the same', async () => {
    const { code, json } = await reparamJson(['fuse', 'training.onnx', '-o', 'fused.onnx'], { cwd });
    expect(code).toBe(0);
    expect(json).toMatchObject({ file: 'fused.onnx', modified: true, verify: { equivalent: true } });
    expect(json.weights).toHaveLength(19);
    const [plain, fused] = [await loadModel(file('net.onnx')), await loadModel(file('fused.onnx'))];
    expect(fused.graph.nodes.map((n) => n.opType)).toEqual(plain.graph.nodes.map((n) => n.opType));
  });

  test('--fold-batchnorm folds a plain model; --no-verify runs nothing', async () => {
    const { code, json } = await reparamJson(
      ['fuse', 'net.onnx', '-o', 'folded.onnx', '--fold-batchnorm', '--no-verify'],
      { cwd },
    );
    expect(code).toBe(0);
    expect(json).toMatchObject({ modified: true, weights: [], verify: null });
    const folded = await loadModel(file('folded.onnx'));
    expect(folded.graph.nodes.some((n) => n.opType === 'BatchNormalization')).toBe(false);
  });

  test('nothing to fold is said', async () => {
    const run = await reparam(['fuse', 'net.onnx', '-o', 'same.onnx'], { cwd });
    expect(run.stdout).toMatch(/^same\.onnx: nothing to fold; written as it is$/m);
    expect(run.code).toBe(0);
  });

  test('a limit that no float32 model keeps: exit code 1, nothing is written', async () => {
    await expectUserError(
      ['fuse', 'net.onnx', '-o', 'never.onnx', '--fold-batchnorm', '--tolerance', '1e-12'],
      1,
      /not equivalent, so it was not written/,
      { cwd },
    );
    expect(existsSync(file('never.onnx'))).toBe(false);
  });
});

describe('verify', () => {
  test('equivalent: exit code 0 and the numbers', async () => {
    await reparam(['fuse', 'training.onnx', '-o', 'fused.onnx', '--no-verify'], { cwd });
    const run = await reparam(['verify', 'training.onnx', 'fused.onnx'], { cwd });
    expect(run.stdout).toMatch(/^training\.onnx and fused\.onnx are equivalent\n/);
    expect(run.stdout).toMatch(/top-1 agreement 100\.00 %/);
    expect(run.code).toBe(0);
    const { code, json } = await reparamJson(['verify', 'training.onnx', 'fused.onnx', '--samples', '3'], {
      cwd,
    });
    expect(code).toBe(0);
    expect(json).toMatchObject({ equivalent: true, top1Agreement: 1, problems: [] });
    expect(json.samples).toBeGreaterThanOrEqual(3);
    expect(json.maxRelative).toBeLessThan(1e-5);
  });

  test('another model: exit code 1, the answer on standard output, the node named', async () => {
    const model = await loadModel(file('fused.onnx'));
    const conv = model.graph.nodes.filter((n) => n.opType === 'Conv')[3];
    const weight = conv.input(1);
    const values = Float32Array.from(weight.initializer?.typed() ?? [], Number);
    values[0] += 1;
    model.graph.setInitializer(weight, Tensor.float32(weight.initializer?.dims ?? [], values));
    await saveModel(model, file('changed.onnx'));
    const run = await reparam(['verify', 'training.onnx', 'changed.onnx'], { cwd });
    expect(run.code).toBe(1);
    expect(run.stdout).toMatch(/are NOT equivalent/);
    expect(run.stdout).toContain(`they part at ${conv.name}`);
    expect(run.stderr).toBe('');
    const { code, json } = await reparamJson(['verify', 'training.onnx', 'changed.onnx'], { cwd });
    expect(code).toBe(1);
    expect(json).toMatchObject({ equivalent: false, worstNode: conv.name });
  });

  test('on real images of a data set', async () => {
    await reparam(['zoo', 'build', 'resnet20', '--width', '0.25', '--size', '32', '-o', 'real.onnx'], {
      cwd,
    });
    await reparam(['expand', 'real.onnx', '-o', 'real-t.onnx'], { cwd });
    const args = ['verify', 'real.onnx', 'real-t.onnx', '--data', 'shapes:size=32,train=16,eval=24'];
    const { code, json, stderr } = await reparamJson([...args, '--samples', '20'], { cwd });
    expect(stderr).toBe('');
    expect(code).toBe(0);
    expect(json).toMatchObject({ equivalent: true, samples: 20, top1Agreement: 1 });
  });

  test('user errors', async () => {
    await expectUserError(['verify', 'net.onnx'], 2, /<b> is missing/, { cwd });
    await expectUserError(['verify', 'net.onnx', 'none.onnx'], 3, /none\.onnx: no such file/, { cwd });
    await expectUserError(
      ['fuse', 'ResNet-20', '-o', 'x'],
      3,
      /no such file.*reparam zoo build resnet20 -o FILE/s,
      {
        cwd,
      },
    );
    await expectUserError(
      ['verify', 'net.onnx', 'net.onnx', '--input-shape', 'x'],
      2,
      /--input-shape; expected/,
      {
        cwd,
      },
    );
    await expectUserError(['verify', 'net.onnx', 'net.onnx', '--data', 'shape'], 2, /shapes/, { cwd });
  });
});

test('doctor finds what is needed here, and runs a graph', async () => {
  const { code, json } = await reparamJson(['doctor']);
  expect(code).toBe(0);
  expect(json).toMatchObject({ ok: true, problems: [], node: { version: process.versions.node } });
  const run = await reparam(['doctor']);
  expect(run.stdout).toMatch(/^cpu +usable/m);
  expect(run.stdout).toMatch(/everything that reparam needs is there\n$/);
});
