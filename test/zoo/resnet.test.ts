import { describe, expect, test } from 'vitest';
import { decodeModel, encodeModel, UNUSED_PARAMETERS_KEY } from '../../src/onnx/index.js';
import { buildModel, cifarResNet } from '../../src/zoo/index.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded, facts } from './facts.js';
import { factsOf, namesDigest, normals, run } from './support.js';

// ResNet-18/34/50 with torchvision's module names and these shortcuts, in PyTorch 2.13.
checkRecorded('shortcuts, as recorded from a PyTorch model written from the paper', [
  ['plain18', {}, 11_515_688, 1_794_805_760, 87, 'd54b8c715760b7e9'],
  ['plain34', {}, 21_623_848, 3_644_493_824, 167, '50d63f7598f7ba06'],
  ['resnet18', { shortcut: 'A' }, 11_515_688, 1_794_805_760, 87, 'd54b8c715760b7e9'],
  ['resnet34', { shortcut: 'A' }, 21_623_848, 3_644_493_824, 167, '50d63f7598f7ba06'],
  ['resnet50', { shortcut: 'A' }, 22_780_456, 3_729_522_688, 247, 'b8953356d2fbc487'],
  ['resnet18', { shortcut: 'C' }, 12_043_816, 1_878_298_624, 127, '2f66ebc33439d0ac'],
  ['resnet34', { shortcut: 'C' }, 22_716_840, 3_830_747_136, 247, 'a3efae7c7a7b938e'],
  ['resnet50', { shortcut: 'C' }, 40_128_552, 6_555_435_008, 327, '464d4470c1eb10ab'],
]);

// A projection in every block, applied or not; max pool 3/2 with ceil and no padding; stride in the first 1x1.
checkRecorded('study networks, as recorded from a PyTorch model', [
  ['studyresnet18', {}, 12_043_816, 1_814_073_344, 127, '2f66ebc33439d0ac'],
  ['studyresnet34', {}, 22_716_840, 3_663_761_408, 247, 'a3efae7c7a7b938e'],
  ['studyresnet34', { shortcut: 'C' }, 22_716_840, 3_830_747_136, 247, 'a3efae7c7a7b938e'],
  ['studyresnet50', {}, 40_128_552, 6_324_224_000, 327, '464d4470c1eb10ab'],
  ['studyresnet50', { shortcut: 'B' }, 40_128_552, 3_857_973_248, 327, '464d4470c1eb10ab'],
  ['studyresnet101', {}, 76_981_288, 13_530_300_416, 667, '9ad716367d411563'],
  ['studyresnet152', {}, 107_335_720, 20_736_376_832, 1007, 'f2c7a5c7fb8dbe00'],
]);

describe('projections that are registered but not applied', () => {
  test('are counted apart from the parameters in use', () => {
    const { count } = facts('studyresnet34');
    expect(count.parameters).toBe(21_797_672);
    // Blocks without a change of dims: 3 of 64 channels, 3 of 128, 5 of 256, 2 of 512; a 1x1 kernel and γ, β each.
    const projection = (c: number): number => c * c + 2 * c;
    expect(count.unusedParameters).toBe(
      3 * projection(64) + 3 * projection(128) + 5 * projection(256) + 2 * projection(512),
    );
    expect(facts('studyresnet34', { shortcut: 'C' }).count.unusedParameters).toBe(0);
  });

  test('stay in the file, marked in its metadata', () => {
    const model = buildModel('studyresnet18', { width: 0.1, size: 32 });
    const again = decodeModel(encodeModel(model));
    expect(namesDigest(factsOf(again))).toBe(namesDigest(factsOf(model)));
    expect(factsOf(again).count).toEqual(factsOf(model).count);
    expect(factsOf(again).count.unusedParameters).toBeGreaterThan(0);
    again.metadata.set(UNUSED_PARAMETERS_KEY, '{"a":1}');
    expect(() => factsOf(again)).toThrow(
      /metadata reparam\.unused-parameters.*expected a JSON list of names/s,
    );
  });
});

test('without its branches a network of A shortcuts takes every second pixel and appends zeros', async () => {
  // γ of each block's last normalization is 0: what remains of layer2 to layer4 are their shortcuts.
  const options = { width: 0.0625, size: 64, classes: 32, shortcut: 'A', zeroGamma: true } as const;
  const model = buildModel('resnet18', options);
  const stem = buildModel('resnet18', options);
  for (const built of [model, stem]) {
    built.graph.removeOutput(built.graph.outputs[0]);
    const of = built === model ? 'layer4.1.relu' : 'layer1.1.relu';
    const output = built.graph.nodes.find((n) => n.name === of)?.outputs[0];
    if (!output) throw new Error(`no ${of}`);
    built.graph.addOutput(output);
  }
  const x = normals(3 * 64 * 64, 3);
  const before = await run(stem, [1, 3, 64, 64], x);
  const after = await run(model, [1, 3, 64, 64], x);
  expect(before.dims).toEqual([1, 4, 16, 16]);
  expect(after.dims).toEqual([1, 32, 2, 2]);
  const expected = new Float32Array(32 * 4);
  for (let c = 0; c < 4; c++)
    for (let h = 0; h < 2; h++)
      for (let w = 0; w < 2; w++) expected[(c * 2 + h) * 2 + w] = before.data[(c * 16 + 8 * h) * 16 + 8 * w];
  expect(after.data).toEqual(expected);
});

test('CIFAR ResNets take no shortcut C', () => {
  expect(() => cifarResNet(20, { shortcut: 'C' })).toThrow(/shortcut; expected A or B; found C/);
  expect(() => buildModel('studyresnet18', { shortcut: 'A' })).toThrow(/shortcut; expected B or C; found A/);
});

for (const [name, options] of [
  ['plain18', {}],
  ['resnet18', { shortcut: 'A' }],
  ['studyresnet18', {}],
  ['studyresnet50', {}],
] as const)
  checkNetwork({ name, options: { ...options, width: 0.125, size: 32 }, lr: 0.005 });
