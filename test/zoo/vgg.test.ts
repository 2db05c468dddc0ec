import { expect, test } from 'vitest';
import { checkNetwork } from './check-network.js';
import { checkRecorded, facts } from './facts.js';

checkRecorded('counts, names and dims of torchvision 0.28.0', [
  ['vgg11', {}, 132_863_336, 7_609_090_048, 22, '839b1d4e93d78d88'],
  ['vgg11_bn', {}, 132_868_840, 7_609_090_048, 54, '203f490cecc83114'],
  ['vgg13', {}, 133_047_848, 11_308_466_176, 26, '16c588a61614aa27'],
  ['vgg13_bn', {}, 133_053_736, 11_308_466_176, 66, '94d052915fa90248'],
  ['vgg16', {}, 138_357_544, 15_470_264_320, 32, 'e36b43eb356035da'],
  ['vgg16_bn', {}, 138_365_992, 15_470_264_320, 84, 'af4eeac57cb50d67'],
  ['vgg19', {}, 143_667_240, 19_632_062_464, 38, 'fafd9d516f77ba55'],
  ['vgg19_bn', {}, 143_678_248, 19_632_062_464, 102, '32f61b09653e739d'],
  ['vgg16', { size: 160 }, 138_357_544, 7_953_547_264, 32, 'e36b43eb356035da'],
]);

test.each([
  ['vgg16', 15.35, 15.47],
  ['vgg19', 19.51, 19.63],
])('%s: %f G mult-adds in convolutions, %f G with fully connected layers', (name, convolutions, all) => {
  const { layers, multAdds } = facts(name).count;
  const inConvolutions = layers.reduce((sum, l) => sum + (l.op === 'Conv' ? (l.multAdds ?? 0) : 0), 0);
  expect(Math.round(inConvolutions / 1e7) / 100).toBe(convolutions);
  expect(Math.round(multAdds / 1e7) / 100).toBe(all);
});

for (const [name, lr] of [
  ['vgg11', 0.02],
  ['vgg11bn', 0.005],
] as const)
  checkNetwork({ name, options: { width: 0.0625, size: 32 }, lr });
