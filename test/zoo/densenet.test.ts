import { describe, expect, test } from 'vitest';
import { buildModel, denseNet, zooProvenance } from '../../src/zoo/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { expectGoldenOutput, exportedWeights, factsOf, fill, namesDigest } from './support.js';

// Two blocks: the graph of a training step of all 121 layers takes minutes to open on a busy machine.
checkNetwork({
  name: 'densenet121',
  options: { size: 32 },
  build: (options) => denseNet(121, { ...options, layout: { growth: 4, stem: 8, blocks: [2, 2] } }),
});

/** Recorded from torchvision 0.28.0 as in published.test.ts. */
test.each([
  ['densenet121', {}, 7_978_856, 2_834_161_664, 606, '9de4aad2d5fb03ee'],
  ['densenet161', {}, 28_681_000, 7_727_907_072, 806, 'b02a66be70121357'],
  ['densenet169', {}, 14_149_480, 3_359_843_328, 846, 'b335f57fc820a526'],
  ['densenet201', {}, 20_013_928, 4_291_365_888, 1006, '68d604ef7a9345d1'],
  ['densenet121', { size: 160, classes: 10 }, 6_964_106, 1_445_488_640, 606, 'dfad499d02f27b75'],
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
  const layout = { growth: 8, stem: 12, blocks: [2, 3, 2] } as const;

  goldenTest("a narrow DenseNet with torchvision's weights gives its output", async () => {
    const folder = golden('onnx-export', 'densenet_tiny');
    const model = denseNet(121, { size: 48, classes: 10, layout, bottleneck: 2 });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`));
    await expectGoldenOutput(folder, model);
  });

  test('of other figures does not pass for the published one', () => {
    expect(zooProvenance(denseNet(121, { layout }))?.arch).toBe('densenet121-custom');
    expect(zooProvenance(denseNet(121, { width: 0.1, bottleneck: 2 }))?.arch).toBe('densenet121-custom');
    expect(() => denseNet(121, { layout: { ...layout, blocks: [] } })).toThrow(
      /densenet121: blocks; expected at least one/,
    );
  });
});
