import { describe, expect, test } from 'vitest';
import { alexNet, buildModel } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded, facts } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill, standardDeviation } from './support.js';

// torchvision 0.28.0, and PyTorch models written from the paper, at their input sizes.
checkRecorded('recorded counts, names and dims', [
  ['alexnet', {}, 60_965_224, 724_406_816, 16, '266101bd2033ab13'],
  ['alexnet-one-tower', {}, 62_378_344, 1_135_256_096, 16, '50caad00e796b816'],
  ['alexnet-torchvision', {}, 61_100_840, 714_188_480, 16, '9b204a0e6319caba'],
  ['alexnet-torchvision', { size: 300 }, 61_100_840, 1_201_885_952, 16, '9b204a0e6319caba'],
]);

describe('the layer table', () => {
  const layers = (name: string) => {
    const found = facts(name).count.layers.filter((l) => l.op === 'Conv' || l.op === 'Gemm');
    return found.map(({ outputShape, parameters, connections }) => {
      const [, channels, height = 1, width = 1] = outputShape ?? [];
      return { map: [height, width, channels], parameters, connections };
    });
  };

  // Connections: output pixels × (k²·C_in / groups + 1) × C_out.
  test('of the paper', () => {
    expect(layers('alexnet')).toEqual([
      { map: [55, 55, 96], parameters: 34_944, connections: 105_705_600 },
      { map: [27, 27, 256], parameters: 307_456, connections: 224_135_424 },
      { map: [13, 13, 384], parameters: 885_120, connections: 149_585_280 },
      { map: [13, 13, 384], parameters: 663_936, connections: 112_205_184 },
      { map: [13, 13, 256], parameters: 442_624, connections: 74_803_456 },
      { map: [1, 1, 4096], parameters: 37_752_832, connections: 37_752_832 },
      { map: [1, 1, 4096], parameters: 16_781_312, connections: 16_781_312 },
      { map: [1, 1, 1000], parameters: 4_097_000, connections: 4_097_000 },
    ]);
  });

  test('of one tower: convolutions 2, 4 and 5 see all channels', () => {
    expect(layers('alexnet-one-tower').map((l) => l.connections)).toEqual([
      105_705_600,
      447_897_600 + 186_624,
      149_585_280,
      224_280_576 + 64_896,
      149_520_384 + 43_264,
      37_752_832,
      16_781_312,
      4_097_000,
    ]);
  });
});

test('weights start as the paper says', () => {
  const { graph } = buildModel('alexnet', { width: 0.25 });
  const data = (name: string): Float32Array => {
    const found = [...graph.initializers].find((v) => v.name === name)?.initializer?.typed();
    if (!(found instanceof Float32Array)) throw new Error(name);
    return found;
  };
  for (const layer of [
    'features.0',
    'features.4',
    'features.8',
    'features.10',
    'features.12',
    'classifier.1',
  ])
    expect(Math.abs(standardDeviation(data(`${layer}.weight`)) / 0.01 - 1), layer).toBeLessThan(0.05);
  const biases = [
    'features.0',
    'features.4',
    'features.8',
    'features.10',
    'features.12',
    'classifier.1',
    'classifier.4',
    'classifier.6',
  ];
  expect(biases.map((layer) => [...new Set(data(`${layer}.bias`))])).toEqual([
    [0],
    [1],
    [0],
    [1],
    [1],
    [1],
    [1],
    [0],
  ]);
});

describe('narrow variants with weights of PyTorch give its outputs', () => {
  const small = { size: 95, classes: 10, hidden: 32 } as const;

  goldenTest('one tower', async () => {
    const folder = golden('onnx-export', 'alexnet');
    const model = alexNet('alexnettorchvision', {
      ...small,
      grid: 2,
      layers: [
        { out: 8, kernel: 11, stride: 4, padding: 2, pool: true },
        { out: 24, kernel: 5, padding: 2, pool: true },
        { out: 32, kernel: 3, padding: 1 },
        { out: 24, kernel: 3, padding: 1, pool: true },
      ],
    });
    fill(model, exportedWeights(`${folder}/script17_train.onnx`));
    await expectGoldenOutput(folder, model);
  });

  goldenTest('two groups, with local response normalization', async () => {
    const folder = golden('onnx-export', 'alexnet_lrn_grouped');
    const model = alexNet('alexnet', {
      ...small,
      layers: [
        {
          out: 8,
          kernel: 11,
          stride: 4,
          padding: 2,
          norm: { size: 5, alpha: 1e-2, beta: 0.75, bias: 2 },
          pool: true,
        },
        {
          out: 24,
          kernel: 5,
          padding: 2,
          groups: 2,
          norm: { size: 3, alpha: 2e-2, beta: 0.5, bias: 1 },
          pool: true,
        },
        { out: 32, kernel: 3, padding: 1 },
        { out: 24, kernel: 3, padding: 1, groups: 2, pool: true },
      ],
    });
    fill(model, exportedWeights(`${folder}/script17_train.onnx`));
    await expectGoldenOutput(folder, model);
  });
});

for (const name of ['alexnet', 'alexnetonetower', 'alexnettorchvision'])
  checkNetwork({ name, options: { width: 0.0625, size: 67 }, lr: 0.01 });
