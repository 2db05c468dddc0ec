import { describe, expect, test } from 'vitest';
import { mobileNeXt, type Sandglass, zooProvenance } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill } from './support.js';

const block = (inner: number, out: number, stride: 1 | 2, more: Partial<Sandglass> = {}): Sandglass => ({
  inner,
  out,
  stride,
  ...more,
});

checkNetwork({
  name: 'mobilenext',
  options: { size: 32 },
  // Every kind of block.
  build: (options) =>
    mobileNeXt({
      ...options,
      layout: {
        stem: 8,
        blocks: [
          block(4, 12, 2),
          block(4, 16, 2, { depthwise: 'last' }),
          block(4, 16, 1),
          block(4, 24, 1, { depthwise: 'none' }),
          block(6, 24, 1, { identity: 0.5 }),
        ],
      },
    }),
});

// Of a PyTorch model written after the authors' code.
checkRecorded('counts, names and dims', [
  ['mobilenext', {}, 3_535_416, 311_342_592, 372, '603f6411a9b0760d'],
  ['mobilenext', { width: 1.4 }, 6_126_168, 588_319_256, 372, '05f00bc05ae7b687'],
  ['mobilenext', { width: 0.75 }, 2_766_168, 207_926_720, 372, '0bbd63fe643bd786'],
  ['mobilenext', { width: 0.5 }, 2_152_304, 103_256_448, 372, '2904d0d9d0ed9f0a'],
  ['mobilenext', { width: 0.35 }, 1_913_976, 75_141_032, 372, '8632431932b66d22'],
]);

describe('layout', () => {
  const layout = {
    stem: 8,
    blocks: [
      block(4, 24, 2),
      block(6, 24, 1),
      block(6, 40, 2),
      block(10, 40, 1, { identity: 0.5 }),
      block(10, 64, 2),
      block(16, 64, 1),
    ],
  };

  goldenTest('a narrow MobileNeXt with weights of PyTorch gives its output', async () => {
    const folder = golden('onnx-export', 'mobilenext');
    const model = mobileNeXt({ size: 48, classes: 10, layout });
    // Its convolution and normalization are a sequence of their own, the activations of two of them are not counted.
    const start = [0, 3, 5, 8];
    fill(
      model,
      exportedWeights(`${folder}/script17_train.onnx`, (name) =>
        name
          .replace(/^f\./, 'features.')
          .replace(
            /\.conv\.(\d)\.(\d)\./,
            (_, part, layer) => `.conv.${start[Number(part)] + Number(layer)}.`,
          ),
      ),
    );
    await expectGoldenOutput(folder, model);
  });

  test('of other figures does not pass for the published one', () => {
    expect(zooProvenance(mobileNeXt({ layout }))?.arch).toBe('mobilenext-custom');
    const wrong = { stem: 8, blocks: [block(4, 8, 2, { depthwise: 'none' })] };
    expect(() => mobileNeXt({ layout: wrong })).toThrow(
      /mobilenext: block 1 without depthwise convolutions; expected stride 1; found 2/,
    );
  });
});
