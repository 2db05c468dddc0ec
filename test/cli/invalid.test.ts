/**
 * Every malformed or hostile ONNX file of the reference set, through the commands that read one: refused by name with
 * exit code 3 and nothing written, or read and written back with every field. Which words a refusal uses is tested in
 * test/onnx. One process runs all command lines, so that its peak memory bounds each of them.
 */
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, test } from 'vitest';
import { Graph, GraphBuilder, Model, saveModel, Tensor, tensorType } from '../../src/onnx/index.js';
import { golden, goldenTest, haveGoldens } from '../support/goldens.js';
import { wireDifference } from '../support/wire.js';
import { expectUserError, reparam, scratch } from './cli.js';

const cwd = scratch();
const CHILD = fileURLToPath(new URL('sweep-child.mjs', import.meta.url));

interface Result {
  readonly code: number;
  readonly message: string;
  readonly log: readonly string[];
  readonly milliseconds: number;
}

interface Entry {
  readonly file: string;
  readonly kind: string;
  readonly expect: string;
}

const KINDS = ['inspect', 'fuse', 'fold', 'expand', 'verify'] as const;
type Kind = (typeof KINDS)[number];

function lineOf(kind: Kind, file: string, out: string): string[] {
  switch (kind) {
    case 'inspect':
      return ['inspect', file];
    case 'fuse':
      return ['fuse', file, '-o', out];
    case 'fold':
      return ['fuse', file, '--fold-batchnorm', '-o', out];
    case 'expand':
      return ['expand', file, '-o', out];
    case 'verify':
      return ['verify', file, file];
    default:
      return kind satisfies never;
  }
}

async function sweep(
  lines: readonly (readonly string[])[],
): Promise<{ results: Result[]; peakMebibytes: number }> {
  const list = join(cwd, 'lines.json');
  writeFileSync(list, JSON.stringify(lines));
  const { stdout } = await promisify(execFile)(process.execPath, [CHILD, list], { maxBuffer: 1 << 24 });
  return JSON.parse(stdout);
}

/** Accepted by reading, and refused where the command needs more than that; the code, and a word of the message. */
const REFUSED_BY: Readonly<Record<string, Partial<Record<Kind, readonly [number, RegExp]>>>> = {
  'bn_negative_variance.onnx': { fold: [3, /'bn'.*-0\.5/s], verify: [1, /^$/] },
  'bn_zero_variance_zero_eps.onnx': { fold: [3, /'bn'.*variance/s], verify: [1, /^$/] },
  // A NaN spreads to every weight that the map mixes it into: no base for training.
  'nan_weight.onnx': { expand: [3, /'w1'.*NaN/s], fold: [1, /NaN/], verify: [1, /^$/] },
  'inf_weight.onnx': { expand: [3, /'w1'.*infinite/s], fold: [1, /NaN/], verify: [1, /^$/] },
};
const WARNED = new Set(['nan_weight.onnx', 'inf_weight.onnx']);
/** Legal models that are read, though the set would allow an error. */
const READ = new Set(['not_sorted.onnx', 'bn_negative_variance.onnx', 'bn_zero_variance_zero_eps.onnx']);

goldenTest('every invalid file is refused by name, and no other', async () => {
  const entries = readFileSync(golden('invalid', 'index.jsonl'), 'utf8')
    .trim()
    .split('\n')
    .map((line): Entry => JSON.parse(line))
    .filter((e) => e.kind === 'onnx');
  expect(entries.length).toBeGreaterThan(100);
  const cases = entries.flatMap(({ file, expect: wanted }) =>
    KINDS.map((kind) => {
      const folder = join(cwd, `${kind}-${file}`);
      mkdirSync(folder);
      const path = golden('invalid', file);
      const out = join(folder, 'out.onnx');
      return { file, wanted, kind, folder, path, out, line: lineOf(kind, path, out) };
    }),
  );
  const { results, peakMebibytes } = await sweep(cases.map((c) => c.line));
  const problems: string[] = [];
  for (const [i, { file, wanted, kind, folder, path, out }] of cases.entries()) {
    const { code, message, log, milliseconds } = results[i];
    const complain = (what: string): number =>
      problems.push(`${kind} ${file} (${wanted}): ${what}: ${code} ${message}`);
    const accepted = wanted.startsWith('accept') || READ.has(file);
    const [expected, words] = accepted
      ? (REFUSED_BY[file]?.[kind] ?? [0, /^$/])
      : [3, { test: (m: string) => m.includes(file) }];
    // A file without a convolution to replace is no failure of reading it.
    const nothing = accepted && kind === 'expand' && code === 1 && /no convolution/.test(message);
    if (!nothing && (code !== expected || !words.test(message))) complain(`expected exit code ${expected}`);
    if (milliseconds > 10_000) complain(`took ${Math.round(milliseconds)} ms`);
    const written = readdirSync(folder);
    const wants = code === 0 && kind !== 'inspect' && kind !== 'verify' ? ['out.onnx'] : [];
    if (written.join() !== wants.join()) complain(`wrote [${written}]`);
    if (WARNED.has(file) !== log.some((l) => /^warning: .*'w1'.*1 (NaN|infinite)/.test(l)))
      complain(`said ${JSON.stringify(log)}`);
    if (kind === 'fuse' && code === 0 && file !== 'not_sorted.onnx') {
      const difference = wireDifference(readFileSync(out), readFileSync(path));
      if (difference.length > 0) complain(`changed ${difference.slice(0, 3).join('; ')}`);
    }
  }
  expect(problems).toEqual([]);
  expect(peakMebibytes).toBeLessThan(1024);
});

describe.runIf(haveGoldens)('through the binary [golden]', () => {
  test.each(['nested_bytes_2500', 'dims_huge', 'conv_group_0', 'html', 'external_traversal'])(
    '%s',
    async (name) => {
      const args = ['fuse', golden('invalid', `${name}.onnx`), '-o', 'never.onnx'];
      await expectUserError(args, 3, `${name}.onnx`, { cwd });
      expect(readdirSync(cwd).filter((f) => f.startsWith('never'))).toEqual([]);
    },
  );
});

/** Conv → BatchNormalization → Relu of one input channel to two, opset 17. */
function small(change: {
  readonly weight?: number;
  readonly stride?: number;
  readonly name?: string;
}): Model {
  const graph = new Graph('small');
  const x = graph.addInput('x', tensorType('float32', ['N', 1, 4, 4]));
  const b = new GraphBuilder(graph, 17);
  const kernel = Float32Array.from({ length: 18 }, (_, i) => (i - 8) / 9);
  kernel[4] = change.weight ?? 1;
  const per = (v: number, name: string) => b.constant(Tensor.float32([2], [v, v]), name);
  const conv = b.op(
    'Conv',
    [x, b.constant(Tensor.float32([2, 1, 3, 3], kernel), 'w')],
    {},
    { name: change.name ?? 'conv' },
  );
  // Set behind the builder's back, which would refuse it.
  if (change.stride !== undefined) conv.producer?.setAttribute('strides', [change.stride, 1]);
  const norm = b.op(
    'BatchNormalization',
    [conv, per(1.5, 'scale'), per(0.1, 'shift'), per(0.2, 'mean'), per(2, 'var')],
    {},
    { name: change.name ?? 'bn' },
  );
  graph.addOutput(b.op('Relu', [norm], {}, { name: change.name ?? 'relu' }));
  return new Model(graph, 17, 8);
}

describe('small models', () => {
  beforeAll(async () => {
    await saveModel(small({ weight: Number.NaN }), join(cwd, 'nan.onnx'));
    await saveModel(small({ stride: 0 }), join(cwd, 'stride.onnx'));
    await saveModel(small({ name: 'same' }), join(cwd, 'same.onnx'));
  });

  test('a NaN weight is said on standard error; the model is read and written', async () => {
    for (const args of [
      ['inspect', 'nan.onnx'],
      ['fuse', 'nan.onnx', '-o', 'copy.onnx'],
    ]) {
      const run = await reparam(args, { cwd });
      expect(run.code, run.stderr).toBe(0);
      expect(run.stderr).toMatch(/^warning: nan\.onnx: weights .*: 'w' \[2, 1, 3, 3\]: 1 NaN$/m);
    }
    expect(wireDifference(readFileSync(join(cwd, 'copy.onnx')), readFileSync(join(cwd, 'nan.onnx')))).toEqual(
      [],
    );
  });

  test('a wrong call of an operator is refused by each command', async () => {
    const words = /stride\.onnx: Conv 'conv': attribute strides; expected numbers from 1/;
    for (const args of [
      ['inspect', 'stride.onnx'],
      ['expand', 'stride.onnx', '-o', 'never.onnx'],
      ['fuse', 'stride.onnx', '-o', 'never.onnx'],
      ['verify', 'same.onnx', 'stride.onnx'],
      ['eval', 'stride.onnx', '--data', 'shapes'],
      ['refocus', '--model', 'stride.onnx', '--data', 'shapes', '-o', 'never'],
      ['train', '--model', 'stride.onnx', '--data', 'shapes', '-o', 'never'],
    ])
      await expectUserError(args, 3, words, { cwd });
    expect(existsSync(join(cwd, 'never.onnx'))).toBe(false);
    expect(existsSync(join(cwd, 'never'))).toBe(false);
  });

  test('nodes may share a name, though the runtime refuses that', async () => {
    const folded = await reparam(['fuse', 'same.onnx', '-o', 'folded.onnx', '--fold-batchnorm'], { cwd });
    expect(folded.stderr).toBe('');
    expect(folded.stdout).toMatch(/folded 1 BatchNormalization; equivalent/);
    const run = await reparam(['verify', 'same.onnx', 'folded.onnx'], { cwd });
    expect(run.code, run.stderr).toBe(0);
  });
});
