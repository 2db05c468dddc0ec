import { describe, expect, test } from 'vitest';
import { buildModel, findEntry, squeezeNet, zooProvenance } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { expectGoldenOutput, exportedWeights, factsOf, fill, namesDigest } from './support.js';

checkNetwork({ name: 'squeezenet10', options: { width: 0.25, size: 48 } });
checkNetwork({ name: 'squeezenet11', options: { width: 0.25, size: 48 } });

/** Recorded from torchvision 0.28.0 as in published.test.ts. */
test.each([
  ['squeezenet1_0', {}, 1_248_424, 818_924_576, 52, 'cd23a9be2e193de5'],
  ['squeezenet1_1', {}, 1_235_496, 349_151_936, 52, 'a462856ef96ade94'],
  ['squeezenet1_0', { size: 160, classes: 10 }, 740_554, 363_210_784, 52, 'e260ca1c570d2768'],
  ['squeezenet1_1', { size: 160, classes: 10 }, 727_626, 129_636_032, 52, 'c2c316ac72724745'],
] as const)(
  '%s %j has the counts, names and dims of torchvision',
  (name, options, parameters, multAdds, entries, sha) => {
    const found = factsOf(buildModel(name, options));
    expect(found.count).toMatchObject({ parameters, multAdds, weightMultAdds: 0, uncounted: [] });
    expect(found.weights).toHaveLength(entries);
    expect(namesDigest(found)).toBe(sha);
  },
);

test('a version is found however it is written', () => {
  expect(findEntry('SqueezeNet 1.1').name).toBe('squeezenet11');
  expect(findEntry('squeezenet1_0').name).toBe('squeezenet10');
});

describe('layout', () => {
  const fire = (squeeze: number, expand: number) => ({ squeeze, expand });
  const layout = {
    stem: { channels: 12, kernel: 3 },
    layers: [
      'pool',
      fire(4, 8),
      fire(4, 8),
      'pool',
      fire(6, 16),
      fire(6, 16),
      'pool',
      fire(8, 24),
      fire(8, 24),
    ],
  } as const;

  goldenTest('a narrow SqueezeNet with weights of PyTorch gives its output', async () => {
    const folder = golden('onnx-export', 'squeezenet');
    const model = squeezeNet('1.1', { size: 48, classes: 10, layout });
    fill(
      model,
      exportedWeights(`${folder}/script17_evalbn.onnx`, (name) =>
        name.replace(/\.e([13])\./, '.expand$1x$1.'),
      ),
    );
    await expectGoldenOutput(folder, model);
  });

  test('of other figures does not pass for the published one', () => {
    expect(zooProvenance(squeezeNet('1.1', { layout }))?.arch).toBe('squeezenet11-custom');
  });
});
