import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseArguments, SIDE_NAMES, USAGE } from '../../bench/gpu/arguments.js';
import { checkSame, curveOf, type GpuMeasurement } from '../../bench/gpu/checks.js';
import { watchMemory } from '../../bench/gpu/device-memory.js';
import { availableSides } from '../../bench/gpu/measure.js';
import { kernelsOf } from '../../bench/gpu/profile.js';
import { gpuReport, type Split } from '../../bench/gpu/report.js';
import {
  curveTable,
  type GpuResults,
  kernelTable,
  resultsText,
  speedTable,
  splitTable,
} from '../../bench/gpu/table.js';
import { transferTime } from '../../bench/gpu/transfers.js';
import { NETWORK_NAMES } from '../../bench/speed/cases.js';
import { UsageError } from '../../src/base/errors.js';
import { createEngine } from '../../src/runtime/index.js';

const title = 'ResNet-18 224², batch 64';
const split: Split = {
  kernels: {
    milliseconds: 60,
    programs: [
      { name: 'Conv MatMul', dispatches: 20, milliseconds: 45 },
      { name: 'ReduceSum', dispatches: 40, milliseconds: 15 },
    ],
  },
  transfers: 5,
  host: 30,
  start: 12.34,
};

function measured(side: GpuMeasurement['side'], ms: number, rest: object = {}): GpuMeasurement {
  const report = {
    milliseconds: [ms, ms, 10 * ms],
    elsewhere: [null, null, null],
    losses: [2.5, 2.4, 2.3],
    parameters: 10,
    peak: 800,
    library: side === 'reparam' ? 'onnxruntime-node 1.30.0 (webgpu: A card)' : 'torch 2 on A card',
    ...rest,
  };
  return { title, training: 'plain', batch: 64, side, report: gpuReport.parse(report), device: 1234 };
}

describe('the arguments', () => {
  test('default to the three networks, ours beside PyTorch with TF32 and AMP', () => {
    const options = parseArguments([]);
    expect(options).toMatchObject({
      networks: ['mobilenetv2', 'resnet18', 'resnet50'],
      trainings: ['plain', 'refocus'],
      batches: [64, 128, 256],
      sides: ['reparam', 'tf32', 'amp'],
      device: 'webgpu',
      allowSoftware: false,
      peerDevice: 'cuda',
      curve: { batch: 16, steps: 5 },
    });
  });

  test('choose, and refuse what is not there', () => {
    const options = parseArguments(
      '--network resnet18 --batch 8,16 --side amp,reparam --device cpu --curve-steps none --size 64 --layout NCHW'.split(
        ' ',
      ),
    );
    expect(options).toMatchObject({
      networks: ['resnet18'],
      batches: [8, 16],
      sides: ['reparam', 'amp'],
      device: 'cpu',
      size: 64,
      webgpu: { layout: 'NCHW' },
      curve: { steps: 0 },
    });
    for (const wrong of [
      ['--device', 'gpu'],
      ['--batch', '0'],
      ['--layout', 'nchw'],
      ['--json', '--markdown'],
      ['--sides', 'amp'],
    ])
      expect(() => parseArguments(wrong)).toThrow(UsageError);
    for (const name of [...SIDE_NAMES, ...NETWORK_NAMES]) expect(USAGE).toContain(name);
  });
});

test('PyTorch that is not there is said, and the rest goes on', async () => {
  const said: string[] = [];
  const sides = await availableSides({
    options: parseArguments(['--python', '/nowhere/python']),
    signal: new AbortController().signal,
    progress: (line) => said.push(line),
  });
  expect(sides).toEqual(['reparam']);
  expect(said.join()).toMatch(/tf32, amp left out, they need torch on cuda in \/nowhere\/python.*ENOENT/);
});

describe('sides that do other work', () => {
  test('are told: other parameters, other losses', () => {
    const ours = measured('reparam', 10);
    expect(checkSame([ours, measured('tf32', 10, { losses: [2.501, 2.4, 2.3] })])).toEqual([]);
    expect(checkSame([ours, measured('tf32', 10, { losses: [2.52, 2.4, 2.3] })])).toEqual([
      `${title}, plain: tf32 has loss 2.52 at step 1, reparam 2.5`,
    ]);
    expect(checkSame([ours, measured('amp', 10, { losses: [2.52, 2.4, 2.3] })])).toEqual([]);
    expect(checkSame([ours, measured('amp', 10, { losses: [2.6, 2.4, 2.3] })])).toHaveLength(1);
    expect(checkSame([ours, measured('amp', 10, { losses: [2.5, null, 2.3] })])[0]).toMatch(
      /loss null at step 2/,
    );
    expect(checkSame([ours, measured('amp', 10, { parameters: 11 })])[0]).toMatch(
      /trains 11 parameters, reparam 10/,
    );
  });

  test("a device whose losses leave the CPU's is told at which step", () => {
    const same = curveOf(title, 'plain', [2.5, 2.4001], [2.5, 2.4]);
    expect(same.problem).toBeUndefined();
    expect(same.relative).toBeCloseTo(0.0001 / 2.4, 9);
    expect(curveOf(title, 'plain', [2.5, 2.3], [2.5, 2.4]).problem).toMatch(
      /loss at step 2 is 2\.3, the CPU's 2\.4/,
    );
    const lost = curveOf(title, 'refocus', [2.5, null], [2.5, 2.4]);
    expect([lost.relative, lost.problem]).toEqual([
      Number.POSITIVE_INFINITY,
      expect.stringMatching(/step 2 is null/),
    ]);
  });
});

describe('a profile', () => {
  const kernel = (name: string, dur: number) => ({ cat: 'Api', name, dur, ts: 0, args: {} });
  const node = { cat: 'Node', name: 'a_kernel_time', dur: 1e6 };

  test('gives the time of each program in a step, without the first run', () => {
    const run = (us: number) => [
      node,
      kernel('a&Conv&Conv', us),
      kernel('b&Conv&Conv', us),
      kernel('c&Relu&Relu', 100),
    ];
    const events = [kernel('a&Conv&Transpose', 7e6), ...run(9e6), ...run(1000), ...run(3000)];
    expect(kernelsOf(JSON.stringify(events), 3)).toEqual({
      milliseconds: 4.1,
      programs: [
        { name: 'Conv', dispatches: 2, milliseconds: 4 },
        { name: 'Relu', dispatches: 1, milliseconds: 0.1 },
      ],
    });
  });

  test('without kernels of a device gives nothing', () => {
    expect(kernelsOf(JSON.stringify([node]), 2)).toBeNull();
  });
});

describe('the memory of the card', () => {
  test.runIf(process.platform !== 'win32')('is what came on top while something ran', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reparam-card-'));
    const path = process.env.PATH;
    try {
      const script = '#!/bin/sh\necho 100\nsleep 0.1\necho 350\nsleep 0.1\necho 120\nexec sleep 60\n';
      writeFileSync(join(folder, 'nvidia-smi'), script, { mode: 0o755 });
      process.env.PATH = `${folder}:${path}`;
      const slow = () => new Promise<string>((resolve) => setTimeout(resolve, 600, 'done'));
      expect(await watchMemory(slow)).toEqual({ result: 'done', mebibytes: 250 });
      process.env.PATH = join(folder, 'nothing');
      expect(await watchMemory(async () => 'done')).toEqual({ result: 'done', mebibytes: null });
    } finally {
      process.env.PATH = path;
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

test('what a step moves is moved, and timed', async () => {
  const engine = await createEngine({ threads: 1 });
  try {
    const [images, labels] = [new Uint8Array(2 * 3 * 64), new Int32Array(2)];
    expect(await transferTime(engine, { batch: 2, image: [3, 8, 8], images, labels })).toBeGreaterThan(0);
  } finally {
    await engine.close();
  }
});

describe('the tables', () => {
  const measurements = [
    measured('reparam', 100, { split, how: ['plain: portable lowering'] }),
    measured('tf32', 50),
  ];
  const results: GpuResults = {
    machine: {
      cpu: 'A CPU',
      cores: 16,
      memoryGiB: 128,
      system: 'linux x64',
      node: 'v20.1.0',
      date: '2026-01-02',
    },
    settings: { steps: 3, warmup: 1, threads: 2, device: 'webgpu', peerDevice: 'cuda' },
    measurements,
    curves: [curveOf(title, 'plain', [2.5, 2.4], [2.5, 2.4])],
    problems: ['something was not right'],
  };

  test('have images per second, ratios, and where the time goes', () => {
    expect(speedTable(measurements).rows).toEqual([
      [title, 'plain', 'reparam', '640', '100', '1.00', '1234', '800'],
      [title, 'plain', 'PyTorch eager TF32', '1280', '50.0', '2.00', '1234', '800'],
    ]);
    expect(splitTable(measurements).rows).toEqual([
      [title, 'plain', '100', '60.0', '60', '5.00', '35.0', '30.0', '12.3'],
    ]);
    expect(kernelTable(measurements, 1).rows).toEqual([
      [title, 'plain', 'Conv MatMul', '20', '45.0', '75 %'],
    ]);
    expect(curveTable(results.curves).rows[0].at(-1)).toBe('0.0e+0');
  });

  test('stand over what they were measured on, and what was wrong', () => {
    const text = resultsText(results, 'markdown', 8);
    expect(text).toMatch(/^\| network /);
    expect(text).toContain('onnxruntime-node 1.30.0 (webgpu: A card), torch 2 on A card.');
    expect(text).toContain(`${title}, plain: portable lowering.`);
    expect(text).toMatch(/WRONG: something was not right$/);
  });
});
