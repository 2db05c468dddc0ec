import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { EnvironmentError, InputError, UsageError } from '../../src/base/errors.js';
import { PREPROCESS_KEY } from '../../src/base/preprocess.js';
import { encodeSafetensors } from '../../src/importers/index.js';
import { loadModel, type Model, saveModel, sizeOf, Tensor } from '../../src/onnx/index.js';
import { buildModel, chooseSource, isUntrained, zooProvenance } from '../../src/zoo/index.js';
import { cacheFolder } from '../../src/zoo/pull/cache-folder.js';
import type { PullEvent } from '../../src/zoo/pull/events.js';
import { chosenMirror, mirrored } from '../../src/zoo/pull/mirror.js';
import { PULL_DEFAULTS, type Pulled, type PullOptions, pullNetwork } from '../../src/zoo/pull/pull.js';
import { uniform } from '../support/formula.js';
import { FileServer } from './file-server.js';
import { recorded } from './recorded-names.js';

/** The parameters of a network with values that follow from their place: none like another, and quickly made. */
function someWeights(model: Model): Map<string, Tensor> {
  const weights = new Map<string, Tensor>();
  for (const { name, shape } of model.graph.initializers)
    if (shape && !name.startsWith('const/')) {
      const data = new Float32Array(sizeOf(shape));
      for (let i = 0; i < data.length; i++) data[i] = (((i + 7 * weights.size) % 201) + 1) / 1000;
      weights.set(name, Tensor.float32(shape, data));
    }
  return weights;
}

function safetensors(weights: ReadonlyMap<string, Tensor>): Uint8Array {
  return Buffer.concat(encodeSafetensors(weights, {}));
}

let server: FileServer;
let folder: string;
let events: PullEvent[];
const at = (...names: string[]): string => join(folder, ...names);

beforeEach(async () => {
  server = await new FileServer().listen();
  folder = mkdtempSync(join(tmpdir(), 'reparam-pull-'));
  events = [];
});

afterEach(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

function pull(name: string, options: Partial<PullOptions> = {}): Promise<Pulled> {
  return pullNetwork(
    name,
    {
      ...PULL_DEFAULTS,
      retries: 0,
      out: at('out.onnx'),
      cache: at('cache'),
      mirror: server.origin,
      ...options,
    },
    (e) => events.push(e),
  );
}

function weightsOf(model: Model): Map<string, string> {
  const hashes = new Map<string, string>();
  for (const { name, initializer } of model.graph.initializers)
    if (initializer && !name.startsWith('const/'))
      hashes.set(name, createHash('sha256').update(initializer.bytes()).digest('hex'));
  return hashes;
}

function hashes(weights: ReadonlyMap<string, Tensor>): Map<string, string> {
  return new Map(
    [...weights].map(([name, t]) => [name, createHash('sha256').update(t.bytes()).digest('hex')]),
  );
}

describe('published weights', () => {
  const timm = { source: 'timm', tag: 'resnet18.a1_in1k' } as const;
  const place = '/timm/resnet18.a1_in1k/resolve/main/model.safetensors';

  test("become a model of the zoo with the publisher's preprocessing, downloaded once", async () => {
    const weights = someWeights(buildModel('resnet18'));
    const file = safetensors(weights);
    server.files.set(place, file);
    const pulled = await pull('ResNet-18', timm);
    const source = chooseSource('resnet18', timm);
    expect(pulled).toMatchObject({
      network: 'resnet18',
      file: at('out.onnx'),
      weights: at('cache', 'weights', 'timm', 'resnet18.a1_in1k.safetensors'),
      bytes: file.byteLength,
      sha256: createHash('sha256').update(file).digest('hex'),
      published: { source: 'timm', tag: 'resnet18.a1_in1k', top1: { percent: 71.504 } },
      verified: 'size only',
      downloaded: true,
      ownGraph: false,
    });
    const model = await loadModel(at('out.onnx'));
    expect(weightsOf(model)).toEqual(hashes(weights));
    expect(isUntrained(model)).toBe(false);
    expect(zooProvenance(model)).toMatchObject({ arch: 'resnet18', size: 224 });
    expect(JSON.parse(model.metadata.get(PREPROCESS_KEY) ?? '')).toEqual(source.preprocess);
    expect(JSON.parse(model.metadata.get('reparam.weights') ?? '')).toEqual({
      file: 'resnet18.a1_in1k.safetensors',
      sha256: pulled.sha256,
      source: 'timm',
      tag: 'resnet18.a1_in1k',
      url: source.urls[0],
      licence: 'apache-2.0',
    });
    expect(readdirSync(at('cache', 'weights', 'timm'))).toEqual(['resnet18.a1_in1k.safetensors']);
    expect(events.filter((e) => e.type === 'download').at(-1)).toMatchObject({ done: file.byteLength });

    expect(server.asked).toHaveLength(1);
    expect(await pull('resnet18', timm)).toMatchObject({ downloaded: false, sha256: pulled.sha256 });
    expect(server.asked).toHaveLength(1);
    expect(await pull('resnet18', { ...timm, force: true })).toMatchObject({ downloaded: true });
    expect(server.asked).toHaveLength(2);
  });

  test("of Keras, by its names: in the zoo's layout, with Keras's padding and ε", async () => {
    const keras = { source: 'keras', tag: 'mobilenet_2_5_224' } as const;
    const tensors = recorded('keras').find(([name]) => name === 'MobileNet alpha=0.25')?.[1][2] ?? [];
    const weights = new Map(
      tensors.map(([name, dims]) => {
        // Recorded with ten classes.
        const all = dims.map((d) => (name.startsWith('conv_preds') && d === 10 ? 1000 : d));
        return [name, Tensor.float32(all, Float32Array.from(uniform(name, sizeOf(all))))] as const;
      }),
    );
    server.files.set(
      '/tensorflow/keras-applications/mobilenet/mobilenet_2_5_224_tf.h5',
      safetensors(weights),
    );
    const pulled = await pull('mobilenetv1', keras);
    expect(JSON.parse(pulled.preprocess ?? '')).toMatchObject({ size: 224, mean: [1, 1, 1] });
    const { graph } = await loadModel(at('out.onnx'));
    const value = (name: string) => [...graph.initializers].find((v) => v.name === name)?.initializer;
    // HWIO [3, 3, 3, 8]: output 5, input 2, row 1, column 0.
    expect(value('conv_stem.weight')?.dims).toEqual([8, 3, 3, 3]);
    expect(value('conv_stem.weight')?.typed()[((5 * 3 + 2) * 3 + 1) * 3]).toBe(
      weights.get('conv1/kernel')?.typed()[((1 * 3 + 0) * 3 + 2) * 8 + 5],
    );
    const stem = graph.nodes.find((n) => n.name === 'conv_stem');
    expect(stem?.ints('pads')).toEqual([0, 0, 1, 1]);
    const norms = graph.nodes.filter((n) => n.opType === 'BatchNormalization');
    expect(new Set(norms.map((n) => n.float('epsilon', 0)))).toEqual(new Set([Math.fround(0.001)]));
  });

  test('that are not what their name promises are refused and removed', async () => {
    server.files.set('/models/resnet18-f37072fd.pth', new Uint8Array(1000));
    const attempt = pull('resnet18');
    await expect(attempt).rejects.toThrow(
      /resnet18-f37072fd\.pth is not the file that the publisher names; it was removed; expected sha256 f37072fd…; found 541b3e9daa09b20b/,
    );
    await expect(attempt).rejects.toBeInstanceOf(EnvironmentError);
    expect(readdirSync(at('cache', 'weights', 'torchvision'))).toEqual([]);
    expect(existsSync(at('out.onnx'))).toBe(false);
  });

  test('spoilt in the cache are downloaded again', async () => {
    mkdirSync(at('cache', 'weights', 'torchvision'), { recursive: true });
    const path = at('cache', 'weights', 'torchvision', 'resnet18-f37072fd.pth');
    writeFileSync(path, 'spoilt');
    await expect(pull('resnet18')).rejects.toThrow(/there is no such file \(HTTP 404\)/);
    expect(events[0]).toMatchObject({
      level: 'warning',
      message: expect.stringMatching(/sha256 [0-9a-f]{8} instead of f37072fd; it is downloaded again/),
    });
    expect(existsSync(path)).toBe(false);
  });

  test('larger than such a network can be are not even begun', async () => {
    server.files.set(place, new Uint8Array(10));
    server.troubles.push({ length: 300_000_000 });
    await expect(pull('resnet18', timm)).rejects.toThrow(/300000000 bytes; expected at most 254148864/);
  });

  test('without a network: the address, and what to do by hand', async () => {
    const attempt = pull('resnet50', { mirror: 'http://127.0.0.1:9', tag: 'IMAGENET1K_V1' });
    await expect(attempt).rejects.toBeInstanceOf(EnvironmentError);
    await expect(attempt).rejects.toThrow(
      [
        'downloading resnet50-0676ba61.pth failed: http://127.0.0.1:9/models/resnet50-0676ba61.pth: the connection was refused (ECONNREFUSED)',
        'without a network: download https://download.pytorch.org/models/resnet50-0676ba61.pth elsewhere, bring the file here, and',
        'reparam zoo pull resnet50 --source torchvision --tag IMAGENET1K_V1 --from FILE;',
        'behind a firewall: --mirror URL or REPARAM_MIRROR, HTTPS_PROXY',
      ].join('\n  '),
    );
  });

  test("a mirror's user and password go there only, and are written nowhere", async () => {
    server.files.set('/models/resnet18-f37072fd.pth', new Uint8Array(1000));
    server.troubles.push({ cutAfter: 10 });
    const mirror = server.origin.replace('://', '://me:s%40cret@');
    await expect(pull('resnet18', { mirror })).rejects.toThrow(/^(?!.*cret)/s);
    expect(server.asked[0].authorization).toBe(`Basic ${Buffer.from('me:s@cret').toString('base64')}`);
    for (const name of readdirSync(at('cache', 'weights', 'torchvision')))
      expect(readFileSync(at('cache', 'weights', 'torchvision', name), 'latin1')).not.toContain('cret');
    const other = await new FileServer().listen();
    try {
      server.redirects.set('/models/resnet34-b627a593.pth', `${other.origin}/x`);
      await expect(pull('resnet34', { mirror })).rejects.toThrow(/404/);
      expect(other.asked[0].authorization).toBeUndefined();
    } finally {
      await other.close();
    }
  });
});

describe("a file of the user's", () => {
  test('of weights', async () => {
    const weights = someWeights(buildModel('resnet20'));
    writeFileSync(at('mine.safetensors'), safetensors(weights));
    const pulled = await pull('resnet20', { from: at('mine.safetensors') });
    expect(pulled).toMatchObject({ published: null, downloaded: false, verified: 'size only' });
    const model = await loadModel(at('out.onnx'));
    expect(weightsOf(model)).toEqual(hashes(weights));
    expect(isUntrained(model)).toBe(false);
    expect(server.asked).toEqual([]);
  });

  test('that does not fit: all that does not is named', async () => {
    const weights = someWeights(buildModel('resnet20', { classes: 3 }));
    weights.set('extra.weight', Tensor.float32([1], new Float32Array(1)));
    weights.delete('bn1.bias');
    writeFileSync(at('mine.safetensors'), safetensors(weights));
    const attempt = pull('resnet20', { from: at('mine.safetensors') });
    await expect(attempt).rejects.toBeInstanceOf(InputError);
    await expect(attempt).rejects.toThrow(
      /not those of resnet20 .* 2 that do not fit: linear\.weight \[3,64\] .*; 1 that resnet20 does not have: extra\.weight \[1\]; 1 of resnet20 that the file does not have: bn1\.bias \[16\]/,
    );
    expect(existsSync(at('out.onnx'))).toBe(false);
  });

  test('of a whole model: its own graph', async () => {
    const graph = buildModel('resnet20', { classes: 3, size: 16 });
    graph.metadata.delete(PREPROCESS_KEY);
    await saveModel(graph, at('whole.onnx'));
    const pulled = await pull('resnet20', { from: at('whole.onnx') });
    expect(pulled).toMatchObject({ ownGraph: true, preprocess: null });
    const model = await loadModel(at('out.onnx'));
    expect(weightsOf(model)).toEqual(weightsOf(graph));
    expect(isUntrained(model)).toBe(false);
  });

  test.each(['resnet18-f37072fd.pth', 'resnet18-v1-7.onnx'])(
    'that bears the name %s must be that file',
    async (name) => {
      writeFileSync(at(name), 'something else');
      const attempt = pull('resnet18', { from: at(name) });
      await expect(attempt).rejects.toBeInstanceOf(InputError);
      await expect(attempt).rejects.toThrow(
        /has the name of the weights .* but is not that file: .* instead of/,
      );
    },
  );

  test('that is not there, a folder, or the output', async () => {
    await expect(pull('resnet20', { from: at('nope.pth') })).rejects.toThrow(
      /reading .*nope\.pth: no such file/,
    );
    await expect(pull('resnet20', { from: folder })).rejects.toThrow(/it is not a regular file/);
    await expect(pull('resnet20', { from: at('out.onnx') })).rejects.toThrow(/is the file of weights itself/);
  });
});

describe('before anything is asked for', () => {
  test('names and options', async () => {
    await expect(pull('resnet51')).rejects.toThrow(/no network 'resnet51' in the zoo/);
    await expect(pull('resnet20')).rejects.toThrow(/no public weights of resnet20 are known/);
    await expect(pull('resnet50', { tag: 'V3' })).rejects.toBeInstanceOf(UsageError);
    await expect(pull('resnet50', { mirror: 'ftp://x' })).rejects.toThrow(
      /--mirror ftp:\/\/x; expected an http or https URL/,
    );
    await expect(pull('resnet50', { out: at('no', 'such', 'out.onnx') })).rejects.toThrow(
      /writing .*out\.onnx: no such file or folder/,
    );
    expect(server.asked).toEqual([]);
  });
});

describe('places', () => {
  const url = 'https://huggingface.co/timm/a/resolve/main/model.safetensors';

  test.each([
    ['https://m.example', 'https://m.example/timm/a/resolve/main/model.safetensors'],
    ['https://m.example/base/', 'https://m.example/base/timm/a/resolve/main/model.safetensors'],
    [
      'https://m.example/{host}/{path}?x=1',
      'https://m.example/huggingface.co/timm/a/resolve/main/model.safetensors?x=1',
    ],
  ])('mirror %s', (template, made) => {
    expect(mirrored(url, chosenMirror(template, {}))).toBe(made);
    expect(mirrored(url, chosenMirror(undefined, { REPARAM_MIRROR: template }))).toBe(made);
  });

  test('the order of mirrors; HF_ENDPOINT is for the hub alone', () => {
    const env = { REPARAM_MIRROR: 'https://b', HF_ENDPOINT: 'https://c' };
    expect(chosenMirror('https://a', env)?.template).toBe('https://a');
    expect(chosenMirror(undefined, env)?.template).toBe('https://b');
    const hub = chosenMirror(undefined, { HF_ENDPOINT: 'https://c' });
    expect(mirrored(url, hub)).toBe('https://c/timm/a/resolve/main/model.safetensors');
    expect(mirrored('https://download.pytorch.org/models/x.pth', hub)).toBe(
      'https://download.pytorch.org/models/x.pth',
    );
    expect(mirrored(url, undefined)).toBe(url);
    expect(() => chosenMirror(undefined, { REPARAM_MIRROR: 'mirror' })).toThrow(
      /REPARAM_MIRROR mirror; expected/,
    );
  });

  test.each([
    [{ REPARAM_CACHE: '/c', XDG_CACHE_HOME: '/x' }, 'linux', '/c'],
    [{ XDG_CACHE_HOME: '/x' }, 'linux', '/x/reparam'],
    [{ XDG_CACHE_HOME: 'relative' }, 'linux', '/home/me/.cache/reparam'],
    [{}, 'darwin', '/home/me/Library/Caches/reparam'],
  ] as const)('cache %j on %s', (env, platform, expected) => {
    expect(cacheFolder(undefined, env, platform, '/home/me')).toBe(expected);
    expect(cacheFolder('/chosen', env, platform, '/home/me')).toBe('/chosen');
  });
});
