import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PREPROCESS_KEY, presetPreprocess } from '../../src/base/preprocess.js';
import type { Listener, RunEvent } from '../../src/finetune/events.js';
import {
  DATA_DEFAULTS,
  OPTIM_DEFAULTS,
  REFOCUS_DEFAULTS,
  type RefocusOptions,
  type TrainOptions,
} from '../../src/finetune/options.js';
import { runRefocus } from '../../src/finetune/refocus.js';
import type { RefocusReport } from '../../src/finetune/results.js';
import { checkKernels } from '../../src/finetune/run/gram-weights.js';
import { withWeights } from '../../src/finetune/run/weights.js';
import { runTrain } from '../../src/finetune/train.js';
import { decodeSafetensors } from '../../src/importers/safetensors.js';
import { loadModel, saveModel, Tensor } from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  type FormLayer,
  gramMatrices,
  gramTransform,
  mapOfGram,
  readForm,
  refConvDelta,
  refConvShape,
  tensorSha256,
  toFloat64,
  verify,
} from '../../src/reparam/index.js';
import { createEngine } from '../../src/runtime/index.js';
import { relativeL2 } from '../support/close.js';
import { smoothNet } from '../support/smooth-net.js';

let folder: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-gram-'));
  model = join(folder, 'base.onnx');
  const base = smoothNet('refocus', [3, 16, 16], 10);
  base.metadata.set(PREPROCESS_KEY, JSON.stringify(presetPreprocess('cifar10', 16)));
  await saveModel(base, model);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const shared = {
  ...OPTIM_DEFAULTS,
  ...DATA_DEFAULTS,
  data: 'shapes:size=16,train=64,eval=16',
  epochs: 1,
  batch: 8,
  checkpointEvery: 3,
};

const options = (out: string, change: Partial<RefocusOptions> = {}): RefocusOptions => ({
  ...REFOCUS_DEFAULTS,
  ...shared,
  lr: 0.02,
  init: 'xavier',
  control: false,
  model,
  out: join(folder, out),
  ...change,
});

/** Runs until a step of the phase is done, and stops. */
async function stopped(
  run: (listener: Listener, signal: AbortSignal) => Promise<unknown>,
  at: number,
): Promise<void> {
  const abort = new AbortController();
  const listener: Listener = (e) => {
    if (e.type === 'step' && e.step === at) abort.abort(new Error('stopped'));
  };
  await expect(run(listener, abort.signal)).rejects.toThrow('stopped');
}

const bytes = (out: string, file: string): Buffer => readFileSync(join(folder, out, file));

async function kernelsOf(path: string): Promise<Map<string, Float64Array>> {
  const file = await loadModel(path);
  return new Map(
    [...file.graph.initializers].flatMap((v): [string, Float64Array][] => {
      const tensor = constantOf(v);
      return tensor && tensor.dims.length === 4 ? [[v.name, toFloat64(tensor)]] : [];
    }),
  );
}

const isDepthwise = (l: FormLayer): boolean => l.groups === 8;

describe('a run in the default form', () => {
  let report: RefocusReport;
  beforeAll(async () => {
    report = await runRefocus(options('whole'), () => undefined);
  }, 120_000);

  test('trains the depthwise kernels in the Gram form, and fused = what was trained', () => {
    expect(report.form).toEqual({ choice: 'auto', gram: 1, explicit: 2 });
    expect(report.verify).toMatchObject({ equivalent: true, problems: [] });
    expect(report.verify.maxRelative).toBeLessThanOrEqual(1e-5);
    expect(report.results.fused).toEqual({ ...report.results.training, loss: report.results.fused.loss });
    expect(report.frozen.sha256After).toBe(report.frozen.sha256Before);
  });

  test('counts: published and stored', () => {
    // The depthwise layer: a map of 8·8·9 values, or 8·9 and α.
    expect(report.parameters.training - report.parameters.storedState).toBe(8 * 8 * 9 - (8 * 9 + 1));
  });

  test('the checkpoint holds α, Z and a seed, and training.onnx the map', async () => {
    const path = join(folder, 'whole', 'checkpoint', 'refocus.safetensors');
    const { metadata, tensors } = decodeSafetensors(readFileSync(path), path);
    const starts: { map: string; sha256: string; from: unknown }[] = JSON.parse(metadata.starts ?? '');
    expect(starts.map((s) => s.map)).toEqual(['depthwise/refconv/map']);
    const training = await loadModel(report.files.training);
    for (const layer of readForm(training)?.layers ?? []) {
      const map = layer.map.name;
      const start = starts.find((s) => s.map === map);
      if (!start) {
        expect(tensors.has(map)).toBe(true);
        continue;
      }
      expect(start.from).toEqual({ init: 'xavier', seed: 0 });
      expect([...tensors.keys()].filter((k) => k === map || k.startsWith(`${map}/`)).sort()).toEqual([
        `${map}/alpha`,
        `${map}/alpha/momentum`,
        `${map}/z`,
        `${map}/z/momentum`,
      ]);
      const written = constantOf(layer.map);
      expect(written && tensorSha256(written)).not.toBe(start.sha256);
    }
    expect(readdirSync(join(folder, 'whole', 'checkpoint')).filter((f) => f.includes('maps'))).toEqual([]);
  });

  test('one changed value of W_b or W_r, and verify fails', async () => {
    const engine = await createEngine();
    try {
      for (const part of ['base', 'map'] as const)
        for (const by of [0.1, 1e-5]) {
          const training = await loadModel(report.files.training);
          const layer = readForm(training)?.layers.find(isDepthwise);
          const tensor = layer && constantOf(layer[part]);
          if (!layer || !tensor) throw new Error(part);
          const data = Float32Array.from(toFloat64(tensor));
          // The middle tap of a map reads every element of a kernel.
          data[part === 'map' ? 4 : 0] += by;
          const changed = withWeights(
            training,
            new Map([[layer[part].name, Tensor.float32(tensor.dims, data)]]),
          );
          const result = await verify(changed, await loadModel(report.files.fused), engine);
          expect(result.equivalent, `${part} by ${by}`).toBe(false);
        }
    } finally {
      await engine.close();
    }
  });

  test('a map that is not what α and Z say is found', async () => {
    const training = await loadModel(report.files.training);
    const layer = readForm(training)?.layers.find(isDepthwise);
    const [base, map] = [layer && constantOf(layer.base), layer && constantOf(layer.map)];
    if (!layer || !base || !map) throw new Error('no layer');
    const shape = refConvShape(base.dims, layer.groups, layer.mapKernel);
    const w = toFloat64(base);
    // As if R₀ were the written map, and had not been trained.
    const kernel = gramTransform(
      w,
      refConvDelta(w, toFloat64(map), shape),
      { alpha: 1, z: new Float64Array(w.length) },
      gramMatrices(w, shape),
      shape,
    );
    const gram = { layer: layer.layer, map: layer.map.name, base, r0: map, shape, alpha: '', z: '' };
    const check = (k: Float64Array): string[] =>
      checkKernels(
        'training.onnx',
        { kernels: new Map([[layer.map.name, k]]), step: { gram: [gram] } },
        training,
      );
    expect(check(kernel)).toEqual([]);
    const other = Float64Array.from(kernel);
    other[3] *= 1 + 1e-5;
    expect(check(other).join()).toMatch(/value 3 of its kernel/);
  });

  for (const at of [2, 5])
    test(`stopped after step ${at} and resumed, it ends with the same bytes`, async () => {
      const out = `stopped-${at}`;
      await stopped((listener, signal) => runRefocus(options(out), listener, signal), at);
      await runRefocus(options(out, { resume: true }), () => undefined);
      for (const file of ['training.onnx', 'fused.onnx'])
        expect(bytes(out, file).equals(bytes('whole', file)), file).toBe(true);
    });

  for (const [before, after] of [
    ['explicit', 'gram'],
    ['gram', 'explicit'],
    ['explicit', 'auto'],
  ] as const)
    test(`begun ${before} and resumed ${after}, it ends with the same kernels`, async () => {
      const out = `${before}-${after}`;
      const change = { weightDecay: 0.01 };
      const events: RunEvent[] = [];
      await stopped(
        (listener, signal) => runRefocus(options(out, { ...change, form: before }), listener, signal),
        5,
      );
      const resumed = await runRefocus(options(out, { ...change, form: after, resume: true }), (e) =>
        events.push(e),
      );
      expect(resumed.verify.equivalent).toBe(true);
      const logs = events.flatMap((e) => (e.type === 'log' ? [`${e.level}: ${e.message}`] : []));
      const layers = after === 'auto' ? 1 : 3;
      const form = after === 'explicit' ? 'explicit maps' : 'the Gram form';
      expect(logs.join('\n')).toContain(
        `info: refocus: from step 3 on ${form} in ${layers} layers, converted from the checkpoint's`,
      );
      expect(logs.join('\n')).not.toContain('warning');
      const whole = `whole-${before}-${after}`;
      await runRefocus(options(whole, { ...change, form: before }), () => undefined);
      const expected = await kernelsOf(join(folder, whole, 'fused.onnx'));
      // Float32 rounding, through five steps of a net of 53 layers.
      for (const [name, kernel] of await kernelsOf(join(folder, out, 'fused.onnx')))
        expect(relativeL2(kernel, expected.get(name) ?? []), name).toBeLessThan(1e-4);
    }, 120_000);

  test('the optimizer may change with --switch-optimizer: what begins anew is said, and the Gram form given up and taken', async () => {
    const out = 'switched';
    await stopped((listener, signal) => runRefocus(options(out), listener, signal), 5);
    const adam = { optimizer: 'adamw', lr: 1e-4, resume: true } as const;
    await expect(runRefocus(options(out, adam), () => undefined)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        /options\.lr was 0\.02, is 0\.0001; options\.optimizer was "sgd", is "adamw".*--switch-optimizer/s,
      ),
    });
    await expect(
      runRefocus(options('unstarted', { switchOptimizer: true }), () => undefined),
    ).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('--resume beside it') });
    const messages: string[] = [];
    const listener: Listener = (e) => {
      if (e.type === 'log') messages.push(`${e.level}: ${e.message}`);
    };
    const switchTo = { ...adam, switchOptimizer: true };
    await stopped(
      (l, signal) =>
        runRefocus(
          options(out, switchTo),
          (e) => {
            l(e);
            listener(e);
          },
          signal,
        ),
      7,
    );
    expect(messages.join('\n')).toMatch(/info: refocus: from step 3 on explicit maps in 1 layers, converted/);
    expect(messages.join('\n')).toMatch(
      /warning: refocus: the optimizer was {"kind":"sgd".*}, is {"kind":"adamw".*}; \d+ tensors of its state begin at their start/,
    );
    // Back: what Adam made is no α·R₀ + Z·Uᵀ, so it is the R₀ of what follows, in a file.
    messages.length = 0;
    const back = await runRefocus(options(out, { resume: true, switchOptimizer: true }), listener);
    expect(back.form).toEqual({ choice: 'auto', gram: 1, explicit: 2 });
    expect(back.verify).toMatchObject({ equivalent: true, problems: [] });
    expect(messages.join('\n')).toContain('from step 6 on the Gram form in 1 layers');
    const files = readdirSync(join(folder, out, 'checkpoint'));
    expect(files.filter((f) => f.startsWith('refocus-maps-'))).toHaveLength(1);
  }, 120_000);

  test('an average of the weights, accumulation and clipping by norm: fused = the average', async () => {
    const result = await runRefocus(
      options('average', { ema: 0.5, accumulate: 2, clipNorm: 1 }),
      () => undefined,
    );
    expect(result.form).toEqual({ choice: 'auto', gram: 1, explicit: 2 });
    expect(result.verify).toMatchObject({ equivalent: true, problems: [] });
    const path = join(folder, 'average', 'checkpoint', 'refocus.safetensors');
    const { tensors } = decodeSafetensors(readFileSync(path), path);
    const training = await loadModel(result.files.training);
    const layer = readForm(training)?.layers.find(isDepthwise);
    const [base, map] = [layer && constantOf(layer.base), layer && constantOf(layer.map)];
    const [alpha, z] = ['alpha', 'z'].map((part) => tensors.get(`depthwise/refconv/map/${part}/average`));
    if (!layer || !base || !map || !alpha || !z) throw new Error('no layer');
    const shape = refConvShape(base.dims, layer.groups, layer.mapKernel);
    const point = { alpha: toFloat64(alpha)[0], z: toFloat64(z) };
    const start = expand(await loadModel(result.files.baseline), { init: 'xavier', seed: 0 });
    const r0 = start.form.layers.find(isDepthwise)?.map;
    const begun = r0 && constantOf(r0);
    if (!begun) throw new Error('no start');
    const expected = mapOfGram(toFloat64(base), toFloat64(begun), point, shape);
    expect(relativeL2(toFloat64(map), expected)).toBeLessThan(1e-7);
    const last = tensors.get('depthwise/refconv/map/z');
    expect(last && relativeL2(toFloat64(last), point.z), 'the average is not the last').toBeGreaterThan(1e-3);
  });

  test('a training form that was trained before goes on: its maps are files beside the checkpoint', async () => {
    const train = (out: string, change: Partial<TrainOptions> = {}): TrainOptions => ({
      ...REFOCUS_DEFAULTS,
      ...shared,
      model: report.files.training,
      out: join(folder, out),
      ...change,
    });
    await runTrain(train('again'), () => undefined);
    const path = join(folder, 'again', 'checkpoint', 'train.safetensors');
    const starts: { from: { file: string } }[] = JSON.parse(
      decodeSafetensors(readFileSync(path), path).metadata.starts ?? '',
    );
    const files = new Set(starts.map((s) => s.from.file));
    expect(files.size).toBe(1);
    await stopped((listener, signal) => runTrain(train('again-stopped'), listener, signal), 5);
    await runTrain(train('again-stopped', { resume: true }), () => undefined);
    expect(bytes('again-stopped', 'trained.onnx').equals(bytes('again', 'trained.onnx'))).toBe(true);

    // A damaged file is refused.
    await stopped((listener, signal) => runTrain(train('again-damaged'), listener, signal), 5);
    const [file] = files;
    const maps = join(folder, 'again-damaged', 'checkpoint', file);
    const damaged = readFileSync(maps);
    damaged[damaged.length - 1] ^= 1;
    writeFileSync(maps, damaged);
    await expect(runTrain(train('again-damaged', { resume: true }), () => undefined)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining('as the checkpoint needs it'),
    });
  }, 120_000);
});
