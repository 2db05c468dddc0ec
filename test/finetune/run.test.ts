import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PREPROCESS_KEY } from '../../src/base/preprocess.js';
import { openTrainEval } from '../../src/data/index.js';
import type { Listener, RunEvent } from '../../src/finetune/events.js';
import { DATA_DEFAULTS, OPTIM_DEFAULTS, type TrainOptions } from '../../src/finetune/options.js';
import { realInputs } from '../../src/finetune/real-inputs.js';
import { evaluateSet } from '../../src/finetune/run/evaluate-set.js';
import { checkFrozen, checkWritten } from '../../src/finetune/run/frozen.js';
import { resolvePreprocess } from '../../src/finetune/run/resolve.js';
import { runTrain, type TrainReport } from '../../src/finetune/train.js';
import { cloneModel, type Model, saveModel, Tensor } from '../../src/onnx/index.js';
import { constantOf, expand, setConstant, tensorSha256, trainables } from '../../src/reparam/index.js';
import { createEngine } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';

let folder: string;
let model: string;
const DATA = 'shapes:size=16,train=32,eval=20';
const silent: Listener = () => undefined;
const small = (classes = 10): Model => buildModel('resnet20', { size: 16, classes, seed: 3 });

const options = (out: string, change: Partial<TrainOptions> = {}): TrainOptions => ({
  ...OPTIM_DEFAULTS,
  ...DATA_DEFAULTS,
  model,
  data: DATA,
  epochs: 2,
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
  folder = mkdtempSync(join(tmpdir(), 'reparam-run-'));
  model = join(folder, 'base.onnx');
  await saveModel(small(), model);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe('a run that is finished', () => {
  let report: TrainReport;
  beforeAll(async () => {
    report = await runTrain(options('whole'), silent);
  }, 60_000);

  test('resumed, trains nothing and reports the same', async () => {
    const events: RunEvent[] = [];
    const again = await runTrain(options('whole', { resume: true }), (e) => events.push(e));
    expect(again).toEqual(report);
    expect(events.filter((e) => e.type === 'step')).toEqual([]);
    expect(events.find((e) => e.type === 'phase')).toMatchObject({ from: 4, steps: 4 });
  });

  test('whose files were lost after training gets the same ones again', async () => {
    const before = readFileSync(report.files.trained);
    rmSync(report.files.trained);
    rmSync(join(folder, 'whole', 'report.json'));
    await runTrain(options('whole', { resume: true }), silent);
    expect(readFileSync(report.files.trained).equals(before)).toBe(true);
    expect(existsSync(join(folder, 'whole', 'report.json'))).toBe(true);
  });

  test('whose checkpoint is broken or of another layout is refused', async () => {
    const path = join(folder, 'whole', 'checkpoint', 'train.safetensors');
    const good = readFileSync(path);
    try {
      writeFileSync(path, good.subarray(0, good.length - 8));
      await expect(runTrain(options('whole', { resume: true }), silent)).rejects.toThrow(
        /train\.safetensors is no readable checkpoint/,
      );
      writeFileSync(
        path,
        Buffer.concat([Buffer.from([23, 0, 0, 0, 0, 0, 0, 0]), Buffer.from('{"__metadata__": null} ')]),
      );
      await expect(runTrain(options('whole', { resume: true }), silent)).rejects.toThrow(
        /no readable checkpoint.*metadata/,
      );
    } finally {
      writeFileSync(path, good);
    }
  });
});

describe('what a resumed run must share with its start', () => {
  test("another run's checkpoint is refused, although it fits", async () => {
    await runTrain(options('one', { epochs: 1 }), silent);
    await runTrain(options('other', { epochs: 1, seed: 1 }), silent);
    const path = (run: string): string => join(folder, run, 'checkpoint', 'train.safetensors');
    copyFileSync(path('other'), path('one'));
    await expect(runTrain(options('one', { epochs: 1, resume: true }), silent)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringMatching(/one.*train\.safetensors does not belong to this run: run/),
    });
  });

  test('the content of a preprocessing file, not its name alone', async () => {
    const own = JSON.parse(small().metadata.get(PREPROCESS_KEY) ?? '');
    const path = join(folder, 'preprocess.json');
    writeFileSync(path, JSON.stringify(own));
    const change = { epochs: 1, preprocess: path };
    await runTrain(options('preprocess', change), silent);
    writeFileSync(path, JSON.stringify({ ...own, mean: [0.1, 0.2, 0.3] }));
    await expect(runTrain(options('preprocess', { ...change, resume: true }), silent)).rejects.toThrow(
      /preprocess\.mean was .* is \[0\.1,0\.2,0\.3\]/,
    );
  });

  test('the threads in use; not the workers, nor --strict', async () => {
    const change = { epochs: 1, threads: 1, workers: 1 };
    await runTrain(options('threads', change), silent);
    const record = JSON.parse(readFileSync(join(folder, 'threads', 'run.json'), 'utf8'));
    expect(record.options.threads).toBe(1);
    await expect(
      runTrain(options('threads', { ...change, threads: 2, resume: true }), silent),
    ).rejects.toThrow(/options\.threads was 1, is 2/);
    const free = { workers: 2, strict: true, checkpointEvery: 1, resume: true };
    await runTrain(options('threads', { ...change, ...free }), silent);
  });

  test('threads that are not given are recorded as what they were', async () => {
    await runTrain(options('default-threads', { epochs: 1 }), silent);
    const { options: recorded } = JSON.parse(
      readFileSync(join(folder, 'default-threads', 'run.json'), 'utf8'),
    );
    expect(recorded.threads).toBeGreaterThanOrEqual(1);
  });
});

describe('refused before the first step', () => {
  const noSteps: Listener = (e) => {
    if (e.type === 'step') throw new Error('a step was run');
  };

  test('labels that are no outputs of the model', async () => {
    const path = join(folder, 'seven.onnx');
    await saveModel(small(7), path);
    await expect(runTrain(options('seven', { model: path }), noSteps)).rejects.toThrow(
      /disagree on the classes; expected 7 outputs.*10 classes/s,
    );
  });

  test('labels that a labelOffset brings below 0', async () => {
    const path = join(folder, 'shifted.json');
    const own = JSON.parse(small().metadata.get(PREPROCESS_KEY) ?? '');
    writeFileSync(path, JSON.stringify({ ...own, labelOffset: -1 }));
    const nine = join(folder, 'nine.onnx');
    await saveModel(small(9), nine);
    await expect(runTrain(options('shifted', { model: nine, preprocess: path }), noSteps)).rejects.toThrow(
      /disagree on the classes.*labelOffset of -1, labels -1 to 8/s,
    );
  });

  test.each([
    [{ epochs: 0 }, /--epochs; expected a whole number of at least 1; found 0/],
    [{ epochs: 1.5 }, /--epochs/],
    [{ lr: Number.NaN }, /--lr; expected a number above 0; found NaN/],
    [{ lr: Number.POSITIVE_INFINITY }, /--lr/],
    [{ momentum: 1 }, /--momentum; expected a number from 0 to below 1/],
    [{ labelSmoothing: 1 }, /--label-smoothing/],
    [{ weightDecay: -1 }, /--weight-decay/],
    [{ stepEpochs: 0 }, /--step-epochs/],
    [{ checkpointEvery: -1 }, /--checkpoint-every/],
    [{ nesterov: true, momentum: 0 }, /--nesterov.*--momentum above 0/],
  ] satisfies [Partial<TrainOptions>, RegExp][])('%o', async (change, message) => {
    await expect(runTrain(options('wrong', change), noSteps)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(message),
    });
    expect(existsSync(join(folder, 'wrong'))).toBe(false);
  });
});

describe('numbers that are none', () => {
  test('weights that a last step has thrown off, although every loss was finite', async () => {
    // One step: its loss is that of the start, and what is wrong shows in the state only.
    const change = { epochs: 1, batch: 32, lr: 1e39, momentum: 0 };
    await expect(runTrain(options('diverged', change), silent)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(
        /train: parameter '.*' is no longer finite at step 1 of 1\n.*lower --lr/s,
      ),
    });
    expect(existsSync(join(folder, 'diverged', 'checkpoint', 'train.safetensors'))).toBe(false);
  });

  test('a loss', async () => {
    const change = { batch: 8, lr: 1e30, momentum: 0 };
    await expect(runTrain(options('nan-loss', change), silent)).rejects.toMatchObject({
      exitCode: 1,
      message: expect.stringMatching(/the loss is (NaN|Infinity) at step|no longer finite at step/),
    });
  });

  test('class scores, naming the model and the image', async () => {
    const broken = small();
    const [first] = trainables(broken).trainable;
    const tensor = constantOf(first);
    if (!tensor) throw new Error('no weight');
    setConstant(first, Tensor.float32(tensor.dims, new Float32Array(tensor.size).fill(Number.NaN)));
    const engine = await createEngine();
    const { eval: set } = await openTrainEval({ data: DATA });
    const preprocess = await resolvePreprocess(broken, undefined);
    try {
      const about = { engine, set, preprocess, batch: 8, strict: false, workers: 1, listener: silent };
      await expect(evaluateSet({ broken }, about)).rejects.toMatchObject({
        exitCode: 1,
        message: expect.stringMatching(/broken: class score 0 of .* is NaN/),
      });
    } finally {
      await engine.close();
    }
  });
});

test('a step of which no image can be read counts and changes nothing', async () => {
  const images = join(folder, 'images');
  mkdirSync(images);
  const pixel = (v: number): Buffer => Buffer.alloc(16 * 16 * 3, v);
  for (const [i, v] of [30, 120, 220].entries())
    writeFileSync(
      join(images, `${i}.png`),
      await sharp(pixel(v), { raw: { width: 16, height: 16, channels: 3 } })
        .png()
        .toBuffer(),
    );
  writeFileSync(join(images, 'broken.png'), 'no image');
  const list = join(folder, 'list.tsv');
  writeFileSync(
    list,
    ['images/0.png\t0', 'images/broken.png\t1', 'images/1.png\t2', 'images/2.png\t3'].join('\n'),
  );
  const events: RunEvent[] = [];
  const spec = `list:${list}`;
  const change = { data: undefined, train: spec, eval: spec, batch: 1, epochs: 2, augment: 'none' } as const;
  const { data: _, ...rest } = options('unreadable', { ...change, data: '' });
  const report = await runTrain(rest, (e) => events.push(e));
  const steps = events.filter((e) => e.type === 'step');
  expect(steps).toHaveLength(6);
  expect(steps.at(-1)?.steps).toBe(8);
  expect(report.data.skipped).toHaveLength(1);
  expect(report.results.trained).toMatchObject({ images: 3, skipped: 1 });
});

test('images that cannot be read are no network inputs', async () => {
  const list = join(folder, 'broken-first.tsv');
  writeFileSync(list, 'images/broken.png\t0\nimages/0.png\t1\nimages/1.png\t2\n');
  const shapes: (readonly number[] | undefined)[] = [];
  for await (const feeds of realInputs(small(), { data: `list:${list}`, images: 1 }))
    shapes.push([...feeds.values()][0].dims);
  expect(shapes).toEqual([[1, 3, 16, 16]]);
});

describe('what is compared with the files', () => {
  test('a trained tensor that the file holds otherwise', () => {
    const net = small();
    const hashes = new Map(
      trainables(net).trainable.map((v) => [v.name, tensorSha256(constantOf(v) ?? Tensor.float32([], [0]))]),
    );
    expect(checkWritten('training.onnx', hashes, net)).toEqual([]);
    const other = cloneModel(net);
    const [first] = trainables(other).trainable;
    const data = Float32Array.from(Array.from(constantOf(first)?.typed() ?? [], Number));
    data[0] *= 1 + 2e-7;
    setConstant(first, Tensor.float32(constantOf(first)?.dims ?? [], data));
    expect(checkWritten('training.onnx', hashes, other)).toEqual([
      `training.onnx does not hold '${first.name}' as the engine left it`,
    ]);
  });

  test('a frozen kernel that has changed, or is gone', () => {
    const base = small();
    const { model: training, form } = expand(base, { method: 'refconv' });
    expect(checkFrozen(base, form, training).problems).toEqual([]);
    const kernel = [...training.graph.initializers].find((v) => v.name === form.layers[0].base.name);
    const tensor = kernel && constantOf(kernel);
    if (!kernel || !tensor) throw new Error('no base');
    const data = Float32Array.from(Array.from(tensor.typed(), Number));
    data[5] = -data[5];
    setConstant(kernel, Tensor.float32(tensor.dims, data));
    expect(checkFrozen(base, form, training).problems).toEqual([
      `frozen kernel '${form.layers[0].weight}' has changed`,
    ]);
    const { problems, report } = checkFrozen(base, form, base);
    expect(problems).toHaveLength(form.layers.length);
    expect(report.tensors).toBe(0);
  });
});
