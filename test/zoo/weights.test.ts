import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { describe, expect, test } from 'vitest';
import { InputError, UsageError } from '../../src/base/errors.js';
import { type Model, sizeOf, Tensor } from '../../src/onnx/index.js';
import {
  buildFromWeights,
  buildModel,
  fillFromCheckpoint,
  findEntry,
  guessNaming,
  isUntrained,
  type Naming,
  nameMap,
  WEIGHT_SOURCES,
  type ZooOptions,
} from '../../src/zoo/index.js';
import { expectClose } from '../support/close.js';
import { formulaWeight, uniform } from '../support/formula.js';
import { goldenTest, sharedFile } from '../support/goldens.js';
import { type Recorded, recorded } from './recorded-names.js';
import { run } from './support.js';

const CLASSES = 10;

function namingOf(source: string, name: string): Naming {
  if (source === 'keras') return 'keras';
  if (source === 'torchvision') return 'torchvision';
  return name.startsWith('tf_') ? 'timm-tf' : 'timm';
}

function build(network: string, options: ZooOptions): Model {
  return buildModel(network, { ...options, classes: CLASSES });
}

function fanIn(dims: readonly number[], naming: Naming): number {
  if (naming !== 'keras') return sizeOf(dims.slice(1));
  return sizeOf(dims.length === 4 && dims[3] === 1 ? dims.slice(0, 2) : dims.slice(0, -1));
}

function formulaWeights(tensors: Recorded[2], naming: Naming): Map<string, Tensor> {
  return new Map(tensors.map(([name, dims]) => [name, formulaWeight(name, dims, fanIn(dims, naming))]));
}

function parameters(model: Model): Set<string> {
  return new Set([...model.graph.initializers].map((v) => v.name).filter((n) => !n.startsWith('const/')));
}

/** Zeros without memory of their own, under the recorded names. */
function zeros(tensors: Recorded[2]): Map<string, Tensor> {
  return new Map(
    tensors.map(([name, dims]) => [name, Tensor.lazyFloat32(dims, () => new Float32Array(sizeOf(dims)))]),
  );
}

describe.each(['torchvision', 'timm', 'keras'])('names and dims of %s', (source) => {
  test.each(recorded(source))('%s', (name, [network, options, tensors]) => {
    const model = build(network, options);
    const entry = findEntry(network);
    const naming = namingOf(source, name);
    const weights = zeros(tensors);
    // Nothing is left over on either side, or this throws.
    const filled = fillFromCheckpoint(model, entry, weights, naming);
    expect(parameters(filled)).toEqual(parameters(model));
    const guessed = guessNaming(entry, weights, parameters(model), `${name}.safetensors`);
    // Where two packages have the same names, the first is as good.
    if (guessed !== naming) expect(nameMap(entry, guessed ?? 'zoo')).toEqual(nameMap(entry, naming));
  });
});

test('every published file that has named weights is of a recorded network', () => {
  const lists = new Map(['torchvision', 'timm', 'keras'].map((source) => [source, recorded(source)]));
  const key = (network: string, { width = 1, variant }: ZooOptions): string =>
    `${network} ${width} ${variant}`;
  const missing = WEIGHT_SOURCES.filter(({ source, network, options, content }) => {
    const known = lists.get(source)?.some(([, [name, its]]) => key(name, its) === key(network, options));
    return content === 'weights' && !known;
  });
  expect(missing.map(({ source, tag }) => `${source} ${tag}`)).toEqual([]);
});

/** The recorded names of one network in another spelling: all must still be found. */
function fillRenamed(source: Naming, name: string, spelling: (name: string) => string): void {
  const [, recording] = recorded(source).find(([n]) => n === name) ?? [];
  if (!recording) throw new Error(`${name} is not recorded`);
  const [network, options, tensors] = recording;
  const renamed = tensors.map(([n, dims]) => [spelling(n), dims] as const);
  expect(renamed).not.toEqual(tensors);
  fillFromCheckpoint(build(network, options), findEntry(network), zeros(renamed), source);
}

describe('older spellings in published files', () => {
  test('Keras 1 repeats the layer and says W and b', () => {
    fillRenamed('keras', 'VGG16', (name) =>
      name.replace(/^(\w+)\/kernel$/, '$1/$1_W_1').replace(/^(\w+)\/bias$/, '$1/$1_b_1'),
    );
  });

  test('Keras 2 has slashes and capitals in MobileNetV3', () => {
    const spelling = (name: string): string =>
      name
        .replace(/_bn\//, '/BatchNorm/')
        .replace(/^(expanded_conv(?:_\d+)?)_(expand|depthwise|project|squeeze_excite)/, '$1/$2')
        .replace(/squeeze_excite_conv/, 'squeeze_excite/Conv')
        .replace(/^conv/, 'Conv')
        .replace(/^logits/, 'Logits');
    expect(spelling('expanded_conv_3_squeeze_excite_conv_1/kernel')).toBe(
      'expanded_conv_3/squeeze_excite/Conv_1/kernel',
    );
    fillRenamed('keras', 'MobileNetV3Small', spelling);
  });

  test("torchvision's DenseNets number layers behind a dot", () => {
    fillRenamed('torchvision', 'densenet121', (name) =>
      name.replace(/(denselayer\d+\.(?:norm|conv))([12])/, '$1.$2'),
    );
  });

  test('GoogLeNet without its auxiliary classifiers leaves those of the file', () => {
    const [, recording] = recorded('torchvision').find(([n]) => n === 'googlenet') ?? [];
    const tensors = recording?.[2] ?? [];
    const model = build('googlenettorchvision', {});
    const entry = findEntry('googlenettorchvision');
    const filled = fillFromCheckpoint(model, entry, zeros(tensors), 'torchvision');
    expect(parameters(filled)).toEqual(new Set(tensors.map(([n]) => n).filter((n) => !n.startsWith('aux'))));
  });
});

describe.each(['timm', 'keras'])('outputs of %s', (source) => {
  test.each(recorded(source).filter(([, [, , , outputs]]) => outputs))(
    '%s',
    async (name, [network, options, tensors, outputs]) => {
      if (!outputs) throw new Error('no outputs');
      const [size, logits] = outputs;
      const naming = namingOf(source, name);
      const entry = findEntry(network);
      const model = build(network, { ...options, size });
      const filled = fillFromCheckpoint(model, entry, formulaWeights(tensors, naming), naming);
      expect(isUntrained(filled)).toBe(false);
      expect(isUntrained(model)).toBe(true);
      const image = Float32Array.from(uniform('images', 2 * 3 * size * size));
      const y = await run(filled, [2, 3, size, size], image);
      const scale = logits.reduce((m, v) => Math.max(m, Math.abs(v)), 0);
      expectClose(y.data, Float32Array.from(logits), { absolute: 2e-5 * scale }, name);
    },
    60_000,
  );
});

goldenTest("ResNet-20's published file classifies CIFAR-10 as its export does", async () => {
  const { model, naming } = await buildFromWeights(
    'resnet20',
    {},
    sharedFile('checkpoints/resnet-cifar10-pytorch/resnet20-12fca82f.th'),
  );
  expect(naming).toBe('zoo');
  const images = 500;
  // A label, then 32x32 red, green and blue.
  const records = gunzipSync(readFileSync(sharedFile('data/cifar10/test_batch.bin.gz')));
  const [means, deviations] = [
    [0.485, 0.456, 0.406],
    [0.229, 0.224, 0.225],
  ];
  const x = new Float32Array(images * 3 * 1024);
  for (let i = 0; i < images; i++)
    for (let j = 0; j < 3072; j++) {
      const channel = j >> 10;
      x[i * 3072 + j] = (records[i * 3073 + 1 + j] / 255 - means[channel]) / deviations[channel];
    }
  const y = await run(model, [images, 3, 32, 32], x);
  let correct = 0;
  for (let i = 0; i < images; i++) {
    const logits = y.data.subarray(10 * i, 10 * i + 10);
    if (logits.indexOf(Math.max(...logits)) === records[i * 3073]) correct++;
  }
  // As counted with the exported network in Python's onnxruntime; of all 10,000 it is 9,173.
  expect(correct).toBe(455);
});

describe('what does not fit', () => {
  const entry = findEntry('resnet20');
  const model = buildModel('resnet20');
  const whole = new Map(
    [...model.graph.initializers].flatMap((v) =>
      v.initializer && !v.name.startsWith('const/') ? [[v.name, v.initializer] as const] : [],
    ),
  );

  function fill(weights: ReadonlyMap<string, Tensor>): Model {
    return fillFromCheckpoint(model, entry, weights, 'zoo', { file: 'net.pth' });
  }

  function failure(weights: ReadonlyMap<string, Tensor>): InputError {
    try {
      fill(weights);
    } catch (error) {
      if (error instanceof InputError) return error;
    }
    throw new Error('no InputError');
  }

  test('is listed whole: what the file has too much, what it lacks, and what has other dims', () => {
    const weights = new Map(whole);
    weights.delete('bn1.weight');
    weights.set('extra.weight', Tensor.float32([2], [0, 0]));
    weights.set('conv1.weight', Tensor.float32([16, 3, 5, 5], new Float32Array(1200)));
    weights.set('bn1.bias', Tensor.int64([16], new BigInt64Array(16)));
    const error = failure(weights);
    expect(error.message).toMatch(/^the weights of net\.pth are not those of resnet20/);
    expect(error.facts.details).toEqual([
      '2 that do not fit:',
      '  conv1.weight [16,3,5,5] float32 for conv1.weight [16,3,3,3] float32',
      '  bn1.bias [16] int64 for bn1.bias [16] float32',
      '1 that resnet20 does not have:',
      '  extra.weight [2]',
      '1 of resnet20 that the file does not have:',
      '  bn1.weight [16]',
    ]);
  });

  test('is shortened in the message, never in the details', () => {
    const error = failure(new Map([...whole].slice(50)));
    expect(error.message).toMatch(/50 of resnet20 that the file does not have: .* … and 44 more/);
    expect(error.facts.details).toHaveLength(51);
  });

  test('another number of classes is said so', () => {
    const weights = new Map(whole);
    weights.set('linear.weight', Tensor.float32([100, 64], new Float32Array(6400)));
    weights.set('linear.bias', Tensor.float32([100], new Float32Array(100)));
    expect(failure(weights).message).toMatch(
      /has 100 classes, the network 10: reparam zoo build resnet20 --classes 100/,
    );
  });

  test('prefixes that all names share are taken off, and counters are ignored', () => {
    const weights = new Map([...whole].map(([name, tensor]) => [`module.model.${name}`, tensor]));
    weights.set('module.model.bn1.num_batches_tracked', Tensor.int64([], [3]));
    expect(parameters(fill(weights))).toEqual(parameters(model));
    // Here one name has no prefix, so it is part of the others' names.
    const mixed = new Map(weights);
    mixed.set('bn1.weight', Tensor.float32([16], new Float32Array(16)));
    expect(failure(mixed).message).toMatch(/96 of resnet20/);
  });

  test('a package that does not have the network', () => {
    expect(() => fillFromCheckpoint(model, entry, whole, 'keras')).toThrow(UsageError);
    expect(guessNaming(entry, new Map([['a', Tensor.float32([1], [0])]]), parameters(model))).toBeUndefined();
    expect(guessNaming(entry, whole, parameters(model))).toBe('zoo');
  });

  test('halves and doubles become float32, to the nearest value', () => {
    const weights = new Map(whole);
    weights.set('bn1.weight', Tensor.float64([16], new Float64Array(16).fill(0.1)));
    weights.set(
      'bn1.bias',
      Tensor.raw('float16', [16], new Uint8Array(new Uint16Array(16).fill(0x3e00).buffer)),
    );
    weights.set(
      'bn1.running_mean',
      Tensor.raw('bfloat16', [16], new Uint8Array(new Uint16Array(16).fill(0xbfc0).buffer)),
    );
    const filled = fill(weights);
    const value = (name: string) =>
      [...filled.graph.initializers].find((v) => v.name === name)?.initializer?.typed()[3];
    expect(value('bn1.weight')).toBe(Math.fround(0.1));
    expect(value('bn1.bias')).toBe(1.5);
    expect(value('bn1.running_mean')).toBe(-1.5);
  });
});
