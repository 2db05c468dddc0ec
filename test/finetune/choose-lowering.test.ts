import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { PREPROCESS_KEY, presetPreprocess } from '../../src/base/preprocess.js';
import type { Listener } from '../../src/finetune/events.js';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import {
  DATA_DEFAULTS,
  OPTIM_DEFAULTS,
  REFOCUS_DEFAULTS,
  type TrainOptions,
} from '../../src/finetune/options.js';
import { runTrain } from '../../src/finetune/train.js';
import { decodeSafetensors } from '../../src/importers/safetensors.js';
import { saveModel, type Tensor } from '../../src/onnx/index.js';
import { channelBlock, createEngine, type Engine } from '../../src/runtime/index.js';
import { relativeL2 } from '../support/close.js';
import { smoothNet } from '../support/smooth-net.js';

let engine: Engine;
let folder: string;
let model: string;
beforeAll(async () => {
  engine = await createEngine();
  folder = mkdtempSync(join(tmpdir(), 'reparam-lowering-'));
  model = join(folder, 'base.onnx');
  const base = smoothNet('lowering', [3, 16, 16], 10);
  base.metadata.set(PREPROCESS_KEY, JSON.stringify(presetPreprocess('cifar10', 16)));
  await saveModel(base, model);
});
afterAll(async () => {
  await engine.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The engine, with what it computes for the probe changed. */
function otherwise(change: (outputs: Map<string, Tensor>) => Map<string, Tensor>): Engine {
  return {
    ...engine,
    device: engine.device,
    name: 'an engine',
    threads: engine.threads,
    stepSession: (m, init) => engine.stepSession(m, init),
    close: () => Promise.resolve(),
    session: async (m, o) => {
      const session = await engine.session(m, o);
      return {
        inputNames: session.inputNames,
        outputNames: session.outputNames,
        run: async (...args) => change(await session.run(...args)),
        release: () => session.release(),
      };
    },
  };
}

const broken = (): never => {
  throw new Error('com.microsoft.nchwc:Conv(1) is not a registered function/op');
};

/** The reorder of the probe has no numbers that matter; the convolution has. */
const wrong = (outputs: Map<string, Tensor>): Map<string, Tensor> => {
  for (const t of outputs.values()) {
    const data = t.typed();
    if (data instanceof Float32Array) data[data.length - 1] += 1;
  }
  return outputs;
};

describe('which lowering an engine gets', () => {
  test('portable where the kernels are missing or compute something else; asked for, they are refused', async () => {
    for (const change of [broken, wrong]) {
      const engine = otherwise(change);
      expect(await channelBlock(engine)).toBeUndefined();
      expect((await chooseLowering(engine, 'auto')).name).toBe('portable');
      expect((await chooseLowering(engine, 'portable')).name).toBe('portable');
      await expect(chooseLowering(engine, 'blocked')).rejects.toThrow(
        /an engine has no blocked kernels[\s\S]*--lowering auto/,
      );
    }
  });

  test('parallel on WebGPU, and wherever it is asked for', async () => {
    const webgpu: Engine = { ...otherwise(broken), device: 'webgpu' };
    expect((await chooseLowering(webgpu, 'auto')).name).toBe('parallel');
    expect((await chooseLowering(webgpu, 'portable')).name).toBe('portable');
    expect((await chooseLowering({ ...webgpu, device: 'cuda' }, 'auto')).name).toBe('portable');
    expect((await chooseLowering(engine, 'parallel')).name).toBe('parallel');
  });

  test('auto: blocked where they are right', async () => {
    const there = (await channelBlock(otherwise((o) => o))) !== undefined;
    expect((await chooseLowering(engine, 'auto')).name).toBe(there ? 'blocked' : 'portable');
    expect((await chooseLowering(engine, 'portable')).name).toBe('portable');
  });
});

const options = (out: string, change: Partial<TrainOptions>): TrainOptions => ({
  ...OPTIM_DEFAULTS,
  ...DATA_DEFAULTS,
  ...REFOCUS_DEFAULTS,
  model,
  data: 'shapes:size=16,train=64,eval=16',
  epochs: 1,
  batch: 8,
  checkpointEvery: 3,
  out: join(folder, out),
  ...change,
});

const weights = (out: string): Map<string, Tensor> => {
  const path = join(folder, out, 'checkpoint', 'train.safetensors');
  return new Map(decodeSafetensors(readFileSync(path), path).tensors);
};

/** Starts with one lowering, stops, and goes on with the other; returns the messages of the second run. */
async function resumed(out: string, before: TrainOptions['lowering'], after: TrainOptions['lowering']) {
  const abort = new AbortController();
  const stop: Listener = (e) => {
    if (e.type === 'step' && e.step === 5) abort.abort(new Error('stopped'));
  };
  await expect(runTrain(options(out, { lowering: before }), stop, abort.signal)).rejects.toThrow('stopped');
  const messages: string[] = [];
  const report = await runTrain(options(out, { lowering: after, resume: true }), (e) => {
    if (e.type === 'log') messages.push(`${e.level}: ${e.message}`);
  });
  return { report, messages };
}

describe('a run and its lowering', () => {
  test.each([
    ['portable', 'blocked'],
    ['blocked', 'portable'],
    ['parallel', 'blocked'],
  ] as const)(
    'begun %s and resumed %s: it says so, and ends with the same weights but for rounding',
    async (before, after) => {
      if ((await channelBlock(engine)) === undefined) return;
      const whole = await runTrain(options(`whole-${before}`, { lowering: before }), () => undefined);
      expect(whole.lowering).toBe(before);
      const { report, messages } = await resumed(`changed-${before}`, before, after);
      expect(report.lowering).toBe(after);
      expect(messages).toContainEqual(
        expect.stringMatching(
          new RegExp(`^warning: train: from step 3 on the ${after} lowering, before it the ${before} one`),
        ),
      );
      const [mine, theirs] = [weights(`changed-${before}`), weights(`whole-${before}`)];
      expect([...mine.keys()]).toEqual([...theirs.keys()]);
      for (const [name, t] of mine) {
        const expected = theirs.get(name);
        expect(t.dims, name).toEqual(expected?.dims);
        const [got, other] = [t, expected].map((v) => Array.from(v?.typed() ?? [], Number));
        // Eight steps in float32; gradients that are 0 but for rounding move what they are the momentum of.
        expect(relativeL2(got, other), name).toBeLessThan(1e-3);
      }
    },
  );

  test.each(['portable', 'parallel', 'blocked', 'auto'] as const)(
    'stopped and resumed %s, it ends with the same bytes',
    async (lowering) => {
      if (lowering === 'blocked' && (await channelBlock(engine)) === undefined) return;
      const whole = `all-${lowering}`;
      const out = `stopped-${lowering}`;
      await runTrain(options(whole, { lowering }), () => undefined);
      const { messages } = await resumed(out, lowering, lowering);
      expect(messages.filter((m) => m.includes('lowering'))).toEqual([]);
      const file = (name: string): Buffer => readFileSync(join(folder, name, 'trained.onnx'));
      expect(file(out).equals(file(whole))).toBe(true);
    },
  );
});
