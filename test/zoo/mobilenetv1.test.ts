import { describe, expect, test } from 'vitest';
import { buildModel, mobileNetV1, zooProvenance } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded, facts } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill } from './support.js';

const layout = {
  stem: 6,
  stages: [
    { channels: 6, blocks: 1 },
    { channels: 12, blocks: 2 },
    { channels: 24, blocks: 2 },
    { channels: 48, blocks: 3 },
    { channels: 96, blocks: 2 },
  ],
};

// timm starts the classifier of ten classes with weights up to 0.3: steep at first.
checkNetwork({ name: 'mobilenetv1', options: { width: 0.25, size: 32 }, lr: 0.001 });

checkRecorded('counts, names and dims of timm 1.0.29', [
  ['mobilenetv1', {}, 4_231_976, 568_740_352, 137, 'e250f51a0cb24476'],
  ['mobilenetv1', { width: 1.25 }, 6_270_840, 879_516_800, 137, '911363337b67a9f3'],
]);

// Of a PyTorch model written from table 1, with the authors' rule of widths: sums over its layers by hooks.
test.each([
  [{ size: 192 }, 4_231_976, 418_121_728],
  [{ size: 160 }, 4_231_976, 290_675_200],
  [{ size: 128 }, 4_231_976, 186_400_768],
  [{ width: 0.75 }, 2_585_560, 325_400_448],
  // 106,002,432 for the layers of the authors' table, and 768,000 for the classifier.
  [{ width: 0.75, size: 128 }, 2_585_560, 106_002_432 + 768_000],
  [{ width: 0.5 }, 1_331_592, 149_497_088],
  [{ width: 0.25 }, 470_072, 41_030_272],
  [{ width: 0.25, size: 128 }, 470_072, 13_570_048],
] as const)('%j has %i parameters and %i mult-adds', (options, parameters, multAdds) => {
  expect(facts('mobilenetv1', options).count).toMatchObject({ parameters, multAdds, uncounted: [] });
});

describe('layout', () => {
  goldenTest('a narrow MobileNet with weights of PyTorch gives its output', async () => {
    const folder = golden('onnx-export', 'mobilenet_v1');
    const model = mobileNetV1({ size: 48, classes: 10, layout, activation: 'relu' });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`, timmName));
    await expectGoldenOutput(folder, model);
  });

  test('of other figures does not pass for the published one', () => {
    expect(zooProvenance(mobileNetV1({ layout }))?.arch).toBe('mobilenetv1-custom');
    expect(zooProvenance(mobileNetV1({ activation: 'relu' }))?.arch).toBe('mobilenetv1-custom');
    expect(() => mobileNetV1({ layout: { stem: 8, stages: [] } })).toThrow(
      /mobilenetv1: stages; expected at least one/,
    );
  });
});

/** The golden numbers its blocks through, and has a convolution and its normalization in a sequence. */
function timmName(name: string): string {
  const [first, block, ...rest] = name.split('.');
  if (first === 'fc') return `classifier.${block}`;
  const parameter = rest.at(-1);
  if (block === '0') return `${rest[0] === '0' ? 'conv_stem' : 'bn1'}.${parameter}`;
  let index = Number(block) - 1;
  const stage = layout.stages.findIndex(({ blocks }) => {
    if (index < blocks) return true;
    index -= blocks;
    return false;
  });
  const [conv, norm] = rest[0] === '0' ? ['conv_dw', 'bn1'] : ['conv_pw', 'bn2'];
  return `blocks.${stage}.${index}.${rest[1] === '0' ? conv : norm}.${parameter}`;
}

test('channels follow the authors: cut to integers, and at least 8', () => {
  const model = buildModel('mobilenetv1', { width: 0.1 });
  const channels = (name: string) => model.graph.find(name)?.shape?.[0];
  expect(channels('conv_stem.weight')).toBe(8);
  expect(channels('blocks.1.1.conv_pw.weight')).toBe(12);
  expect(channels('blocks.4.1.conv_pw.weight')).toBe(102);
});
