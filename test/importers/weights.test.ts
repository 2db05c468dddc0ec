import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError, UnsupportedError } from '../../src/base/errors.js';
import { bfloat16ToNumber, float16ToNumber } from '../../src/base/half.js';
import { readWeights } from '../../src/importers/index.js';
import type { Tensor } from '../../src/onnx/index.js';

const folder = mkdtempSync(join(tmpdir(), 'reparam-weights-'));
afterAll(() => rmSync(folder, { recursive: true }));

function fixture(name: string): string {
  return fileURLToPath(new URL(`../fixtures/weights/${name}`, import.meta.url));
}

/** A file with these bytes. */
function written(name: string, bytes: Uint8Array | string): string {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  return path;
}

function numbers(tensor: Tensor | undefined): number[] {
  if (!tensor) throw new Error('no such tensor');
  const values = Array.from(tensor.typed(), Number);
  if (tensor.dataType === 'float16') return values.map(float16ToNumber);
  return tensor.dataType === 'bfloat16' ? values.map(bfloat16ToNumber) : values;
}

/** What the script of the fixtures puts into every tensor. */
function ramp(count: number): number[] {
  return Array.from({ length: count }, (_, i) => i / 8 - 1);
}

describe.each(['torch-zip.pt', 'torch-legacy.pth', 'torch-protocol4.pt', 'torch-deflated.pt'])(
  'the state dict of %s',
  (name) => {
    test('has all tensors, whatever their storage, strides and type', async () => {
      const { format, tensors } = await readWeights(fixture(name));
      expect(format).toBe('pytorch');
      expect([...tensors].map(([key, { dataType, dims }]) => [key, dataType, dims])).toEqual([
        ['conv.weight', 'float32', [4, 3, 1, 2]],
        ['conv.bias', 'float64', [4]],
        ['part', 'float32', [2, 12]],
        ['transposed', 'float32', [3, 5]],
        ['channels_last', 'float32', [2, 3, 2, 2]],
        ['half', 'float16', [6]],
        ['bfloat16', 'bfloat16', [6]],
        ['num_batches_tracked', 'int64', []],
        ['scalar', 'float32', []],
        ['none', 'float32', [0, 3]],
        ['parameter', 'float32', [2, 2]],
        ['tied', 'float32', [4, 3, 1, 2]],
      ]);
      for (const [key, tensor] of tensors)
        if (key !== 'num_batches_tracked' && key !== 'scalar')
          expect(numbers(tensor), key).toEqual(ramp(tensor.size));
      expect(numbers(tensors.get('num_batches_tracked'))).toEqual([7]);
      expect(numbers(tensors.get('scalar'))).toEqual([0.5]);
    });
  },
);

describe.each(['keras3.keras', 'keras3.weights.h5', 'keras3.h5'])('the variables of %s', (name) => {
  test("bear the layers' names", async () => {
    const { tensors } = await readWeights(fixture(name));
    expect(Object.fromEntries([...tensors].map(([key, { dims }]) => [key, dims]))).toEqual({
      'separable/depthwise_kernel': [3, 3, 2, 2],
      'separable/pointwise_kernel': [1, 1, 4, 3],
      'separable/bias': [3],
      'inner/inner_conv/kernel': [3, 3, 3, 2],
      'inner/inner_conv/bias': [2],
      'depthwise/kernel': [1, 1, 2, 1],
      'bn/gamma': [2],
      'bn/beta': [2],
      'bn/moving_mean': [2],
      'bn/moving_variance': [2],
      'ln/gamma': [2],
      'ln/beta': [2],
      'prelu/alpha': [2, 2, 2],
      'fc/kernel': [8, 3],
      'fc/bias': [3],
      ...(name === 'keras3.weights.h5'
        ? // No configuration: nothing tells whether it is γ or β that is missing.
          {
            'inner/inner_bn/0': [2],
            'inner/inner_bn/1': [2],
            'inner/inner_bn/2': [2],
            'bn_no_beta/0': [2],
            'bn_no_beta/1': [2],
            'bn_no_beta/2': [2],
          }
        : {
            'inner/inner_bn/beta': [2],
            'inner/inner_bn/moving_mean': [2],
            'inner/inner_bn/moving_variance': [2],
            'bn_no_beta/gamma': [2],
            'bn_no_beta/moving_mean': [2],
            'bn_no_beta/moving_variance': [2],
          }),
    });
    for (const [key, tensor] of tensors) expect(numbers(tensor), key).toEqual(ramp(tensor.size));
  });
});

test('Keras 2: a long list of layers, and variables that keep an older name of their layer', async () => {
  const { tensors } = await readWeights(fixture('keras2-lists.h5'));
  expect([...tensors.keys()]).toEqual(['conv1/kernel', 'conv1/bias', 'bn/moving_mean']);
  for (const tensor of tensors.values()) expect(numbers(tensor)).toEqual(ramp(6));
});

describe('files that are refused', () => {
  test.each([
    ['torch-code.pt', UnsupportedError, /object of \w+\.system, which is never run/],
    ['torch-code-legacy.pth', UnsupportedError, /object of \w+\.system, which is never run/],
    ['torch-module.pt', UnsupportedError, /torch\.nn\.modules\.container\.Sequential/],
    ['torch-script.pt', UnsupportedError, /TorchScript/],
    ['torch-bigendian.pt', UnsupportedError, /big-endian/],
    ['torch-two.pt', InputError, /no state dict that can be told; .*found a, b/],
    ['torch-none.pt', InputError, /a dict of epoch/],
    ['torch-expanded.pt', InputError, /more elements than the file holds/],
    ['torch-short-storage.pt', InputError, /storage 0 of 92 bytes where 96 are declared/],
    ['torch-no-storage.pt', InputError, /storage 0 of no bytes/],
    ['plain.pkl', InputError, /pickle, but not of torch\.save/],
    ['h5-unwritten.h5', InputError, /\[65536,65536\], more than the file holds/],
    ['h5-bomb.h5', InputError, /\[16384,16384\], more than the file holds/],
    ['h5-other-file.h5', InputError, /external raw data file/],
    ['h5-virtual.h5', InputError, /more than the file holds/],
    ['h5-linked.h5', UnsupportedError, /which is not followed/],
    ['h5-texts.h5', InputError, /holds no numbers/],
    ['h5-missing.h5', InputError, /no data set fc\/fc\/kernel:0/],
  ])('%s', async (name, kind, message) => {
    const error = await readWeights(fixture(name)).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(kind);
    expect(String(error)).toMatch(message);
    expect(String(error)).toContain(name);
  });

  test('something else altogether', async () => {
    await expect(readWeights(written('a', ''))).rejects.toThrow(/is empty/);
    await expect(readWeights(written('b.pth', '<html>404'))).rejects.toThrow(/web page/);
    await expect(
      readWeights(written('c.pt', 'version https://git-lfs.github.com/spec/v1\n')),
    ).rejects.toThrow(/git lfs pull/);
    await expect(readWeights(written('d.h5', 'nothing of the kind'))).rejects.toThrow(
      /no known kind of file/,
    );
    await expect(readWeights(folder)).rejects.toThrow(/it is a folder/);
    await expect(readWeights(join(folder, 'none.pt'))).rejects.toThrow(/no such file/);
  });
});

/** Whatever a damaged file is taken for, the answer is an error of the input, or weights where the damage does not show. */
async function survives(path: string): Promise<void> {
  try {
    await readWeights(path);
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
  }
}

describe('damaged files are errors that name them, wherever the damage is', () => {
  const names = ['torch-zip.pt', 'torch-legacy.pth', 'keras3.keras', 'keras3.h5', 'keras3.weights.h5'];

  test.each(names)('%s cut short', async (name) => {
    const bytes = readFileSync(fixture(name));
    for (let i = 1; i < 12; i++)
      await expect(
        readWeights(written(name, bytes.subarray(0, Math.floor((bytes.byteLength * i) / 12)))),
      ).rejects.toBeInstanceOf(InputError);
  });

  test.each(names)('%s with bytes changed', async (name) => {
    const bytes = readFileSync(fixture(name));
    for (let i = 0; i < 24; i++) {
      const changed = Uint8Array.from(bytes);
      // A step that is coprime to every length in use spreads the places.
      const at = (i * 7919) % changed.byteLength;
      changed[at] ^= 1 << (i % 8);
      changed[(at + 1) % changed.byteLength] = 0xff;
      await survives(written(name, changed));
    }
  });
});
