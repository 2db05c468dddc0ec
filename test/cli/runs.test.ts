import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { BINARY, expectUserError, reparam, reparamJson, scratch } from './cli.js';

const cwd = scratch();
const file = (...name: string[]): string => join(cwd, ...name);

const DATA = ['--data', 'shapes:size=16,train=64,eval=32'];
const TINY = ['--batch', '16', '--epochs', '1', '--lr', '0.01'];
const NET = ['--model', 'resnet20', '--width', '0.25', '--size', '16'];

let trained: Awaited<ReturnType<typeof reparamJson>>;

beforeAll(async () => {
  trained = await reparamJson(['train', ...NET, ...DATA, ...TINY], { cwd });
  expect(trained.code, trained.stderr).toBe(0);
});

describe('train', () => {
  test('makes runs/train-NAME with the model, its metrics and the report', () => {
    expect(trained.json).toMatchObject({
      model: 'resnet20',
      epochs: 1,
      results: { trained: { images: 32 } },
      files: { trained: join('runs', 'train-resnet20', 'trained.onnx') },
    });
    expect(readdirSync(file('runs', 'train-resnet20'))).toEqual(
      expect.arrayContaining(['checkpoint', 'metrics.jsonl', 'trained.onnx']),
    );
    const lines = readFileSync(file('runs', 'train-resnet20', 'metrics.jsonl'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((l) => JSON.parse(l));
    expect(lines.filter((l) => l.type === 'step').map((l) => l.step)).toEqual([1, 2, 3, 4]);
    expect(lines.find((l) => l.type === 'phase')).toMatchObject({ phase: 'train', steps: 4, from: 0 });
  });

  test('progress goes to standard error', () => {
    expect(trained.stderr).toMatch(/^train: 1 epoch, 4 steps$/m);
    expect(trained.stderr).toMatch(/^train 4\/4: epoch 1\/1, loss \d/m);
  });

  test('a second run gets a folder of its own', async () => {
    const { json } = await reparamJson(['train', ...NET, ...DATA, ...TINY], { cwd });
    expect(json.files).toEqual({ trained: join('runs', 'train-resnet20-2', 'trained.onnx') });
  });

  test('user errors', async () => {
    await expectUserError(['train', ...NET], 2, /--data/, { cwd });
    await expectUserError(['train', ...NET, '--data', 'imagefolder:nowhere'], 3, /nowhere/, { cwd });
    await expectUserError(['train', ...NET, '--data', 'shapez'], 2, /shapes/, { cwd });
    await expectUserError(
      ['train', ...NET, ...DATA, '--out', 'runs/train-resnet20'],
      2,
      /holds a run already/,
      {
        cwd,
      },
    );
    await expectUserError(['train', ...NET, ...DATA, '--out', 'runs/none', '--resume'], 2, /--resume/, {
      cwd,
    });
  });
});

describe('eval', () => {
  const model = join('runs', 'train-resnet20', 'trained.onnx');

  test('gives what training reported for the same images', async () => {
    const { code, json } = await reparamJson(['eval', model, ...DATA], { cwd });
    expect(code).toBe(0);
    const { top1, top5, loss, images, correct, skipped } = Object(Object(trained.json.results).trained);
    expect(json).toMatchObject({ top1, top5, images, correct, skipped });
    expect(json.loss).toBeCloseTo(loss, 4);
    expect(json.preprocess).toMatchObject({ size: 16 });
    const run = await reparam(['eval', model, ...DATA], { cwd });
    expect(run.stdout).toMatch(/top-1 \d+\.\d\d %, top-5 .*\(32 images\)\ndata shapes.*\npreprocessing \{/);
  });

  test('user errors', async () => {
    await expectUserError(['eval', model], 2, /--data/, { cwd });
    await expectUserError(['eval', 'none.onnx', ...DATA], 3, /none\.onnx/, { cwd });
  });
});

describe('refocus', () => {
  const base = ['refocus', '--model', join('runs', 'train-resnet20', 'trained.onnx'), ...DATA, ...TINY];

  test('baseline, control, training form and fused model, verified; the table, and the same as JSON', async () => {
    const run = await reparam([...base, '--out', 'runs/r'], { cwd });
    expect(run.code, run.stderr).toBe(0);
    expect(run.stdout).toMatch(/^baseline +the checkpoint +\d/m);
    expect(run.stdout).toMatch(/^control +\+ 1 epoch, plain convolutions +\d/m);
    expect(run.stdout).toMatch(/^fused = training form +yes: /m);
    expect(run.stdout).toMatch(/frozen weights +19 tensors, .*: unchanged/);
    expect(run.stdout).toMatch(/^Note: .*proves the pipeline/m);
    const report = JSON.parse(readFileSync(file('runs', 'r', 'report.json'), 'utf8'));
    expect(report).toMatchObject({ verify: { equivalent: true }, epochs: 1, method: 'refconv' });
    expect(report.frozen.sha256Before).toBe(report.frozen.sha256After);
    for (const f of Object.values<string>(report.files)) expect(existsSync(join(cwd, f)), f).toBe(true);
    const { code, json } = await reparamJson(['verify', report.files.training, report.files.fused], { cwd });
    expect(code).toBe(0);
    expect(json.equivalent).toBe(true);
  });

  test('user errors', async () => {
    await expectUserError(['refocus', ...DATA], 2, /--model NAME\|FILE is missing/, { cwd });
    await expectUserError(['refocus', '--model', 'resnet99', ...DATA], 2, /resnet/, { cwd });
    await reparam(['zoo', 'build', 'resnet20', '--width', '0.25', '--size', '16', '-o', 'random.onnx'], {
      cwd,
    });
    await expectUserError(['refocus', '--model', 'random.onnx', ...DATA], 1, /untrained/, { cwd });
    await expectUserError([...base, '--include', 'nothing*', '--out', 'runs/never'], 2, /nothing\*/, { cwd });
    expect(existsSync(file('runs', 'never'))).toBe(false);
  });
});

interface Stopped {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly stdout: string;
  readonly milliseconds: number;
}

/** Starts a command, and sends Ctrl-C when its progress says `when`. */
function interrupted(args: readonly string[], when: RegExp): Promise<Stopped> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, [BINARY, ...args], { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let stderr = '';
    let stdout = '';
    let sent = 0;
    child.stdout.on('data', (b: Buffer) => {
      stdout += b.toString();
    });
    child.stderr.on('data', (b: Buffer) => {
      stderr += b.toString();
      if (sent === 0 && when.test(stderr)) {
        sent = performance.now();
        child.kill('SIGINT');
      }
    });
    child.on('close', (code, signal) =>
      resolve({ code, signal, stderr, stdout, milliseconds: performance.now() - sent }),
    );
  });
}

describe.skipIf(process.platform === 'win32')('Ctrl-C', () => {
  test('says what is lost and how to go on, ends soon with 130; resuming ends with the same bytes', async () => {
    const args = ['train', ...NET, ...DATA, '--batch', '16', '--epochs', '6', '--lr', '0.01', '--seed', '5'];
    const end = await interrupted([...args, '--out', 'runs/i', '--json'], /^train 8\/24/m);
    expect(end.code).toBe(130);
    expect(end.milliseconds).toBeLessThan(3000);
    expect(end.stderr).toMatch(
      /^reparam: interrupted in train, step \d+ of 24; (no|\d+) steps? (is|are) lost$/m,
    );
    expect(end.stderr).toMatch(/--resume goes on from there/);
    expect(JSON.parse(end.stdout)).toMatchObject({ error: { code: 'INTERRUPTED', exitCode: 130 } });
    expect(existsSync(file('runs', 'i', 'trained.onnx'))).toBe(false);

    const resumed = await reparamJson([...args, '--out', 'runs/i', '--resume'], { cwd });
    expect(resumed.code, resumed.stderr).toBe(0);
    expect(resumed.stderr).toMatch(/going on from step \d+/);
    await reparam([...args, '--out', 'runs/whole'], { cwd });
    const [a, b] = ['i', 'whole'].map((r) => readFileSync(file('runs', r, 'trained.onnx')));
    expect(a.equals(b)).toBe(true);
  });
});
