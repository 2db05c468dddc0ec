import { convNeXt } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill } from './support.js';

checkNetwork({ name: 'convnexttiny', options: { width: 0.06, size: 32 } });

checkRecorded('torchvision 0.28.0', [
  ['convnext_tiny', {}, 28_589_128, 4_455_531_264, 182, '39d0e94f41cc6e25'],
  ['convnext_small', {}, 50_223_688, 8_683_712_256, 344, '3c644c56519d5dbf'],
  ['convnext_base', {}, 88_591_464, 15_354_729_472, 344, '1217ee98fd3da6de'],
]);

goldenTest(
  "a narrow variant with torchvision's weights, by torchvision's names, gives its output",
  async () => {
    const folder = golden('onnx-export', 'convnext_narrow');
    const stages = [
      { channels: 8, blocks: 1 },
      { channels: 16, blocks: 1 },
      { channels: 24, blocks: 2 },
      { channels: 32, blocks: 1 },
    ];
    const model = convNeXt('tiny', { size: 48, classes: 10, stages });
    fill(model, exportedWeights(`${folder}/script17_train.onnx`));
    await expectGoldenOutput(folder, model);
  },
);
