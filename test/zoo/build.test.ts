import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { PREPROCESS_KEY, parsePreprocess } from '../../src/base/preprocess.js';
import { countModel } from '../../src/onnx/count.js';
import { type Model, staticShape } from '../../src/onnx/index.js';
import { verifyModel } from '../../src/onnx/verify.js';
import {
  buildModel,
  cifarResNet,
  findEntry,
  isUntrained,
  makeDivisible,
  markTrained,
  mobileNetV2,
  mobileNetV3,
  resNet,
  type ZooOptions,
  zooProvenance,
} from '../../src/zoo/index.js';
import { normals, run, standardDeviation } from './support.js';

const CASES: readonly (readonly [string, ZooOptions])[] = [
  ['mobilenetv2', { size: 64 }],
  ['mobilenetv2', { width: 0.35, size: 96, classes: 5 }],
  ['mobilenetv2', { width: 1.4, size: 32, classes: 3 }],
  ['mobilenetv2', { width: 0.05, size: 33, classes: 1 }],
  ['mobilenetv2', { width: 0.25, stem: 'cifar', classes: 10 }],
  ['resnet20', {}],
  ['resnet20', { width: 0.25, size: 40, classes: 4 }],
  ['resnet20', { width: 0.3, size: 9, classes: 100, shortcut: 'B' }],
  ['resnet56', { shortcut: 'B' }],
  ['resnet110', { size: 16 }],
  ['resnet18', { size: 64, classes: 10 }],
  ['resnet34', { width: 0.25, size: 33, classes: 2, zeroGamma: true }],
  ['resnet50', { width: 0.1, size: 64, classes: 7 }],
  ['resnet101', { width: 0.1, size: 1, variant: 'v1' }],
  ['resnet152', { width: 0.05, size: 32 }],
  ['mobilenetv3large', { size: 64 }],
  ['mobilenetv3large', { width: 0.05, size: 33, classes: 1 }],
  ['mobilenetv3small', { width: 1.5, size: 32, classes: 3 }],
];

describe.each(CASES)('%s %j', (name, options) => {
  const model = buildModel(name, options);
  const provenance = zooProvenance(model);
  const size = provenance?.size ?? 0;

  test('is a valid model with every type known', () => {
    verifyModel(model);
    for (const node of model.graph.nodes)
      for (const output of node.outputs)
        expect(output.type, output.name).toMatchObject({ kind: 'tensor', dataType: 'float32' });
    expect(staticShape(model.graph.outputs[0].type)).toBeUndefined();
    expect(model.graph.outputs[0].type).toMatchObject({ shape: ['N', provenance?.classes] });
  });

  test('runs for any batch, with finite outputs', async () => {
    const y = await run(model, [2, 3, size, size], normals(2 * 3 * size * size, 1));
    expect(y.dims).toEqual([2, provenance?.classes]);
    expect(y.data.every(Number.isFinite)).toBe(true);
  });
});

describe('metadata', () => {
  test('provenance builds the same model again', () => {
    const model = buildModel('resnet20', { width: 0.5, seed: 7, shortcut: 'B' });
    const made = zooProvenance(model);
    expect(made).toEqual({
      arch: 'resnet20',
      width: 0.5,
      size: 32,
      classes: 10,
      seed: 7,
      shortcut: 'B',
      zeroGamma: false,
    });
    if (!made) return;
    const { width, size, classes, seed, shortcut = 'A', zeroGamma = true } = made;
    const again = buildModel(made.arch, { width, size, classes, seed, shortcut, zeroGamma });
    expect(digest(again)).toBe(digest(model));
  });

  test.each([
    ['resnet50', { width: 0.1, seed: 3, variant: 'v1', zeroGamma: true }],
    ['resnet18', { width: 0.2, zeroGamma: true }],
    ['mobilenetv3small', { width: 0.3, classes: 4, size: 40, seed: 2 }],
  ] as const)('provenance of %s holds every option', (name, options) => {
    const { defaults } = findEntry(name);
    const made = zooProvenance(buildModel(name, options));
    expect(made).toEqual({ arch: name, seed: 0, ...defaults, ...options });
  });

  test('a network of other stages or blocks does not pass for the published one', () => {
    const stages = [{ channels: 4, blocks: 1 }];
    expect(zooProvenance(resNet(18, { stages }))?.arch).toBe('resnet18-custom');
    expect(zooProvenance(mobileNetV3('small', { lastChannels: 8, blocks: [] }))?.arch).toBe(
      'mobilenetv3small-custom',
    );
    expect(() => resNet(50, { stages: [] })).toThrow(/resnet50: stages; expected at least one/);
  });

  test('a random base says so until it is trained', () => {
    const model = buildModel('resnet20', { width: 0.1 });
    expect(isUntrained(model)).toBe(true);
    markTrained(model);
    expect(isUntrained(model)).toBe(false);
    model.metadata.clear();
    expect(isUntrained(model)).toBe(false);
    expect(zooProvenance(model)).toBeUndefined();
  });

  test('damaged provenance is refused', () => {
    const model = buildModel('resnet20', { width: 0.1 });
    model.source = 'a.onnx';
    model.metadata.set('reparam.zoo', '{"arch": 3}');
    expect(() => zooProvenance(model)).toThrow(/reparam.zoo of a.onnx does not describe/);
    model.metadata.set('reparam.zoo', '{');
    expect(() => zooProvenance(model)).toThrow(/is not JSON/);
  });

  test.each([
    ['mobilenetv2', { size: 160 }, { size: 160, resize: 183, crop: 'center', mean: [0.485, 0.456, 0.406] }],
    [
      'mobilenetv2',
      { stem: 'cifar' },
      { size: 32, resize: null, crop: 'none', mean: [0.4914, 0.4822, 0.4465] },
    ],
    ['resnet20', {}, { size: 32, resize: null, crop: 'none', mean: [0.4914, 0.4822, 0.4465] }],
    ['resnet50', {}, { size: 224, resize: 256, crop: 'center', std: [0.229, 0.224, 0.225] }],
    ['mobilenetv3large', {}, { size: 224, resize: 256, interpolation: 'bilinear', channels: 'RGB' }],
  ] as const)('%s %j carries its preprocessing', (name, options, expected) => {
    const json = buildModel(name, { width: 0.1, ...options }).metadata.get(PREPROCESS_KEY) ?? '';
    expect(parsePreprocess(json, 'metadata')).toMatchObject(expected);
  });
});

function digest(model: Model): string {
  const hash = createHash('sha256');
  for (const v of model.graph.initializers) hash.update(v.name).update(v.initializer?.bytes() ?? '');
  return hash.digest('hex').slice(0, 16);
}

describe('initial weights', () => {
  // The values themselves: a machine or a Node version that computes others fails here.
  test('are the same everywhere, and a function of the seed', () => {
    expect(digest(buildModel('mobilenetv2', { width: 0.35 }))).toMatchInlineSnapshot(`"f8d968e24c0566c6"`);
    expect(digest(buildModel('resnet20'))).toMatchInlineSnapshot(`"aa6871b2b96318fe"`);
    expect(digest(buildModel('resnet20', { seed: 1 }))).not.toBe(digest(buildModel('resnet20')));
  });

  test('have the spread that is stated', () => {
    const mobile = mobileNetV2();
    const std = (model: Model, name: string): number => {
      const data = model.graph.find(name)?.constant?.typed();
      if (!(data instanceof Float32Array)) throw new Error(name);
      return standardDeviation(data);
    };
    // kaiming_normal, fan_out: sqrt(2 / (O k k)); groups do not count.
    expect(std(mobile, 'features.18.0.weight')).toBeCloseTo(Math.sqrt(2 / 1280), 3);
    expect(std(mobile, 'features.15.conv.1.0.weight')).toBeCloseTo(Math.sqrt(2 / (960 * 9)), 3);
    expect(std(mobile, 'classifier.1.weight')).toBeCloseTo(0.01, 4);
    // fan_in: sqrt(2 / (I k k))
    expect(std(cifarResNet(20), 'layer3.1.conv1.weight')).toBeCloseTo(Math.sqrt(2 / (64 * 9)), 3);
    const deep = resNet(50);
    expect(std(deep, 'layer4.0.conv1.weight')).toBeCloseTo(Math.sqrt(2 / 1024), 3);
    expect(std(deep, 'layer4.0.conv2.weight')).toBeCloseTo(Math.sqrt(2 / (512 * 9)), 3);
    expect(std(deep, 'fc.weight')).toBeCloseTo(Math.sqrt(2 / 2048), 3);
    const small = mobileNetV3('small');
    expect(std(small, 'features.11.block.2.fc1.weight')).toBeCloseTo(Math.sqrt(2 / 144), 2);
    expect(std(small, 'features.11.block.1.0.weight')).toBeCloseTo(Math.sqrt(2 / (576 * 25)), 3);
    expect(std(small, 'classifier.0.weight')).toBeCloseTo(0.01, 4);
  });

  // Activations before the classifier average about 0.5 (clipped normals): its weights make sqrt(1280) · 0.01 · 0.5 = 0.2.
  // A residual sum adds the variance of its branch, 1 per block and stage; the classifier's weights double it.
  test.each([
    ['mobilenetv2', { size: 64 }, 0.1, 0.5],
    ['resnet20', {}, 0.3, Math.sqrt(2 * 9)],
    ['resnet110', {}, 0.3, Math.sqrt(2 * 54)],
    // The last stage starts its sum anew, with its projection: 2, 3 and 4 terms.
    ['resnet18', { size: 64 }, 0.3, Math.sqrt(2 * 4)],
    ['resnet50', { size: 64, width: 0.25 }, 0.3, Math.sqrt(2 * 5)],
    // Two layers of std 0.01 after hard swish: small logits.
    ['mobilenetv3large', { size: 64 }, 0.005, 0.5],
  ] as const)('%s keeps activations in scale in training', async (name, options, least, most) => {
    const model = buildModel(name, options);
    useBatchStatistics(model);
    const size = zooProvenance(model)?.size ?? 0;
    const y = await run(model, [8, 3, size, size], normals(8 * 3 * size * size, 2));
    expect(standardDeviation(y.data)).toBeGreaterThan(least);
    expect(standardDeviation(y.data)).toBeLessThan(most);
  });
});

/** BatchNormalization as in training: by the mean and variance of the batch. */
function useBatchStatistics({ graph }: Model): void {
  for (const node of graph.nodes.filter((n) => n.opType === 'BatchNormalization')) {
    const names = ['y', 'mean', 'var'].map((n) => `${node.name}.${n}`);
    const attributes = { training_mode: 1, epsilon: { float: node.float('epsilon', 0) } };
    const trained = graph.addNode(
      { opType: node.opType, inputs: [...node.inputs], outputs: names, attributes },
      { before: node },
    );
    graph.replaceUses(node.output(), trained.output());
    graph.removeNode(node);
  }
}

describe('make_divisible', () => {
  test.each([
    [32 * 0.35, 16],
    [16 * 0.35, 8],
    [24 * 0.75, 24],
    [24 * 1.4, 32],
    [32 * 1.4, 48],
    [1280 * 1.4, 1792],
    [1, 8],
  ])('%f → %i (values of the published networks)', (value, channels) => {
    expect(makeDivisible(value)).toBe(channels);
  });
});

test('MobileNetV2: strides of both stems', () => {
  const sides = (options: ZooOptions): (number | undefined)[] =>
    countModel(mobileNetV2({ width: 0.1, ...options }))
      .layers.filter((l) => l.op === 'Conv')
      .map((l) => Number(l.outputShape?.[2]))
      .filter((side, i, all) => side !== all[i - 1]);
  expect(sides({ size: 224 })).toEqual([112, 56, 28, 14, 7]);
  expect(sides({ stem: 'cifar' })).toEqual([32, 16, 8, 4]);
});

test('shortcut A takes every second pixel and pads channels evenly', () => {
  const { graph } = cifarResNet(20);
  const pad = graph.nodes.find((n) => n.name === 'layer2.0.shortcut.pad');
  expect(pad?.input(1).constant?.typed()).toEqual(BigInt64Array.from([0n, 8n, 0n, 0n, 0n, 8n, 0n, 0n]));
  expect(pad?.input(0).producer?.opType).toBe('Slice');
  expect(graph.nodes.filter((n) => n.opType === 'Pad')).toHaveLength(2);
});

describe('ResNet', () => {
  const strides = (options: ZooOptions): (number | undefined)[] => {
    const { graph } = buildModel('resnet50', { width: 0.05, ...options });
    const node = (name: string) => graph.nodes.find((n) => n.name === `layer2.0.${name}`);
    return ['conv1', 'conv2', 'conv3', 'downsample.0'].map((name) => node(name)?.ints('strides')?.[0]);
  };

  test('v1.5 has the stride in the 3x3 convolution, v1 in the first 1x1', () => {
    expect(strides({})).toEqual([1, 2, 1, 2]);
    expect(strides({ variant: 'v1.5' })).toEqual([1, 2, 1, 2]);
    expect(strides({ variant: 'v1' })).toEqual([2, 1, 1, 2]);
  });

  test.each([
    ['resnet20', 'bn2', 9],
    ['resnet18', 'bn2', 8],
    ['resnet50', 'bn3', 16],
  ])('zeroGamma starts the last scale of each block of %s at 0, and no other', (name, last, blocks) => {
    const scales = (zeroGamma: boolean) => {
      const { graph } = buildModel(name, { width: 0.05, zeroGamma });
      return graph.nodes
        .filter((n) => n.opType === 'BatchNormalization')
        .map((n) => [n.name, Number(n.input(1).constant?.typed()[0])] as const);
    };
    const zero = scales(true).filter(([, scale]) => scale === 0);
    expect(zero).toHaveLength(blocks);
    expect(zero.every(([node]) => node.endsWith(`.${last}`))).toBe(true);
    expect(scales(false).every(([, scale]) => scale === 1)).toBe(true);
  });
});

test('MobileNetV3 normalizes with the ε and decay of its authors', () => {
  const { graph } = mobileNetV3('small', { width: 0.1 });
  for (const node of graph.nodes.filter((n) => n.opType === 'BatchNormalization')) {
    expect(node.float('epsilon', 0)).toBeCloseTo(0.001, 8);
    expect(node.float('momentum', 0)).toBeCloseTo(0.99, 6);
  }
});
