import { expect, test } from 'vitest';
import { buildModel, efficientNet } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill } from './support.js';

// The last maps are 1×1, so BatchNormalization sees eight values per channel: the gradient's norm is in the hundreds at the
// start (in torchvision's network of this width too), and only a small step goes downhill.
checkNetwork({ name: 'efficientnetb0', options: { width: 0.1, size: 32 }, lr: 1e-5 });

// Of torchvision 0.28.0 at the paper's sizes.
checkRecorded('torchvision', [
  ['efficientnet_b0', {}, 5_288_548, 385_814_752, 311, 'ec10027311546760'],
  ['efficientnet_b1', {}, 7_794_184, 686_802_832, 439, 'cde497c4a131f5c6'],
  ['efficientnet_b2', {}, 9_109_994, 993_561_872, 439, 'e0f4a825446a068c'],
  ['efficientnet_b3', {}, 12_233_232, 1_827_141_392, 496, 'bbbfe3637612f6e6'],
  ['efficientnet_b4', {}, 19_341_616, 4_393_771_024, 610, '060bb73870e33048'],
  ['efficientnet_b5', {}, 30_389_784, 10_266_384_752, 738, 'c89743e2da5e7fa1'],
  ['efficientnet_b6', {}, 43_040_704, 19_067_593_536, 852, '44be46de43d84d01'],
  ['efficientnet_b7', {}, 66_347_960, 37_745_884_192, 1037, '3a174246c69001b3'],
]);

test('BatchNormalization is that of the weights there are: of PyTorch up to B4, of the authors from B5 on', () => {
  const epsilons = (name: string) =>
    new Set(
      buildModel(name, { width: 0.1 })
        .graph.nodes.filter((n) => n.opType === 'BatchNormalization')
        .map((n) => Math.fround(n.float('epsilon', 0))),
    );
  expect(epsilons('efficientnetb4')).toEqual(new Set([Math.fround(1e-5)]));
  expect(epsilons('efficientnetb5')).toEqual(new Set([Math.fround(1e-3)]));
});

goldenTest(
  "a narrow variant with torchvision's weights, by torchvision's names, gives its output",
  async () => {
    const folder = golden('onnx-export', 'efficientnet_narrow');
    // The generator's: width 0.25, five stages of these repeats, a 96-channel last convolution.
    const model = efficientNet(0, {
      width: 0.25,
      size: 48,
      classes: 10,
      lastChannels: 96,
      epsilon: 1e-3,
      stages: [
        { t: 1, kernel: 3, s: 1, c: 16, n: 1 },
        { t: 6, kernel: 3, s: 2, c: 24, n: 1 },
        { t: 6, kernel: 5, s: 2, c: 40, n: 2 },
        { t: 6, kernel: 3, s: 2, c: 80, n: 1 },
        { t: 6, kernel: 5, s: 1, c: 112, n: 1 },
      ],
    });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`));
    await expectGoldenOutput(folder, model);
  },
);
