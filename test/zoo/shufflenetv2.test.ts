import { describe, expect, test } from 'vitest';
import { buildModel, shuffleNetV2, zooProvenance } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { expectGoldenOutput, exportedWeights, factsOf, fill, namesDigest } from './support.js';

checkNetwork({
  name: 'shufflenetv2x10',
  options: { size: 32 },
  build: (options) =>
    shuffleNetV2('1.0', {
      ...options,
      layout: { stem: 8, stages: [8, 16].map((channels) => ({ channels, units: 2 })), last: 24 },
    }),
});

/** Recorded from torchvision 0.28.0 as in published.test.ts. */
test.each([
  ['shufflenet_v2_x0_5', {}, 1_366_792, 40_476_448, 282, 'e143e8338a183af8'],
  ['shufflenet_v2_x1_0', {}, 2_278_604, 144_907_992, 282, 'a8e23a9a2d160913'],
  ['shufflenet_v2_x1_5', {}, 3_503_624, 295_759_392, 282, '2f98906ebe73a7d9'],
  ['shufflenet_v2_x2_0', {}, 7_393_996, 583_253_464, 282, '6a748aff053c21c5'],
  ['shufflenet_v2_x1_0', { size: 160, classes: 10 }, 1_263_854, 73_420_440, 282, '0880060d3ea47736'],
] as const)(
  '%s %j has the counts, names and dims of torchvision',
  (name, options, parameters, multAdds, entries, sha) => {
    const found = factsOf(buildModel(name, options));
    expect(found.count).toMatchObject({ parameters, multAdds, weightMultAdds: 0, uncounted: [] });
    expect(found.weights).toHaveLength(entries);
    expect(namesDigest(found)).toBe(sha);
  },
);

describe('layout', () => {
  const stages = [
    { channels: 16, units: 2 },
    { channels: 32, units: 3 },
    { channels: 64, units: 2 },
  ];
  const layout = { stem: 8, stages, last: 96 };

  goldenTest("a narrow ShuffleNetV2 with torchvision's weights gives its output", async () => {
    const folder = golden('onnx-export', 'shufflenet_v2');
    const model = shuffleNetV2('1.0', { size: 48, classes: 10, layout });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`));
    await expectGoldenOutput(folder, model);
  });

  test('of other figures does not pass for the published one, and has even stages', () => {
    expect(zooProvenance(shuffleNetV2('1.0', { layout }))?.arch).toBe('shufflenetv2x10-custom');
    expect(() => shuffleNetV2('1.0', { layout: { ...layout, stages: [{ channels: 7, units: 1 }] } })).toThrow(
      /shufflenetv2x10: channels of a stage; expected even numbers; found 7/,
    );
  });
});

test('a width multiplier keeps stages even, and the first and last convolution', () => {
  const model = buildModel('shufflenetv2x10', { width: 0.11 });
  const channels = (name: string) => model.graph.find(name)?.shape?.[0];
  // 116·0.11 = 12.76 and 464·0.11 = 51.04; a branch has half of them.
  expect(channels('stage2.0.branch1.2.weight')).toBe(6);
  expect(channels('stage4.3.branch2.5.weight')).toBe(26);
  expect(channels('conv1.0.weight')).toBe(24);
  expect(channels('conv5.0.weight')).toBe(1024);
});
