import { describe, expect, test } from 'vitest';
import { AUXILIARY_KEY } from '../../src/base/auxiliary.js';
import { cloneModel, inferTypes, type Model, tensorType } from '../../src/onnx/index.js';
import {
  buildModel,
  findEntry,
  type GoogLeNetModule,
  type GoogLeNetOptions,
  googLeNet,
} from '../../src/zoo/index.js';
import { readNpy } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkNetwork } from './check-network.js';
import { checkRecorded, facts } from './facts.js';
import { expectGoldenOutput, exportedWeights, fill, float32, run } from './support.js';

checkRecorded('recorded from torchvision 0.28.0, and from PyTorch models written from the paper', [
  ['googlenet', {}, 6_998_552, 1_582_671_872, 116, 'b9d0f7f12275e3ce'],
  ['googlenet', { aux: true }, 13_378_280, 1_591_044_096, 128, '3d5a7c05736017cd'],
  ['googlenet-bn', {}, 7_005_832, 1_582_671_872, 287, 'e9059ce206ba730d'],
  ['googlenet-bn', { aux: true }, 13_385_816, 1_591_044_096, 305, '4053ffaa54b63fe8'],
  ['googlenet-torchvision', {}, 6_624_904, 1_498_376_192, 287, '0023758f57ab4b64'],
  ['googlenet-torchvision', { aux: true }, 13_004_888, 1_506_748_416, 305, '8602570acd8b879d'],
  ['study-googlenet', {}, 6_994_392, 1_569_826_816, 114, '750b8497b8829452'],
  ['study-googlenet', { aux: true }, 13_374_120, 1_578_199_040, 126, '190613a781faa0e7'],
]);

test('a 1x1 reduction to 16 channels saves nine tenths of the 5x5 branch of module 3a', () => {
  const branch = facts('googlenet').count.layers.filter((l) => l.name.startsWith('inception3a.branch3.'));
  expect(branch.reduce((sum, l) => sum + (l.multAdds ?? 0), 0)).toBe(12_443_648);
  // Without it, the 5x5 reads all 192 channels.
  const [reduction, five] = branch.filter((l) => l.op === 'Conv');
  expect(((five.multAdds ?? 0) / 16) * 192).toBe(120_422_400);
  expect(reduction.outputShape).toEqual([1, 16, 28, 28]);
});

describe('auxiliary classifiers', () => {
  test('are outputs of their own, with dropout, and weigh 0.3', () => {
    const model = buildModel('googlenet', { aux: true, width: 0.1, size: 96, classes: 7 });
    expect(model.graph.outputs.map((v) => v.name)).toEqual(['logits', 'aux1', 'aux2']);
    expect(JSON.parse(model.metadata.get(AUXILIARY_KEY) ?? '')).toEqual(findEntry('googlenet').auxiliary);
    expect(findEntry('googlenet').auxiliary?.map((a) => a.weight)).toEqual([0.3, 0.3]);
    const dropped = model.graph.nodes.filter((n) => n.opType === 'Dropout');
    expect(dropped.map((n) => [n.name, n.inputs[1]?.initializer?.typed()[0]])).toEqual([
      ['dropout', Math.fround(0.4)],
      ['aux1.dropout', Math.fround(0.7)],
      ['aux2.dropout', Math.fround(0.7)],
    ]);
    expect(buildModel('googlenet', { width: 0.1, size: 96 }).metadata.has(AUXILIARY_KEY)).toBe(false);
  });

  test('need maps of 5 pixels', () => {
    expect(() => buildModel('googlenet', { aux: true, size: 64 })).toThrow(
      /means of 5x5 windows; found a map of 4 pixels from an image of 64\n {2}take larger images/,
    );
  });
});

/** The goldens' narrow network: torchvision's modules, but for the 5x5 of the paper, under other names. */
const MODULES: readonly GoogLeNetModule[] = [
  { name: 'inception3a', channels: [8, 8, 12, 4, 6, 6], pool: 3 },
  { name: 'inception3b', channels: [12, 8, 14, 4, 8, 6] },
  { name: 'inception4a', channels: [12, 8, 16, 4, 8, 8], pool: 3, aux: 'aux1' },
  { name: 'inception4b', channels: [12, 8, 16, 4, 8, 8], aux: 'aux2' },
  { name: 'inception5a', channels: [16, 8, 16, 4, 8, 8], pool: 2 },
];

const NARROW: GoogLeNetOptions = {
  kernel: 5,
  size: 64,
  classes: 10,
  stemChannels: [8, 8, 16],
  modules: MODULES,
  head: { channels: 8, hidden: 24, grid: 2 },
  epsilon: 1e-5,
};

/** conv1.0 → conv1.conv, i3a.b2.1.1 → inception3a.branch2.1.bn */
const torchvisionName = (name: string): string =>
  name
    .replace(/^i(\d[a-e])\.b(\d)\./, 'inception$1.branch$2.')
    .replace(/\.0\.(\w+)$/, '.conv.$1')
    .replace(/\.1\.(\w+)$/, '.bn.$1');

describe('narrow variants with weights of PyTorch give its outputs', () => {
  goldenTest('with auxiliary classifiers', async () => {
    const folder = golden('onnx-export', 'googlenet_aux');
    const model = googLeNet('googlenettorchvision', { ...NARROW, aux: true });
    fill(model, exportedWeights(`${folder}/script17_evalbn.onnx`, torchvisionName));
    await expectGoldenOutput(folder, model);
    const input = readNpy(`${folder}/input.npy`);
    for (const name of ['aux1', 'aux2']) {
      const head = alone(model, name);
      const y = await run(head, input.dims, float32(input.data));
      const expected = float32(readNpy(`${folder}/${name}.npy`).data);
      expectClose(y.data, expected, { absolute: 1e-4 }, name);
    }
  });

  goldenTest('images of 61x75', async () => {
    const folder = golden('onnx-export', 'googlenet_oddsize');
    const model = googLeNet('googlenettorchvision', NARROW);
    const weights = exportedWeights(`${folder}/script17_train.onnx`, torchvisionName);
    fill(model, new Map([...weights].filter(([name]) => !name.startsWith('aux'))));
    takeImages(model, 61, 75);
    await expectGoldenOutput(folder, model);
  });
});

/** The model with one of its outputs alone. */
function alone(model: Model, name: string): Model {
  const copy = cloneModel(model);
  for (const output of copy.graph.outputs.filter((v) => v.name !== name)) copy.graph.removeOutput(output);
  return copy;
}

/** Nothing in the network without auxiliary classifiers depends on the size of its input. */
function takeImages(model: Model, height: number, width: number): void {
  model.graph.inputs[0].type = tensorType('float32', ['N', 3, height, width]);
  for (const node of model.graph.nodes) for (const output of node.outputs) output.type = undefined;
  const { types } = inferTypes(model);
  for (const node of model.graph.nodes) for (const output of node.outputs) output.type = types.get(output);
}

// The loss has the metadata's weights of aux1 and aux2.
for (const [name, size, lr] of [
  ['googlenet', 96, 0.01],
  ['googlenettorchvision', 64, 3e-5],
] as const)
  checkNetwork({ name, options: { aux: true, width: 0.125, size }, lr });
checkNetwork({ name: 'studygooglenet', options: { width: 0.125, size: 48 }, lr: 0.01 });
checkNetwork({ name: 'googlenetbn', options: { width: 0.125, size: 48 }, lr: 1e-4 });
