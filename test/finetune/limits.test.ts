import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { EnvironmentError, InputError, UnsupportedError, UsageError } from '../../src/base/errors.js';
import type { RunEvent } from '../../src/finetune/events.js';
import {
  DATA_DEFAULTS,
  OPTIM_DEFAULTS,
  REFOCUS_DEFAULTS,
  type TrainOptions,
} from '../../src/finetune/options.js';
import { runRefocus } from '../../src/finetune/refocus.js';
import { stepOptions } from '../../src/finetune/run/step-options.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { runTrain } from '../../src/finetune/train.js';
import { Graph, GraphBuilder, Model, saveModel, Tensor, tensorType } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel, markTrained } from '../../src/zoo/index.js';

/** What there is of memory, instead of what this machine has. */
const available = vi.hoisted(() => ({ bytes: Number.POSITIVE_INFINITY }));
vi.mock('../../src/runtime/memory.js', async (original) => ({
  ...(await original<typeof import('../../src/runtime/memory.js')>()),
  availableMemory: () => available.bytes,
}));
afterEach(() => {
  available.bytes = Number.POSITIVE_INFINITY;
});

let folder: string;
let model: string;
const silent = (): void => undefined;

const options = (out: string, change: Partial<TrainOptions> = {}): TrainOptions => ({
  ...OPTIM_DEFAULTS,
  ...DATA_DEFAULTS,
  model,
  data: 'shapes:size=16,train=64,eval=16',
  epochs: 1,
  batch: 16,
  seed: 0,
  device: 'cpu',
  allowSoftware: false,
  resume: false,
  checkpointEvery: 0,
  memoryCheck: true,
  switchOptimizer: false,
  lowering: 'auto',
  out: join(folder, out),
  ...change,
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-limits-'));
  model = join(folder, 'base.onnx');
  const base = buildModel('resnet20', { size: 16, seed: 3 });
  markTrained(base);
  await saveModel(base, model);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('memory', () => {
  test('a step that does not fit is refused before anything runs, with a batch that fits', async () => {
    const events: RunEvent[] = [];
    const report = await runTrain(options('free'), (e) => events.push(e));
    const said = events.flatMap((e) => (e.type === 'log' ? e.message : []));
    expect(said).toContainEqual(expect.stringMatching(/^train: one step of 16 images needs about \d+ MiB$/));
    available.bytes = report.stepMemory.total;
    await runTrain(options('just'), silent);

    const tight = options('tight', { batch: 32 });
    const refused = await runTrain(tight, silent).catch((e: unknown) => e);
    expect(refused).toBeInstanceOf(EnvironmentError);
    // As much as 16 images need: 16 fit, and hardly more.
    expect(String(refused)).toMatch(/a step of 32 images needs .*--batch 1[67] fits/s);
    expect(existsSync(tight.out)).toBe(false);
    await runTrain({ ...tight, memoryCheck: false }, silent);
  }, 60_000);

  test('refocus counts its own step: the maps are trained too', async () => {
    const { stepMemory } = await runTrain(options('plain'), silent);
    available.bytes = stepMemory.total;
    const args = { ...REFOCUS_DEFAULTS, ...options('refocus') };
    await expect(runRefocus(args, silent)).rejects.toThrow(/a step of 16 images needs/);
    expect(existsSync(args.out)).toBe(false);
  }, 60_000);
});

test('a batch larger than the training set is refused before anything runs', async () => {
  const large = options('large', { batch: 65 });
  const refused = await runTrain(large, silent).catch((e: unknown) => e);
  expect(refused).toBeInstanceOf(UsageError);
  expect(String(refused)).toMatch(/--batch 65 .*at most 64.*use --batch 64/s);
  expect(existsSync(large.out)).toBe(false);
});

describe('images and batches that a network cannot take', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ threads: 1 });
  });
  afterAll(() => engine.close());

  /** 5×5 convolution of stride 2 and BatchNormalization; then 6×6 pixels into a classifier, or their mean. */
  function network(head: 'fixed' | 'mean', side: string | number = 'S'): Model {
    const graph = new Graph('g');
    const b = new GraphBuilder(graph, 17);
    const w = (name: string, ...dims: number[]) =>
      b.constant(
        Tensor.float32(
          dims,
          Float32Array.from({ length: dims.reduce((n, d) => n * d, 1) }, (_, i) => 0.1 + (i % 7) / 10),
        ),
        name,
      );
    const x = graph.addInput('input', tensorType('float32', ['N', 3, side, side]));
    const y = b.op('Conv', [x, w('w', 4, 3, 5, 5)], { strides: [2, 2] }, { name: 'stem' });
    const normal = b.op(
      'BatchNormalization',
      [y, w('g', 4), w('b', 4), w('m', 4), w('v', 4)],
      {},
      { name: 'bn' },
    );
    const flat = b.op('Flatten', [head === 'mean' ? b.op('GlobalAveragePool', [normal]) : normal]);
    const classes = w('fc.weight', head === 'mean' ? 4 : 144, 10);
    graph.addOutput(b.op('Gemm', [flat, classes], {}, { name: 'fc', outputs: ['logits'] }));
    return new Model(graph, 17);
  }

  const build = async (net: Model, batch: number, side: number) =>
    buildTrainStep(
      await prepareTraining(net, { batch, image: [3, side, side], engine }),
      stepOptions(OPTIM_DEFAULTS),
    );

  test('a size that a layer does not fit: the error names the layer', async () => {
    await build(network('fixed'), 2, 16);
    const error: unknown = await build(network('fixed'), 2, 12).catch((e) => e);
    expect(error).toBeInstanceOf(InputError);
    expect(String(error)).toMatch(/takes no images of 12×12: Gemm 'fc.*choose another image size/s);
    await expect(build(network('mean'), 2, 3)).rejects.toThrow(/takes no images of 3×3: Conv 'stem'/);
  });

  test('another size than the file fixes', async () => {
    await expect(build(network('fixed', 16), 2, 12)).rejects.toThrow(/expected \[N, 3, 16, 16\]; found/);
  });

  test('one image and one pixel have no batch statistics', async () => {
    await build(network('mean'), 2, 5);
    await build(network('mean'), 1, 7);
    const error: unknown = await build(network('mean'), 1, 5).catch((e) => e);
    expect(error).toBeInstanceOf(UnsupportedError);
    expect(String(error)).toMatch(
      /BatchNormalization 'bn' sees one value per channel.*larger batch or image/s,
    );
  });
});
