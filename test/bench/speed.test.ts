import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseArguments, USAGE } from '../../bench/speed/arguments.js';
import {
  NETWORK_NAMES,
  NETWORKS,
  plainModel,
  SIDE_NAMES,
  scaled,
  TRAININGS,
  titleOf,
  trainedForm,
} from '../../bench/speed/cases.js';
import { type Layers, layersOf } from '../../bench/speed/layers.js';
import { availableSides } from '../../bench/speed/measure.js';
import { checkSameWork, type Measurement, summarize } from '../../bench/speed/measurement.js';
import { checkSameStart, medianInterval, summarizePairs } from '../../bench/speed/pairs.js';
import { type PairReport, type ProcessReport, processReport, seriesOf } from '../../bench/speed/report.js';
import { runReport, whyNot } from '../../bench/speed/run-process.js';
import { pairsTable, type Results, resultsText, sidesTable } from '../../bench/speed/table.js';
import { FILES, readTask, writeTask } from '../../bench/speed/task.js';
import { CheckFailedError, EnvironmentError, UsageError } from '../../src/base/errors.js';
import { randomFor } from '../../src/base/random.js';
import { decodeSafetensors } from '../../src/importers/safetensors.js';
import { constantOf, readForm } from '../../src/reparam/index.js';
import { scratch } from '../cli/cli.js';

function process(milliseconds: number[], elsewhere: (number | null)[], rest: Partial<ProcessReport> = {}) {
  const report = {
    milliseconds,
    elsewhere,
    losses: [2.5, 2.4, 2.3],
    parameters: 10,
    peak: 100,
    library: 'a 1',
  };
  return { ...report, ...rest };
}

const title = 'ResNet-20 32², batch 128';

function measured(side: Measurement['side'], ...processes: ProcessReport[]): Measurement {
  return { network: 'resnet20', title, training: 'plain', side, processes };
}

/** Pairs of undisturbed steps, unless `elsewhere` of the refocusing steps says otherwise. */
function pairs(plain: number[], refocus: number[], elsewhere = refocus.map(() => 0)): PairReport {
  const losses = [2.5];
  return {
    plain: { milliseconds: plain, elsewhere: plain.map(() => 0), losses },
    refocus: { milliseconds: refocus, elsewhere, losses },
    peak: 300,
    library: 'a 1',
  };
}

describe('the arguments', () => {
  test('default to everything', () => {
    expect(parseArguments([])).toEqual({
      networks: ['mobilenetv2', 'mobilenetv3large', 'resnet18', 'resnet20'],
      trainings: ['plain', 'refocus'],
      sides: ['reparam', 'eager', 'channels_last', 'compile', 'tensorflow', 'tfjs'],
      paired: false,
      scale: {},
      lowering: 'auto',
      form: 'auto',
      rounds: 3,
      steps: 10,
      warmup: 3,
      threads: 2,
      python: 'python3',
      tfPython: 'python3',
      tfjs: undefined,
      output: 'text',
      help: false,
    });
  });

  test('choose, in the order of the table', () => {
    const options = parseArguments(
      '--network resnet20,mobilenetv2-small,resnet18 --training refocus --side=eager,reparam --rounds 2 --python /p --json'.split(
        ' ',
      ),
    );
    expect(options.networks).toEqual(['resnet18', 'resnet20', 'mobilenetv2-small']);
    expect(options).toMatchObject({ trainings: ['refocus'], sides: ['reparam', 'eager'], rounds: 2 });
    expect(options).toMatchObject({ python: '/p', tfPython: '/p', output: 'json' });
  });

  test('name programs and a scale', () => {
    const options = parseArguments('--paired --tf-python /t --tfjs /d --size 48 --batch 4'.split(' '));
    expect(options).toMatchObject({ paired: true, python: 'python3', tfPython: '/t', tfjs: '/d' });
    expect(options.scale).toEqual({ size: 48, batch: 4 });
    const made = parseArguments('--lowering blocked --form gram'.split(' '));
    expect(made).toMatchObject({ lowering: 'blocked', form: 'gram' });
  });

  test.each([
    ['--network resnet2', /--network; expected mobilenetv2, .*found 'resnet2'/],
    ['--training=', /--training; expected plain, refocus; found ''/],
    ['--rounds 0', /--rounds; expected a whole number from 1 to 10000; found '0'/],
    ['--steps 1e3', /--steps/],
    ['--threads -1', /--threads/],
    ['--size 2.5', /--size/],
    ['--lowering fast', /--lowering; expected auto, blocked, parallel, portable; found 'fast'/],
    ['--form refconv', /--form; expected auto, explicit, gram; found 'refconv'/],
    ['--sides eager', /--sides/],
    ['resnet20', /resnet20/],
    ['--json --markdown', /--json and --markdown; expected one of them/],
    ['--paired --side eager', /--paired and --side; expected one of them/],
    ['--paired --training plain', /--paired and --training/],
  ])('%s is refused', (line, message) => {
    const parse = () => parseArguments(line.split(' '));
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(message);
  });

  test('the help names each choice', () => {
    for (const name of [...NETWORK_NAMES, ...TRAININGS, ...SIDE_NAMES]) expect(USAGE).toContain(name);
  });
});

describe('the summary', () => {
  test('is the median of the undisturbed steps', () => {
    // 900 and 500 were disturbed: 5 % are 45 and 25 ms. For the others two ticks, 20 ms, are the limit.
    const a = process([100, 900, 104], [20, 46, -7], { peak: 90 });
    const b = process([110, 120, 500], [0, 20, 26], { peak: 95.5 });
    expect(summarize([a, b])).toEqual({
      median: 107,
      low: 102,
      high: 115,
      undisturbed: 4,
      steps: 6,
      peak: 95.5,
    });
  });

  test('counts every step where most were disturbed, or nothing is known', () => {
    expect(summarize([process([100, 200, 300], [0, 100, 100])])).toMatchObject({
      median: 200,
      undisturbed: 1,
    });
    expect(summarize([process([100, 200, 300], [null, null, null], { peak: null })])).toMatchObject({
      median: 200,
      undisturbed: 3,
      peak: null,
    });
  });
});

describe('sides that train something else are refused', () => {
  const ours = measured('reparam', process([1], [0]));

  test.each<[string, Partial<ProcessReport>, RegExp | undefined]>([
    ['the same', {}, undefined],
    ['rounded otherwise', { losses: [2.50002, 2.4, 2.3] }, undefined],
    ['apart after some steps', { losses: [2.5, 2.4, 2.3, 9] }, undefined],
    ['rounded otherwise, and apart from there', { losses: [2.5, 2.409, 2.319] }, undefined],
    ['another start', { losses: [2.5001, 2.4, 2.3] }, /loss of eager at step 1/],
    ['another loss', { losses: [2.5, 2.42, 2.3] }, /ResNet-20.*loss of eager at step 2.*2\.4;.*2\.42/],
    ['no momentum', { losses: [2.5, 2.4, 2.35] }, /loss of eager at step 3/],
    ['no number', { losses: [2.5, 2.4, null] }, /step 3/],
    ['other parameters', { parameters: 11 }, /expected 10 parameters; found 11/],
  ])('%s', (_, other, message) => {
    const check = () => checkSameWork([ours, measured('eager', process([1], [0], other))]);
    if (!message) return expect(check).not.toThrow();
    expect(check).toThrow(CheckFailedError);
    expect(check).toThrow(message);
  });

  test('one that does not lower the loss', () => {
    const flat = measured('reparam', process([1], [0], { losses: [2.5, 2.5, 2.5] }));
    expect(() => checkSameWork([flat])).toThrow(/reparam does not lower the loss.*found 2\.5, 2\.5, 2\.5/);
  });
});

describe('the interval of a median', () => {
  const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => n - i);

  // Two-sided 95 % ranks of the sign test (tables of the binomial distribution with p = 1/2).
  test.each([
    [5, undefined],
    [6, 1],
    [8, 1],
    [9, 2],
    [12, 3],
    [20, 6],
    [30, 10],
    [50, 18],
    [100, 40],
    [2000, 956],
  ])('of %i values has the rank %s', (n, rank) => {
    expect(medianInterval(upTo(n))).toEqual(rank && { low: rank, high: n + 1 - rank });
  });

  test('holds the median in at least 95 % of samples, of a skewed distribution with outliers too', () => {
    const random = randomFor(0, 'median interval');
    const SAMPLES = 2000;
    let held = 0;
    for (let i = 0; i < SAMPLES; i++) {
      // exp is monotonic: the median is exp(0) = 1.
      const values = Array.from({ length: 25 }, () => Math.exp(random.normal() ** 3));
      const { low, high } = medianInterval(values) ?? { low: 0, high: 0 };
      if (low <= 1 && 1 <= high) held++;
    }
    // True coverage of the ranks 8 and 18 of 25: 0.957; four standard deviations are 0.018.
    expect(held / SAMPLES).toBeGreaterThan(0.939);
    expect(held / SAMPLES).toBeLessThan(0.975);
  });
});

describe('pairs', () => {
  test('are compared pair by pair', () => {
    // The machine gets three times slower half-way; the ratio does not see it.
    const a = pairs([100, 100, 100, 300, 300, 300], [110, 111, 112, 339, 342, 345]);
    const s = summarizePairs([a]);
    expect(s).toMatchObject({ plain: 200, refocus: 225.5, pairs: 6, undisturbed: 6, peak: 300 });
    expect(s.ratio).toBeCloseTo(1.125, 12);
    expect(s.interval).toEqual({ low: 1.1, high: 1.15 });
    expect(s.processes).toEqual({ low: s.ratio, high: s.ratio });
  });

  test('count where both steps were undisturbed, in all processes', () => {
    const a = pairs([100, 100, 100], [120, 900, 120], [0, 46, 0]);
    const b = pairs([100, 100, 100], [130, 130, 130]);
    const s = summarizePairs([a, b]);
    expect(s).toMatchObject({ ratio: 1.3, undisturbed: 5, pairs: 6, interval: undefined });
    expect(s.processes).toEqual({ low: 1.2, high: 1.3 });
  });

  test('all count where most were disturbed', () => {
    const s = summarizePairs([pairs([100, 100, 100], [110, 120, 190], [0, 50, 50])]);
    expect(s).toMatchObject({ ratio: 1.2, undisturbed: 1, pairs: 3 });
  });

  test('that do not start as the same function are refused', () => {
    const same = pairs([1], [1]);
    const other = { ...same, refocus: { ...same.refocus, losses: [2.6] } };
    const check = (report: PairReport) => () =>
      checkSameStart({ network: 'resnet20', title, processes: [same, report] });
    expect(check(same)).not.toThrow();
    expect(check(other)).toThrow(CheckFailedError);
    expect(check(other)).toThrow(/ResNet-20 32².*expected a first loss of 2\.5; found 2\.6/);
  });
});

test('a series leaves the warm-up out, except its losses', () => {
  const step = (n: number) => ({ milliseconds: n, elsewhere: null, loss: -n });
  expect(seriesOf([step(1), step(2), step(3)], 1)).toEqual({
    milliseconds: [2, 3],
    elsewhere: [null, null],
    losses: [-1, -2, -3],
  });
});

const results: Results = {
  machine: { cpu: 'A CPU', cores: 2, memoryGiB: 8, system: 'linux x64', node: 'v20.1.0', date: '2026-01-02' },
  settings: { rounds: 1, steps: 2, warmup: 3, threads: 2 },
  libraries: ['onnxruntime-node 1.30.0 (cpu)', 'torch 2'],
  how: ['ResNet-20, plain: blocked lowering'],
  measurements: [
    measured('reparam', process([50, 50], [0, 0])),
    measured('eager', process([100, 200], [0, 0], { peak: 200.6 })),
  ],
  pairs: [],
};

describe('the table', () => {
  test('has ratios to the sides', () => {
    expect(sidesTable(results.measurements).rows).toEqual([
      [title, 'plain', 'reparam', '50.0', '50.0–50.0', '1.00', '100', '2/2'],
      [title, 'plain', 'PyTorch eager', '150', '150–150', '0.33', '201', '2/2'],
    ]);
  });

  test('has none where ours was not measured', () => {
    const [row] = sidesTable(results.measurements.slice(1)).rows;
    expect(row[5]).toBe('');
  });

  test('compares like with like', () => {
    const refocus: Measurement = {
      ...measured('eager', process([400], [0])),
      training: 'refocus',
    };
    expect(sidesTable([...results.measurements, refocus]).rows[2]).toEqual([
      title,
      'refocus',
      'PyTorch eager',
      '400',
      '400–400',
      '',
      '100',
      '1/1',
    ]);
  });

  test('of pairs has the ratio with its interval', () => {
    const six = (ms: number) => Array.from({ length: 6 }, () => ms);
    const long = pairs(six(200), [204, 205, 206, 207, 208, 209]);
    const few = pairs([50], [60]);
    const table = pairsTable([
      { network: 'resnet20', title, processes: [long] },
      { network: 'resnet18', title: 'ResNet-18 224², batch 16', processes: [few] },
    ]);
    expect(table.rows).toEqual([
      [title, '200', '207', '1.032', '1.020–1.045', '1.032–1.032', '300', '6/6'],
      ['ResNet-18 224², batch 16', '50.0', '60.0', '1.200', 'too few pairs', '1.200–1.200', '300', '1/1'],
    ]);
    for (const row of table.rows) expect(row).toHaveLength(table.columns.length);
  });

  test('says what it was measured on', () => {
    const text = resultsText(results, 'markdown');
    expect(text).toMatch(/^\| network /);
    expect(text).toContain(
      '2026-01-02; A CPU, 2 cores, 8 GiB, linux x64; node 20.1.0, onnxruntime-node 1.30.0 (cpu), torch 2.',
    );
    expect(text).toContain('2 threads; 1 process of each side, 2 steps each after 3 of warm-up.');
    expect(text).toContain('ResNet-20, plain: blocked lowering.');
    const paired = {
      ...results,
      pairs: [{ network: 'resnet20' as const, title, processes: [pairs([1], [1])] }],
    };
    expect(resultsText(paired, 'text')).toContain('2 threads; 1 process, 2 pairs of steps each after 3');
  });
});

describe('a network', () => {
  test('has its own scale, or another', () => {
    expect(titleOf(NETWORKS.resnet18)).toBe('ResNet-18 224², batch 16');
    expect(titleOf(scaled('resnet18', { size: 48 }))).toBe('ResNet-18 48², batch 16');
    expect(scaled('resnet18', { batch: 2 })).toEqual({ ...NETWORKS.resnet18, batch: 2 });
    expect(scaled('resnet18', {})).toEqual(NETWORKS.resnet18);
  });

  test('as a list of layers names every weight and holds every integer', () => {
    const layers = layersOf(plainModel(scaled('resnet20', {})));
    expect(layers.layers[0]).toEqual({
      op: 'Conv',
      inputs: ['input', 'conv1.weight'],
      output: 'conv1',
      attributes: { dilations: [1, 1], group: 1, kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] },
    });
    const pad = layers.layers.find((l) => l.op === 'Pad');
    expect(layers.constants[pad?.inputs[1] ?? '']).toEqual([0, 8, 0, 0, 0, 8, 0, 0]);
    expect(layers).toMatchObject({ input: 'input', output: 'logits' });
    expect(layers.layers.at(-1)).toMatchObject({ op: 'Gemm', output: 'logits', attributes: { transB: 1 } });
  });

  test.each(NETWORK_NAMES)('%s has only layers that the peers know', (name) => {
    const layers: Layers = layersOf(plainModel(NETWORKS[name]));
    const source = (file: string) =>
      readFileSync(new URL(`../../bench/peers/${file}`, import.meta.url), 'utf8');
    for (const { op } of layers.layers) {
      expect(source('tensorflow_step.py')).toContain(`def ${op}(`);
      expect(source('tfjs_step.mjs')).toMatch(new RegExp(`^ {2}${op}: `, 'm'));
    }
  });
});

describe('a task', () => {
  test('comes back as written, with the weights of the plain network', () => {
    const folder = join(scratch(), 'task');
    mkdirSync(folder);
    const options = parseArguments(['--steps', '4', '--threads', '1']);
    writeTask(folder, 'mobilenetv2-small', 'refocus', options);
    const { task, images, labels } = readTask(folder);
    expect(task).toMatchObject({
      arch: 'mobilenetv2',
      width: 0.25,
      classes: 10,
      stem: 'cifar',
      training: 'refocus',
    });
    expect(task).toMatchObject({ lowering: 'auto', form: 'auto' });
    expect(task).toMatchObject({ batch: 64, image: [3, 32, 32], steps: 4, warmup: 3, threads: 1 });
    expect(images).toHaveLength(64 * 3 * 32 * 32);
    expect(new Set(images).size).toBe(256);
    expect(labels).toHaveLength(64);
    expect([...labels].every((l) => l >= 0 && l < 10)).toBe(true);
    const file = join(folder, FILES.weights);
    const { tensors } = decodeSafetensors(readFileSync(file), file);
    expect(JSON.parse(readFileSync(join(folder, FILES.layers), 'utf8')).output).toBe('logits');
    const model = plainModel(NETWORKS['mobilenetv2-small']);
    for (const name of ['features.0.0.weight', 'features.0.1.running_var', 'classifier.1.bias']) {
      const value = [...model.graph.values()].find((v) => v.name === name);
      expect(tensors.get(name)?.typed()).toEqual(value && constantOf(value)?.typed());
    }
  });

  test('has the scale that is asked for', () => {
    const folder = join(scratch(), 'small');
    mkdirSync(folder);
    writeTask(folder, 'mobilenetv2-small', 'plain', parseArguments(['--size', '16', '--batch', '3']));
    const { task, images, labels } = readTask(folder);
    expect(task).toMatchObject({ batch: 3, image: [3, 16, 16], preprocess: { size: 16 } });
    expect([images.length, labels.length]).toEqual([3 * 3 * 16 * 16, 3]);
  });

  test('refocuses every k×k convolution', () => {
    expect(readForm(trainedForm(NETWORKS.resnet20, 'plain'))).toBeUndefined();
    expect(readForm(trainedForm(NETWORKS.resnet20, 'refocus'))?.layers).toHaveLength(19);
    expect(readForm(trainedForm(NETWORKS['mobilenetv2-small'], 'refocus'))?.layers).toHaveLength(18);
  });
});

describe('a process', () => {
  const node = globalThis.process.execPath;
  const { signal } = new AbortController();
  const report: ProcessReport = process([1, 2], [0, null]);

  test('is read', async () => {
    const script = `console.log(${JSON.stringify(JSON.stringify(report))})`;
    expect(await runReport([node, '-e', script], processReport, signal)).toEqual(report);
  });

  test('that fails is told with what it said', async () => {
    const script = 'console.error("no such thing"); process.exitCode = 7';
    const run = runReport([node, '-e', script], processReport, signal);
    await expect(run).rejects.toThrow(EnvironmentError);
    await expect(run).rejects.toThrow(/ended with code 7; found no such thing/);
  });

  test('a program that is missing or cannot is told in its words', async () => {
    expect(await whyNot([join(scratch(), 'no-python')])).toMatch(/ENOENT/);
    expect(await whyNot([node, '-e', 'console.error("no module"); process.exitCode = 1'])).toBe('no module');
    expect(await whyNot([node, '-e', '0'])).toBeUndefined();
  });

  test('peers that are not installed are left out, with what they need', async () => {
    const said: string[] = [];
    const missing = join(scratch(), 'no-python');
    const options = parseArguments(['--python', missing, '--tfjs', scratch()]);
    const sides = await availableSides({ options, signal, progress: (line) => said.push(line) });
    expect(sides).toEqual(['reparam']);
    expect(said).toHaveLength(5);
    expect(said[2]).toMatch(/^compile is left out, it needs torch and a C\+\+ compiler.*ENOENT/);
    expect(said[3]).toMatch(
      /^tensorflow is left out, it needs tensorflow in .*no-python \(--tf-python PATH\)/,
    );
    expect(said[4]).toMatch(/^tfjs is left out, it needs @tensorflow\/tfjs-node in .*Cannot find module/);
  });

  test('a peer that takes no part in what is trained is not looked for', async () => {
    const options = parseArguments(['--training', 'refocus', '--side', 'tfjs,tensorflow,channels_last']);
    const progress = () => expect.unreachable();
    expect(await availableSides({ options, signal, progress })).toEqual([]);
  });
});
