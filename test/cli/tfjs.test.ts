import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { saveModel } from '../../src/onnx/index.js';
import { markTrained } from '../../src/zoo/index.js';
import { expectClose } from '../support/close.js';
import { smallNetwork } from '../support/small-network.js';
import { expectUserError, killedAt, reparam, reparamJson, scratch } from './cli.js';

const cwd = scratch();
const PIXELS = {
  size: 16,
  resize: null,
  crop: 'none',
  interpolation: 'bilinear',
  scale: 1 / 255,
  mean: [0.5, 0.5, 0.5],
  std: [0.5, 0.5, 0.5],
  channels: 'RGB',
  labelOffset: 0,
};
const DATA = ['--data', 'shapes:size=16,train=16,eval=12'];
const RUN = [...DATA, '--batch', '4', '--epochs', '1', '--checkpoint-every', '2', '--seed', '3'];
/** 48 steps: enough to be killed among them. */
const LONG = [
  '--data',
  'shapes:size=16,train=192,eval=12',
  '--batch',
  '4',
  '--epochs',
  '1',
  '--checkpoint-every',
  '2',
  '--lr',
  '0.01',
];

beforeAll(async () => {
  const net = smallNetwork('tfjs run', { side: 16, classes: 10, width: 6 });
  net.metadata.set('reparam.preprocess', JSON.stringify(PIXELS));
  markTrained(net);
  await saveModel(net, join(cwd, 'net.onnx'));
}, 60_000);

/** The losses of a run's steps, in order; a resumed run has each once. */
function lossesOf(out: string): number[] {
  const lines = readFileSync(join(cwd, out, 'metrics.jsonl'), 'utf8')
    .trimEnd()
    .split('\n');
  const steps = lines.map((l) => JSON.parse(l)).filter((l) => l.type === 'step');
  const byStep = new Map(steps.map((l) => [`${l.phase} ${l.step}`, Number(l.loss)]));
  return [...byStep.values()];
}

/** A loss of float32 steps that were summed in another order. */
function expectSameLosses(a: readonly number[], b: readonly number[]): void {
  expect(a.length).toBe(b.length);
  expectClose(a, b, { absolute: 1e-4 }, 'losses');
}

describe('--engine tfjs', () => {
  test('refocus: the report names the engine, and the losses are those of onnxruntime', async () => {
    for (const engine of ['tfjs', 'onnxruntime']) {
      const run = await reparamJson(
        ['refocus', '--model', 'net.onnx', ...RUN, '--engine', engine, '--out', `refocus-${engine}`],
        { cwd },
      );
      expect(run.code, run.stderr).toBe(0);
      expect(run.json.engine).toMatch(engine === 'tfjs' ? /^@tensorflow\/tfjs/ : /^onnxruntime-node/);
      expect(run.json.verify).toMatchObject({ equivalent: true });
    }
    const losses = lossesOf('refocus-tfjs');
    expect(losses).toHaveLength(8);
    expectSameLosses(losses, lossesOf('refocus-onnxruntime'));
  }, 120_000);

  test('a run that was killed goes on with onnxruntime, and back', async () => {
    const long = ['train', '--model', 'net.onnx', ...LONG];
    const whole = await reparam([...long, '--out', 'whole'], { cwd });
    expect(whole.code, whole.stderr).toBe(0);
    for (const [first, second] of [
      ['tfjs', 'onnxruntime'],
      ['onnxruntime', 'tfjs'],
    ]) {
      const out = `from-${first}`;
      const killed = await killedAt([...long, '--engine', first, '--json'], { cwd, out, mark: '"step":5,' });
      expect(killed, 'killed before its end').toBe(true);
      const end = await reparamJson([...long, '--out', out, '--engine', second, '--resume'], { cwd });
      expect(end.code, end.stderr).toBe(0);
      expect(end.json.engine).toMatch(second === 'tfjs' ? /^@tensorflow/ : /^onnxruntime/);
      expectSameLosses(lossesOf(out), lossesOf('whole'));
    }
  }, 180_000);

  test('eval and verify', async () => {
    const evaluated = await reparamJson(['eval', 'net.onnx', ...DATA, '--engine', 'tfjs'], { cwd });
    const beside = await reparamJson(['eval', 'net.onnx', ...DATA], { cwd });
    expect(evaluated.code, evaluated.stderr).toBe(0);
    expect(evaluated.json.correct).toBe(beside.json.correct);
    expect(Number(evaluated.json.loss)).toBeCloseTo(Number(beside.json.loss), 4);
    const verified = await reparamJson(['verify', 'net.onnx', 'net.onnx', '--engine', 'tfjs'], { cwd });
    expect(verified.code, verified.stderr).toBe(0);
    expect(verified.json).toMatchObject({ equivalent: true, maxAbsolute: 0 });
  }, 120_000);

  test('what does not go with it', async () => {
    const eval_ = ['eval', 'net.onnx', ...DATA, '--engine'];
    await expectUserError([...eval_, 'tfjs', '--threads', '2'], 2, /--threads 2 with --engine tfjs/, { cwd });
    await expectUserError([...eval_, 'pytorch'], 2, /--engine/, { cwd });
  });
});
