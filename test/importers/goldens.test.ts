import { readFileSync } from 'node:fs';
import { describe, expect } from 'vitest';
import { InputError } from '../../src/base/errors.js';
import { readWeights } from '../../src/importers/index.js';
import { readSafetensors } from '../support/arrays.js';
import { golden, goldenTest, haveGoldens, sharedFile } from '../support/goldens.js';

interface Case {
  readonly file: string;
  readonly kind: string;
  readonly wrong: string;
  readonly expect: string;
}

const KINDS = ['safetensors', 'h5', 'keras'];
const cases: Case[] = haveGoldens
  ? readFileSync(golden('invalid', 'index.jsonl'), 'utf8')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line))
      .filter((c: Case) => KINDS.includes(c.kind))
  : [];

describe('malformed and hostile files', () => {
  goldenTest('there are some of every kind', () => {
    for (const kind of KINDS) expect(cases.filter((c) => c.kind === kind).length, kind).toBeGreaterThan(5);
  });

  for (const c of cases)
    goldenTest(`${c.file}: ${c.wrong}`, async () => {
      const read = readWeights(golden('invalid', c.file));
      if (c.expect === 'accept') expect((await read).tensors.size).toBeGreaterThan(0);
      else if (c.expect === 'error') await expect(read).rejects.toBeInstanceOf(InputError);
      else await read.catch((e: unknown) => expect(e).toBeInstanceOf(InputError));
    });
});

describe('published files', () => {
  goldenTest("ResNet-20's legacy checkpoint equals its safetensors copy, to the bit", async () => {
    const { tensors } = await readWeights(
      sharedFile('checkpoints/resnet-cifar10-pytorch/resnet20-12fca82f.th'),
    );
    const expected = readSafetensors(sharedFile('checkpoints/derived/resnet20_cifar10.safetensors'));
    expect(tensors.size).toBe(expected.size);
    for (const [name, { dims, data }] of expected) {
      const tensor = tensors.get(`module.${name}`);
      expect(tensor?.dims, name).toEqual(dims);
      expect(tensor?.typed(), name).toEqual(data);
    }
  });

  const counts: readonly [file: string, tensors: number][] = [
    ['mnist-burn/mnist.pt', 20],
    ['mnist-burn/mnist.safetensors', 20],
    ['blazeface-pytorch/blazeface.pth', 74],
    ['ultraface-rfb320/version-RFB-320.pth', 244],
    ['winml-cifar10/myFirstModel.pth', 30],
    ['mlperf-tiny-resnet8/pretrainedResnet.h5', 48],
    ['mini-xception-fer2013/fer2013_mini_XCEPTION.102-0.66.hdf5', 80],
  ];
  for (const [file, count] of counts)
    goldenTest(file, async () => {
      const { tensors } = await readWeights(sharedFile('checkpoints', file));
      expect(tensors.size).toBe(count);
    });

  goldenTest('ResNet-8 as .h5 of Keras 2 and .keras of Keras 3 has the same variables', async () => {
    const h5 = await readWeights(sharedFile('checkpoints/mlperf-tiny-resnet8/pretrainedResnet.h5'));
    const keras = await readWeights(sharedFile('checkpoints/derived/resnet8_cifar10.keras'));
    expect([...keras.tensors.keys()].sort()).toEqual([...h5.tensors.keys()].sort());
    for (const [name, tensor] of h5.tensors)
      expect(keras.tensors.get(name)?.typed(), name).toEqual(tensor.typed());
  });
});

describe('the same network in every container of Keras has the same variables', () => {
  const containers = ['model.h5', 'model_keras2.h5', 'weights_keras2.h5', 'model.keras', 'model.weights.h5'];
  const lenet = [
    'model_gzip.h5',
    'model_fletcher.h5',
    'model_latest.h5',
    'model_userblock.h5',
    'model_bigendian.h5',
  ];
  for (const network of ['lenet_seq', 'resnetish', 'densenetish', 'layers_misc'])
    goldenTest(network, async () => {
      const first = await readWeights(golden('tf', network, 'model_keras2.h5'));
      // Some normalizations of densenetish lack γ or β, and weights alone do not tell which.
      const told = containers.filter((file) => network !== 'densenetish' || file !== 'model.weights.h5');
      for (const file of [...told, ...(network === 'lenet_seq' ? lenet : [])]) {
        const { tensors } = await readWeights(golden('tf', network, file));
        expect([...tensors.keys()].sort(), file).toEqual([...first.tensors.keys()].sort());
        for (const [name, tensor] of first.tensors)
          expect(tensors.get(name)?.typed(), `${file} ${name}`).toEqual(tensor.typed());
      }
    });
});
