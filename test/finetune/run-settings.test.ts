import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PREPROCESS_KEY, PREPROCESS_PRESETS } from '../../src/base/preprocess.js';
import type { Listener } from '../../src/finetune/events.js';
import { DATA_DEFAULTS, OPTIM_DEFAULTS, type TrainOptions } from '../../src/finetune/options.js';
import { runTrain } from '../../src/finetune/train.js';
import { decodeSafetensors } from '../../src/importers/safetensors.js';
import { loadModel, saveModel, type Tensor } from '../../src/onnx/index.js';
import { constantOf } from '../../src/reparam/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { smallNetwork } from '../support/small-network.js';

let folder: string;
const silent: Listener = () => undefined;
const file = (name: string): string => join(folder, name);

/** Everything at once: what a checkpoint forgets of it, a resumed run shows. */
const EVERYTHING: Partial<TrainOptions> = {
  accumulate: 3,
  clipNorm: 1,
  clipValue: 0.5,
  ema: 0.5,
  labelSmoothing: 0.1,
  group: [
    { pattern: '*.bias', lr: 0.5, decay: 0 },
    { pattern: 'conv.weight', frozen: true },
  ],
};

const options = (out: string, change: Partial<TrainOptions> = {}): TrainOptions => ({
  ...OPTIM_DEFAULTS,
  ...DATA_DEFAULTS,
  model: file('base.onnx'),
  data: 'shapes:size=16,train=40,eval=20',
  epochs: 2,
  batch: 8,
  lr: 0.002,
  seed: 0,
  device: 'cpu',
  allowSoftware: false,
  resume: false,
  checkpointEvery: 0,
  memoryCheck: true,
  switchOptimizer: false,
  lowering: 'auto',
  out: file(out),
  ...change,
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-settings-'));
  for (const [name, width] of [
    ['base', 6],
    ['teacher', 9],
  ] as const) {
    const model = smallNetwork(name, { side: 16, classes: 10, width });
    const preprocess = { ...PREPROCESS_PRESETS.cifar10, size: 16 };
    model.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess));
    await saveModel(model, file(`${name}.onnx`));
  }
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const checkpoint = (run: string): ReadonlyMap<string, Tensor> => {
  const path = join(folder, run, 'checkpoint', 'train.safetensors');
  return decodeSafetensors(readFileSync(path), path).tensors;
};

async function constants(path: string): Promise<Map<string, Tensor>> {
  const model = await loadModel(path);
  return new Map(
    [...model.graph.values()].flatMap((v) => {
      const tensor = constantOf(v);
      return tensor ? [[v.name, tensor]] : [];
    }),
  );
}

describe.each([
  ['sgd with dampening', { optimizer: 'sgd', dampening: 0.25 }],
  ['adamw', { optimizer: 'adamw' }],
  ['rmsprop', { optimizer: 'rmsprop', rmspropStyle: 'tensorflow', epsilon: 0.001 }],
] as const)('%s, with everything', (name, optimizer) => {
  test('ends with the same bytes when it is stopped between two updates and resumed', async () => {
    const given = { ...EVERYTHING, ...optimizer, distill: file('teacher.onnx') };
    const report = await runTrain(options(`${name} whole`, given), silent);
    // 10 steps, updates after 3, 6 and 9: step 4 and step 10 lie between two.
    const stop = new AbortController();
    const listener: Listener = (e) => {
      if (e.type === 'checkpoint' && e.step === 4) stop.abort();
    };
    const cut = { ...given, checkpointEvery: 4 };
    await expect(runTrain(options(`${name} cut`, cut), listener, stop.signal)).rejects.toThrow();
    const resumed = await runTrain(options(`${name} cut`, { ...cut, resume: true }), silent);
    expect(readFileSync(resumed.files.trained).equals(readFileSync(report.files.trained))).toBe(true);
    const [a, b] = [checkpoint(`${name} whole`), checkpoint(`${name} cut`)];
    expect([...a.keys()].sort()).toEqual([...b.keys()].sort());
    for (const [key, tensor] of a)
      expect(Buffer.from(tensor.bytes()).equals(Buffer.from(b.get(key)?.bytes() ?? [])), key).toBe(true);
  }, 30_000);
});

test('the average is what is saved; what is frozen does not move; the report lists the groups', async () => {
  const report = await runTrain(options('settings', { ...EVERYTHING, optimizer: 'adam' }), silent);
  const [before, after] = [await constants(file('base.onnx')), await constants(report.files.trained)];
  const state = checkpoint('settings');
  const bytes = (t: Tensor | undefined): Buffer => {
    if (!t) throw new Error('no such tensor');
    return Buffer.from(t.bytes());
  };
  expect(bytes(after.get('conv.weight')).equals(bytes(before.get('conv.weight')))).toBe(true);
  expect(state.has('conv.weight')).toBe(false);
  for (const key of ['scores.weight', 'scores.bias', 'bn.mean']) {
    expect(bytes(after.get(key)).equals(bytes(state.get(`${key}/average`))), key).toBe(true);
    expect(bytes(after.get(key)).equals(bytes(state.get(key))), key).toBe(false);
  }
  expect(report.groups).toMatchObject([
    { pattern: '*.bias', lr: 0.5, decay: 0 },
    { pattern: 'conv.weight', frozen: true, tensors: 1, values: 6 * 3 * 9 },
  ]);
}, 30_000);

test('a network with an auxiliary head is trained by both and judged by one', async () => {
  const model = smallNetwork('aux', { side: 16, classes: 10, width: 6, aux: true });
  model.metadata.set(PREPROCESS_KEY, JSON.stringify({ ...PREPROCESS_PRESETS.cifar10, size: 16 }));
  await saveModel(model, file('aux.onnx'));
  const change = { model: file('aux.onnx'), aux: [{ name: 'aux', weight: 0.3 }] };
  const report = await runTrain(options('aux', change), silent);
  expect(report.results.trained.images).toBe(20);
  const [before, after] = [await constants(file('aux.onnx')), await constants(report.files.trained)];
  for (const key of ['aux.weight', 'scores.weight'])
    expect(before.get(key)?.typed(), key).not.toEqual(after.get(key)?.typed());
  const { graph } = await loadModel(report.files.trained);
  expect(graph.outputs.map((v) => v.name)).toEqual(['scores', 'aux']);
}, 30_000);

describe('refused before a step', () => {
  const noSteps: Listener = (e) => {
    if (e.type === 'step') throw new Error('a step was run');
  };
  const cases: readonly (readonly [Partial<TrainOptions>, RegExp])[] = [
    [{ group: [{ pattern: 'nothing.*', lr: 2 }] }, /--group: no parameter is named 'nothing\.\*'/],
    [{ group: [{ pattern: '*', frozen: true }] }, /--group freezes every parameter/],
    [{ group: [{ pattern: '*' }] }, /--group '\*' sets nothing/],
    [{ group: [{ pattern: '*', lr: 0 }] }, /--group '\*': lr; expected a number above 0.*frozen/s],
    [{ distill: 'no-such.onnx' }, /no-such\.onnx/],
    [{ distill: 'resnet200' }, /--distill resnet200 is no file/],
    [{ aux: [{ name: 'aux', weight: 1 }] }, /no output 'aux'/],
    [{ aux: [{ name: 'aux', weight: 0 }] }, /--aux 'aux'; expected a number above 0/],
    [{ emaWarmup: true }, /--ema-warmup.*--ema D/],
    [{ optimizer: 'adam', nesterov: true }, /--nesterov is for sgd; found --optimizer adam/],
    [{ nesterov: true, dampening: 0.5 }, /--nesterov is defined without dampening/],
    [{ dampening: 0.5, momentum: 0 }, /--dampening changes the momentum/],
    [{ clipNorm: 0 }, /--clip-norm; expected a number above 0; found 0/],
    [{ ema: 1 }, /--ema; expected a number from 0 to below 1/],
    [{ accumulate: 0 }, /--accumulate; expected a whole number of at least 1/],
    [{ distill: 'x.onnx', distillWeight: 2 }, /--distill-weight; expected a number above 0, at most 1/],
  ];
  test.each(cases.map(([change, message], i) => [JSON.stringify(change), change, message, i] as const))(
    '%s',
    async (_, change, message, i) => {
      await expect(runTrain(options(`refused-${i}`, change), noSteps)).rejects.toThrow(message);
      expect(existsSync(file(`refused-${i}`)), 'the run folder').toBe(false);
    },
  );

  test('a teacher of other pixels', async () => {
    await saveModel(buildModel('resnet20', { size: 32, classes: 10 }), file('large.onnx'));
    await expect(runTrain(options('large', { distill: file('large.onnx') }), noSteps)).rejects.toThrow(
      /--distill .*large\.onnx.*different pixels; expected 16×16 RGB; found 32×32 RGB/,
    );
  });
});
