import { mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseArguments, USAGE } from '../../bench/speed/arguments.js';
import { FORMS, NETWORK_NAMES, plainModel, SIDE_NAMES, trainedForm } from '../../bench/speed/cases.js';
import { checkSameWork, type Measurement, summarize } from '../../bench/speed/measurement.js';
import { type ProcessReport, processReport } from '../../bench/speed/report.js';
import { runSide, whyNoTorch } from '../../bench/speed/run-process.js';
import { type Results, resultsTable, resultsText } from '../../bench/speed/table.js';
import { FILES, readTask, writeTask } from '../../bench/speed/task.js';
import { CheckFailedError, EnvironmentError, UsageError } from '../../src/base/errors.js';
import { decodeSafetensors } from '../../src/finetune/run/safetensors.js';
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

function measured(side: Measurement['side'], ...processes: ProcessReport[]): Measurement {
  return { network: 'resnet20', form: 'plain', side, processes };
}

describe('the arguments', () => {
  test('default to everything', () => {
    expect(parseArguments([])).toEqual({
      networks: ['resnet20', 'mobilenetv2', 'mobilenetv2-small'],
      forms: ['plain', 'refconv'],
      sides: ['reparam', 'eager', 'channels_last'],
      rounds: 3,
      steps: 10,
      warmup: 3,
      threads: 2,
      python: undefined,
      output: 'text',
      help: false,
    });
  });

  test('choose, in the order of the table', () => {
    const options = parseArguments(
      '--network mobilenetv2-small,resnet20 --form refconv --side=eager,reparam --rounds 2 --python /p --json'.split(
        ' ',
      ),
    );
    expect(options.networks).toEqual(['resnet20', 'mobilenetv2-small']);
    expect(options).toMatchObject({ forms: ['refconv'], sides: ['reparam', 'eager'], rounds: 2 });
    expect(options).toMatchObject({ python: '/p', output: 'json' });
  });

  test.each([
    ['--network resnet2', /--network; expected resnet20, .*found 'resnet2'/],
    ['--form=', /--form; expected plain, refconv; found ''/],
    ['--rounds 0', /--rounds; expected a whole number from 1 to 10000; found '0'/],
    ['--steps 1e3', /--steps/],
    ['--threads -1', /--threads/],
    ['--sides eager', /--sides/],
    ['resnet20', /resnet20/],
    ['--json --markdown', /--json and --markdown; expected one of them/],
  ])('%s is refused', (line, message) => {
    const parse = () => parseArguments(line.split(' '));
    expect(parse).toThrow(UsageError);
    expect(parse).toThrow(message);
  });

  test('the help names each choice', () => {
    for (const name of [...NETWORK_NAMES, ...FORMS, ...SIDE_NAMES]) expect(USAGE).toContain(name);
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
    ['rounded otherwise', { losses: [2.5001, 2.4, 2.3] }, undefined],
    ['apart after some steps', { losses: [2.5, 2.4, 2.3, 9] }, undefined],
    ['another loss', { losses: [2.5, 2.41, 2.3] }, /ResNet-20.*loss of eager at step 2.*2\.4;.*2\.41/],
    ['no number', { losses: [2.5, 2.4, null] }, /step 3/],
    ['other parameters', { parameters: 11 }, /expected 10 parameters; found 11/],
  ])('%s', (_, other, message) => {
    const check = () => checkSameWork([ours, measured('eager', process([1], [0], other))]);
    if (!message) return expect(check).not.toThrow();
    expect(check).toThrow(CheckFailedError);
    expect(check).toThrow(message);
  });
});

const results: Results = {
  machine: { cpu: 'A CPU', cores: 2, memoryGiB: 8, system: 'linux x64', node: 'v20.1.0', date: '2026-01-02' },
  settings: { rounds: 1, steps: 2, warmup: 3, threads: 2 },
  libraries: ['onnxruntime-node 1.30.0 (cpu)', 'torch 2'],
  measurements: [
    measured('reparam', process([50, 50], [0, 0])),
    measured('eager', process([100, 200], [0, 0], { peak: 200.6 })),
  ],
};

describe('the table', () => {
  test('has ratios to ours', () => {
    expect(resultsTable(results).rows).toEqual([
      ['ResNet-20 32², batch 128', 'plain', 'reparam', '50.0', '50.0–50.0', '1.00', '100', '2/2'],
      ['ResNet-20 32², batch 128', 'plain', 'PyTorch eager', '150', '150–150', '3.00', '201', '2/2'],
    ]);
  });

  test('has none where ours was not measured', () => {
    const [row] = resultsTable({ ...results, measurements: results.measurements.slice(1) }).rows;
    expect(row[5]).toBe('');
  });

  test('says what it was measured on', () => {
    const text = resultsText(results, 'markdown');
    expect(text).toMatch(/^\| network /);
    expect(text).toContain(
      '2026-01-02; A CPU, 2 cores, 8 GiB, linux x64; node 20.1.0, onnxruntime-node 1.30.0 (cpu), torch 2.',
    );
    expect(text).toContain('2 threads; 1 process of each side, 2 steps each after 3 of warm-up.');
  });
});

describe('a task', () => {
  test('comes back as written, with the weights of the plain network', () => {
    const folder = join(scratch(), 'task');
    mkdirSync(folder);
    const options = parseArguments(['--steps', '4', '--threads', '1']);
    writeTask(folder, 'mobilenetv2-small', 'refconv', options);
    const { task, images, labels } = readTask(folder);
    expect(task).toMatchObject({
      arch: 'mobilenetv2',
      width: 0.25,
      classes: 10,
      stem: 'cifar',
      form: 'refconv',
    });
    expect(task).toMatchObject({ batch: 64, image: [3, 32, 32], steps: 4, warmup: 3, threads: 1 });
    expect(images).toHaveLength(64 * 3 * 32 * 32);
    expect(new Set(images).size).toBe(256);
    expect(labels).toHaveLength(64);
    expect([...labels].every((l) => l >= 0 && l < 10)).toBe(true);
    const file = join(folder, FILES.weights);
    const { tensors } = decodeSafetensors(readFileSync(file), file);
    const model = plainModel('mobilenetv2-small');
    for (const name of ['features.0.0.weight', 'features.0.1.running_var', 'classifier.1.bias']) {
      const value = [...model.graph.values()].find((v) => v.name === name);
      expect(tensors.get(name)?.typed()).toEqual(value && constantOf(value)?.typed());
    }
  });

  test('refocuses every k×k convolution', () => {
    expect(readForm(trainedForm('resnet20', 'plain'))).toBeUndefined();
    expect(readForm(trainedForm('resnet20', 'refconv'))?.layers).toHaveLength(19);
    expect(readForm(trainedForm('mobilenetv2-small', 'refconv'))?.layers).toHaveLength(18);
  });
});

describe('a process', () => {
  const node = globalThis.process.execPath;
  const { signal } = new AbortController();
  const report: ProcessReport = process([1, 2], [0, null]);

  test('is read', async () => {
    const script = `console.log(${JSON.stringify(JSON.stringify(report))})`;
    expect(await runSide(node, ['-e', script], signal)).toEqual(processReport.parse(report));
  });

  test('that fails is told with what it said', async () => {
    const run = runSide(node, ['-e', 'console.error("no such thing"); process.exitCode = 7'], signal);
    await expect(run).rejects.toThrow(EnvironmentError);
    await expect(run).rejects.toThrow(/ended with code 7; found no such thing/);
  });

  test('a Python that is missing or has no torch leaves the peers out', async () => {
    expect(await whyNoTorch(join(scratch(), 'no-python'))).toMatch(/ENOENT/);
    // Node, too, has no torch.
    expect(await whyNoTorch(node)).toBeTypeOf('string');
  });
});
