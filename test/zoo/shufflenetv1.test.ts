import { describe, expect, test } from 'vitest';
import { SHUFFLENETV1_GROUPS, shuffleNetV1, zooProvenance } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { facts } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill } from './support.js';

const layout = {
  stem: 12,
  stages: [
    { channels: 24, units: 2 },
    { channels: 48, units: 3 },
    { channels: 96, units: 2 },
  ],
};

// Shorter than the published networks, whose step graphs take long to open; with one group nothing is shuffled.
for (const groups of [1, 3] as const)
  checkNetwork({
    name: `shufflenetv1g${groups}`,
    options: { size: 32 },
    build: (options) =>
      shuffleNetV1(groups, { ...options, layout: { stem: 12, stages: [{ channels: 48, units: 2 }] } }),
  });

// Of a PyTorch model written from the paper: sums over its layers by hooks.
test.each([
  ['shufflenetv1g1', {}, 1_531_936, 143_078_976],
  ['shufflenetv1g2', {}, 1_733_848, 140_836_512],
  ['shufflenetv1g3', {}, 1_865_728, 137_460_672],
  ['shufflenetv1g4', {}, 1_968_344, 134_339_776],
  ['shufflenetv1g8', {}, 2_434_768, 138_365_952],
  ['shufflenetv1g1', { width: 0.5 }, 534_484, 38_517_408],
  ['shufflenetv1g2', { width: 0.5 }, 643_116, 37_899_504],
  ['shufflenetv1g3', { width: 0.5 }, 718_324, 37_589_856],
  ['shufflenetv1g4', { width: 0.5 }, 776_844, 36_468_448],
  ['shufflenetv1g8', { width: 0.5 }, 1_011_448, 40_469_760],
  ['shufflenetv1g1', { width: 0.25 }, 209_746, 11_003_184],
  ['shufflenetv1g3', { width: 0.25 }, 305_902, 11_009_808],
  ['shufflenetv1g8', { width: 0.25 }, 454_504, 12_426_240],
  ['shufflenetv1g3', { width: 1.5 }, 3_442_168, 292_443_552],
  ['shufflenetv1g3', { width: 2 }, 5_450_776, 524_045_184],
  ['shufflenetv1g8', { width: 1.5 }, 4_269_952, 290_188_800],
  ['shufflenetv1g8', { width: 2 }, 6_522_232, 521_942_016],
] as const)('%s %j has %i parameters and %i mult-adds', (name, options, parameters, multAdds) => {
  expect(facts(name, options).count).toMatchObject({ parameters, multAdds, uncounted: [] });
});

describe('layout', () => {
  goldenTest('a narrow ShuffleNet with weights of PyTorch gives its output', async () => {
    const folder = golden('onnx-export', 'shufflenet_v1_g3');
    const model = shuffleNetV1(3, { size: 48, classes: 10, layout });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`, authorsName));
    await expectGoldenOutput(folder, model);
  });

  test('of other figures does not pass for the published one, and must suit the groups', () => {
    expect(zooProvenance(shuffleNetV1(3, { layout }))?.arch).toBe('shufflenetv1g3-custom');
    expect(() => shuffleNetV1(8, { layout })).toThrow(
      /shufflenetv1g8: channels of the first convolution and the stages; expected growing multiples of 8; found 12/,
    );
    expect(() => shuffleNetV1(3, { layout: { ...layout, stem: 24 } })).toThrow(/found 24/);
  });
});

const AUTHORS = new Map([
  ['gc1', 'branch_main_1.0'],
  ['bn1', 'branch_main_1.1'],
  ['dw', 'branch_main_1.3'],
  ['bn2', 'branch_main_1.4'],
  ['gc2', 'branch_main_2.0'],
  ['bn3', 'branch_main_2.1'],
]);

function authorsName(name: string): string {
  return name
    .replace('stem.', 'first_conv.')
    .replace('stages.', 'features.')
    .replace('fc.', 'classifier.0.')
    .replace(/\.(gc[12]|bn[123]|dw)\./, (_, layer) => `.${AUTHORS.get(layer)}.`);
}

test.each(SHUFFLENETV1_GROUPS)('with %i groups every width has channels that the groups divide', (groups) => {
  for (const width of [0.01, 0.33, 1.7])
    for (const node of shuffleNetV1(groups, { width }).graph.nodes)
      if (node.opType === 'Conv')
        expect((node.input(1).shape?.[0] ?? 0) % node.int('group', 1), node.name).toBe(0);
});
