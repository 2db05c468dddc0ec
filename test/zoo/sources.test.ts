import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { parsePreprocess } from '../../src/base/preprocess.js';
import { countModel, type Model } from '../../src/onnx/index.js';
import {
  chooseSource,
  SOURCE_NAMES,
  WEIGHT_SOURCES,
  type WeightSource,
  weightSources,
  ZOO,
} from '../../src/zoo/index.js';
import { goldenTest, sharedFile } from '../support/goldens.js';

const HOSTS: Readonly<Record<string, readonly string[]>> = {
  torchvision: ['download.pytorch.org'],
  timm: ['huggingface.co'],
  keras: ['storage.googleapis.com'],
  onnx: ['huggingface.co', 'media.githubusercontent.com'],
};

/** Sources of networks that the zoo has, with the model that the source's weights are for. */
const BUILT = WEIGHT_SOURCES.flatMap((source) => {
  const entry = ZOO.find((e) => e.name === source.network);
  return entry && source.content === 'weights' ? [{ source, entry }] : [];
});

function build(source: WeightSource): Model {
  const entry = ZOO.find((e) => e.name === source.network);
  const size = source.preprocess?.size;
  if (!entry || typeof size !== 'number') throw new Error(`${source.tag} has no network or no size`);
  return entry.build({ ...source.options, size });
}

/** Values that end so; running statistics are no parameters of ours. */
function valuesOf(model: Model, ending: RegExp): number {
  return [...model.graph.initializers]
    .filter((v) => ending.test(v.name))
    .reduce((n, v) => n + (v.initializer?.size ?? 0), 0);
}

/** What Keras counts beside parameters: running statistics, and what its networks have that others have not. */
function kerasExtras(network: string, model: Model): number {
  const statistics = valuesOf(model, /\.running_(mean|var)$/);
  // A bias in each convolution before a normalization.
  if (network.startsWith('resnet')) return statistics + valuesOf(model, /\.running_mean$/);
  // The normalization of its images: mean and variance of three channels, and a count.
  return network.startsWith('efficientnet') ? statistics + 7 : statistics;
}

describe('the tables', () => {
  test('files are unique within a source, and tags within a network', () => {
    expect(new Set(WEIGHT_SOURCES.map((s) => `${s.source}/${s.file}`)).size).toBe(WEIGHT_SOURCES.length);
    expect(new Set(WEIGHT_SOURCES.map((s) => `${s.source}/${s.network}/${s.tag}`)).size).toBe(
      WEIGHT_SOURCES.length,
    );
  });

  test('places are https at the publisher, and file names are plain', () => {
    for (const s of WEIGHT_SOURCES) {
      expect(s.urls.map((u) => new URL(u).host)).toEqual(HOSTS[s.source]);
      for (const u of s.urls) expect(new URL(u)).toMatchObject({ protocol: 'https:', search: '', hash: '' });
      expect(s.file).toMatch(/^[A-Za-z0-9][\w.-]*$/);
    }
  });

  test('checksums are whole, but for the eight or more digits of torchvision', () => {
    for (const { source, checksum, bytes } of WEIGHT_SOURCES) {
      if (checksum) expect(checksum.hex).toMatch(/^[0-9a-f]+$/);
      if (source === 'torchvision') expect(checksum?.hex.length).toBeGreaterThanOrEqual(8);
      else if (checksum) expect(checksum.hex).toHaveLength(checksum.algorithm === 'md5' ? 32 : 64);
      if (source === 'onnx') expect(bytes).toBeGreaterThan(1e6);
    }
  });

  test('preprocessing is complete, accuracies are percentages with a source', () => {
    for (const { preprocess, top1 } of WEIGHT_SOURCES) {
      if (preprocess) expect(parsePreprocess(JSON.stringify(preprocess), 'it')).toEqual(preprocess);
      if (top1) expect(top1.percent > 45 && top1.percent < 90 && top1.source.length > 5).toBe(true);
    }
  });

  test('networks that all four publishers have', () => {
    for (const network of ['resnet50', 'resnet101', 'resnet152', 'mobilenetv2'])
      expect(new Set(weightSources(network).map((s) => s.source)), network).toEqual(new Set(SOURCE_NAMES));
  });
});

describe('what a source names is what the zoo builds', () => {
  test.each(BUILT.map(({ source }) => [source.source, source.tag, source.network, source] as const))(
    '%s %s: %s',
    (_, __, ___, source) => {
      const model = build(source);
      const { parameters = 0 } = source;
      if (source.source === 'torchvision') expect(countModel(model).parameters).toBe(parameters);
      else if (source.source === 'timm')
        expect(Math.abs(countModel(model).parameters - parameters)).toBeLessThanOrEqual(5000);
      else expect(countModel(model).parameters + kerasExtras(source.network, model)).toBe(parameters);
    },
  );
});

goldenTest('sizes and SHA-256 of the ONNX Model Zoo are those of its manifest', () => {
  const manifest: readonly {
    readonly model_path: string;
    readonly metadata: { readonly model_sha: string; readonly model_bytes: number };
  }[] = JSON.parse(readFileSync(sharedFile('checkpoints/onnx-hub-manifest/ONNX_HUB_MANIFEST.json'), 'utf8'));
  const sources = WEIGHT_SOURCES.filter((s) => s.source === 'onnx');
  expect(sources.length).toBeGreaterThan(10);
  for (const { tag, urls, checksum, bytes } of sources) {
    const entry = manifest.find((m) => urls[1].endsWith(`/${m.model_path}`));
    expect(entry?.metadata, tag).toMatchObject({ model_sha: checksum?.hex, model_bytes: bytes });
  }
});

describe('choosing', () => {
  test("default: torchvision's own", () => {
    expect(chooseSource('resnet50').tag).toBe('IMAGENET1K_V2');
    expect(chooseSource('resnet50', { tag: 'IMAGENET1K_V1' }).file).toBe('resnet50-0676ba61.pth');
    expect(chooseSource('resnet50', { source: 'timm' }).tag).toBe('resnet50.a1_in1k');
    expect(chooseSource('resnet50', { source: 'keras' }).options).toEqual({ variant: 'v1' });
    expect(chooseSource('mobilenetv2', { tag: 'mobilenetv2_140.ra_in1k' }).options).toEqual({ width: 1.4 });
  });

  test.each([
    [
      () => chooseSource('resnet20'),
      /no public weights of resnet20 are known\n {2}give a file of yours: reparam zoo pull resnet20 --from/,
    ],
    [
      () => chooseSource('resnet18', { source: 'keras' }),
      /keras has no weights of resnet18; expected one of torchvision, timm, onnx/,
    ],
    [
      () => chooseSource('resnet50', { source: 'torchvision', tag: 'IMAGENET1K_V3' }),
      /no weights 'IMAGENET1K_V3' of resnet50 at torchvision; expected IMAGENET1K_V2, IMAGENET1K_V1\n {2}did you mean/,
    ],
  ])('%#', (act, message) => {
    expect(act).toThrow(UsageError);
    expect(act).toThrow(message);
  });
});
