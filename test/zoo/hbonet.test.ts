import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import {
  buildModel,
  type Harmonious,
  type HBONetLayout,
  hboNet,
  zooProvenance,
} from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill } from './support.js';

const harmonious = (out: number, stride: 1 | 2, more: Partial<Harmonious> = {}): Harmonious => ({
  kind: 'harmonious',
  out,
  expansion: 2,
  stride,
  ...more,
});

// Every kind of block, in fewer layers than the published network.
checkNetwork({
  name: 'hbonet',
  options: { size: 32 },
  build: (options) =>
    hboNet({
      ...options,
      layout: {
        stem: 8,
        blocks: [
          { kind: 'inverted', out: 8, expansion: 1, stride: 1 },
          harmonious(10, 1, { upsample: 'bilinear' }),
          harmonious(16, 2),
          harmonious(16, 1),
          { kind: 'linear', out: 12 },
          { kind: 'inverted', out: 16, expansion: 2, stride: 2 },
        ],
        last: 32,
      },
    }),
});

// Of a PyTorch model written after the authors' code.
checkRecorded('counts, names and dims', [
  ['hbonet', {}, 4_562_116, 305_572_480, 382, '8535814b0383a3e9'],
  ['hbonet', { width: 0.8 }, 3_612_408, 204_588_576, 382, '6d268552ea447707'],
  ['hbonet', { width: 0.8, size: 96 }, 3_612_408, 38_883_616, 382, '6d268552ea447707'],
  ['hbonet', { width: 0.5 }, 2_538_349, 96_390_304, 382, '1f600f6e7e9145b0'],
  ['hbonet', { width: 0.35 }, 2_149_828, 60_861_776, 382, '76df916ce119f37f'],
  ['hbonet', { width: 0.25 }, 1_935_559, 36_511_912, 382, '780ebe85058cb140'],
  ['hbonet', { width: 0.1 }, 1_706_960, 13_674_384, 382, '9e9e41ad9d0669b9'],
]);

describe('a harmonious bottleneck', () => {
  const layout: HBONetLayout = {
    stem: 12,
    blocks: [
      harmonious(16, 2, { form: 'mirrored', upsample: 'bilinear' }),
      harmonious(20, 1, { form: 'mirrored' }),
      harmonious(32, 2, { form: 'mirrored', upsample: 'bilinear' }),
      harmonious(32, 1, { form: 'mirrored' }),
    ],
    last: 48,
  };

  goldenTest('in its mirrored form, with weights of PyTorch, gives its output', async () => {
    const folder = golden('onnx-export', 'hbonet');
    const model = hboNet({ size: 48, classes: 10, layout });
    fill(model, exportedWeights(`${folder}/script17_train.onnx`, authorsName));
    await expectGoldenOutput(folder, model);
  });

  test('of another layout does not pass for the published network', () => {
    expect(zooProvenance(hboNet({ size: 48, layout }))?.arch).toBe('hbonet-custom');
  });

  test('passes all its input channels where they are less than half of its own', () => {
    // 36·1.4 rounds to 48 channels and 72·1.4 to 104.
    const { graph } = buildModel('hbonet', { width: 1.4 });
    expect(graph.find('features.3.conv.0.weight')?.shape?.[0]).toBe(48);
    expect(graph.find('features.3.conv.8.weight')?.shape?.[0]).toBe(104 - 48);
  });

  test('refuses a map that does not grow back, and an input with too few channels', () => {
    expect(() => buildModel('hbonet', { size: 225 })).toThrow(UsageError);
    expect(() => buildModel('hbonet', { size: 225 })).toThrow(
      /hbonet: size \(features\.2 contracts its map to half\); expected one .*multiples of 32.*; found a map of 113x113/,
    );
    expect(() => hboNet({ layout: { ...layout, blocks: [harmonious(40, 1)] } })).toThrow(
      /features\.1 adds to its first input channels; expected at least 28 of them; found 12/,
    );
  });
});

const PARTS = new Map([
  ['down', 0],
  ['pw', 2],
  ['dw', 5],
  ['pl', 8],
]);

function authorsName(name: string): string {
  return name
    .replace(/^f\.5\./, 'conv.')
    .replace(/^f\./, 'features.')
    .replace(/^fc\./, 'classifier.')
    .replace(/\.up_dw\./, '.upconv.')
    .replace(
      /\.(down|pw|dw|pl)\.(\d)\./,
      (_, part, layer) => `.conv.${(PARTS.get(part) ?? 0) + Number(layer)}.`,
    );
}
