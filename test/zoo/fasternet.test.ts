import { expect, test } from 'vitest';
import { fasterNet } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded, facts } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill } from './support.js';

checkNetwork({ name: 'fasternett0', options: { width: 0.2, size: 64 } });
checkNetwork({ name: 'fasternett2', options: { width: 0.1, size: 64 } });

checkRecorded('timm 1.0.29', [
  ['fasternet_t0', {}, 3_905_500, 335_422_720, 114, '506de8af9e18c661'],
  ['fasternet_t1', {}, 7_595_368, 850_511_872, 114, '7db83194e2915376'],
  ['fasternet_t2', {}, 14_982_888, 1_904_334_848, 114, '0e61213f7e4b3ca0'],
  ['fasternet_s', {}, 31_181_032, 4_549_740_544, 149, '376ded475d7b87c4'],
  ['fasternet_m', {}, 53_521_464, 8_721_938_432, 219, '473971d0860cf3f7'],
  ['fasternet_l', {}, 93_465_192, 15_494_383_616, 219, '8f20d474eed24b14'],
]);

// Table 3 of the paper, G: what fvcore counts, two for each value out of a BatchNormalization among it.
test.each([
  ['fasternett0', 0.34],
  ['fasternett1', 0.85],
  ['fasternett2', 1.91],
  ['fasternets', 4.56],
  ['fasternetm', 8.74],
  ['fasternetl', 15.52],
])("%s: the paper's %f G are these mult-adds and BatchNormalization", (name, printed) => {
  const { count } = facts(name);
  let counted = count.multAdds;
  for (const { op, outputShape } of count.layers)
    if (op === 'BatchNormalization')
      counted += 2 * (outputShape ?? []).slice(1).reduce<number>((n, d) => n * Number(d), 1);
  expect(counted / 1e9).toBeCloseTo(printed, 2);
});

const exportedNames = new Map([
  ['stages.0', 'patch_embed.proj'],
  ['stages.1', 'patch_embed.norm'],
  ['stages.2', 'stages.0.blocks.0'],
  ['stages.3', 'stages.1.downsample.reduction'],
  ['stages.4', 'stages.1.downsample.norm'],
  ['stages.5', 'stages.1.blocks.0'],
  ['stages.6', 'stages.1.blocks.1'],
  ['stages.7', 'stages.2.downsample.reduction'],
  ['stages.8', 'stages.2.downsample.norm'],
  ['stages.9', 'stages.2.blocks.0'],
  ['stages.10', 'stages.2.blocks.1'],
  ['pre.1', 'conv_head'],
  ['head', 'classifier'],
]);

/** The golden networks number all their parts in one row. */
function rename(name: string): string {
  return name
    .replace(/^(stages\.\d+|pre\.1|head)(?=\.)/, (part) => exportedNames.get(part) ?? part)
    .replace('.pconv.', '.spatial_mixing.');
}

for (const style of ['fasternet_split', 'fasternet_slicing'])
  goldenTest(`a narrow variant with the weights of ${style} gives its output`, async () => {
    const folder = golden('onnx-export', style);
    const model = fasterNet('t0', {
      size: 48,
      classes: 10,
      firstChannels: 12,
      head: { channels: 64, activation: 'gelu' },
      layerScale: 0.3,
      stages: [
        { blocks: 1, activation: 'gelu' },
        { blocks: 2, activation: 'gelu' },
        { blocks: 2, activation: 'relu' },
      ],
    });
    fill(model, exportedWeights(`${folder}/script17_train.onnx`, rename));
    await expectGoldenOutput(folder, model);
  });
