import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { PREPROCESS_KEY, presetPreprocess } from '../../src/base/preprocess.js';
import {
  DATA_DEFAULTS,
  OPTIM_DEFAULTS,
  REFOCUS_DEFAULTS,
  type TrainOptions,
} from '../../src/finetune/options.js';
import { runTrain } from '../../src/finetune/train.js';
import { decodeSafetensors } from '../../src/importers/safetensors.js';
import { saveModel, type Tensor } from '../../src/onnx/index.js';
import { relativeL2 } from '../support/close.js';
import { smoothNet } from '../support/smooth-net.js';
import { describeWebgpu } from '../support/webgpu/test.js';

let folder: string;
let model: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-devices-'));
  model = join(folder, 'base.onnx');
  const base = smoothNet('devices', [3, 16, 16], 10);
  base.metadata.set(PREPROCESS_KEY, JSON.stringify(presetPreprocess('cifar10', 16)));
  await saveModel(base, model);
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

type Device = TrainOptions['device'];

const options = (out: string, device: Device, resume = false): TrainOptions => ({
  ...OPTIM_DEFAULTS,
  ...DATA_DEFAULTS,
  ...REFOCUS_DEFAULTS,
  model,
  data: 'shapes:size=16,train=32,eval=16',
  epochs: 1,
  batch: 8,
  checkpointEvery: 1,
  out: join(folder, out),
  device,
  allowSoftware: true,
  resume,
});

const weights = (out: string): Map<string, Tensor> => {
  const path = join(folder, out, 'checkpoint', 'train.safetensors');
  return new Map(decodeSafetensors(readFileSync(path), path).tensors);
};

/** Runs until the checkpoint after a step. @returns what it said */
async function runUntil(step: number, chosen: TrainOptions): Promise<string> {
  const abort = new AbortController();
  const said: string[] = [];
  const run = runTrain(
    chosen,
    (e) => {
      if (e.type === 'log') said.push(e.message);
      if (e.type === 'checkpoint' && e.step === step) abort.abort(new Error('stopped'));
    },
    abort.signal,
  );
  await expect(run).rejects.toThrow('stopped');
  return said.join('\n');
}

describeWebgpu('a run', () => {
  test('goes from the CPU to WebGPU and back, and ends with the same weights but for rounding', async () => {
    const whole = await runTrain(options('whole', 'cpu'), () => undefined);
    expect([whole.device, whole.why]).toEqual(['cpu', []]);

    expect(await runUntil(1, options('changed', 'cpu'))).not.toMatch(/runs on/);
    expect(await runUntil(3, options('changed', 'webgpu', true))).toMatch(
      /runs on onnxruntime-node \S+ \(webgpu: .+\): webgpu was asked for; \d+ operations agree/,
    );
    const report = await runTrain(options('changed', 'cpu', true), () => undefined);
    expect(report.engine).toMatch(/\(cpu\)$/);

    const [mine, theirs] = [weights('changed'), weights('whole')];
    expect([...mine.keys()]).toEqual([...theirs.keys()]);
    for (const [name, t] of mine) {
      const [got, other] = [t, theirs.get(name)].map((v) => Array.from(v?.typed() ?? [], Number));
      // Four steps in float32 in another order of sums.
      expect(relativeL2(got, other), name).toBeLessThan(1e-3);
    }
  });
});
