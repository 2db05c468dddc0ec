import { describe, expect, test } from 'vitest';
import type { FuseResult, VerifyReport } from '../../src/reparam/index.js';
import { doctorText } from '../../src/report/doctor-text.js';
import { fuseText } from '../../src/report/fuse-text.js';
import { trainText } from '../../src/report/train-text.js';
import { verifyText } from '../../src/report/verify-text.js';
import type { Diagnosis } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { result } from './events.js';

const verified: VerifyReport = {
  equivalent: true,
  maxRelative: 3.6e-7,
  maxAbsolute: 1e-5,
  top1Agreement: 1,
  flips: 0,
  worstNode: 'Conv_3',
  samples: 8,
  tolerance: 1e-5,
  outputs: [{ name: 'logits', maxRelative: 3.6e-7, maxAbsolute: 1e-5 }],
  weights: [{ layer: 'w', maxRelative: 5e-8 }],
  problems: [],
};

describe('verifyText', () => {
  test('equivalent', () => {
    expect(verifyText('a.onnx', 'b.onnx', verified)).toMatchInlineSnapshot(`
      "a.onnx and b.onnx are equivalent
        output logits: largest error 3.6e-7 of its scale (limit 1.0e-5), 1.0e-5 absolute, 8 samples
        top-1 agreement 100.00 %
        1 computed kernel against the stored ones in float64: largest error 5.0e-8
        largest difference at Conv_3"
    `);
  });

  test('not equivalent: where and why', () => {
    const text = verifyText('a.onnx', 'b.onnx', {
      ...verified,
      equivalent: false,
      top1Agreement: 0.75,
      flips: 2,
      problems: ["output 'logits' differs"],
    });
    expect(text).toContain('are NOT equivalent');
    expect(text).toContain('top-1 agreement 75.00 % (2 differ)');
    expect(text).toContain('they part at Conv_3');
    expect(text).toContain("output 'logits' differs");
  });
});

describe('fuseText', () => {
  const fused: FuseResult = {
    model: buildModel('resnet20', { width: 0.25 }),
    modified: true,
    weights: [{ weight: 'w', nodes: ['c'], from: 'refconv' }],
    batchNorms: [],
    branches: [],
    kept: [{ name: 'bn', reason: 'its input is read twice' }],
  };

  test('what was folded, what was kept, and the check', () => {
    expect(fuseText('f.onnx', fused, verified)).toBe(
      "f.onnx: folded 1 computed kernel; equivalent to the model it was made from, largest error 3.6e-7 of the output's scale\n" +
        '  kept: bn: its input is read twice',
    );
    expect(fuseText('f.onnx', fused, null)).toContain('; not verified');
  });

  test('several kinds of things', () => {
    const branches = [{ into: 'c', removed: ['d', 'add'], branches: 2 }];
    const batchNorms = [{ batchNorm: 'bn', into: 'e', addedBias: true }];
    expect(fuseText('f.onnx', { ...fused, batchNorms, branches }, verified)).toContain(
      'folded 1 computed kernel, 1 BatchNormalization and the branches of 1 convolution;',
    );
  });

  test('nothing to fold', () => {
    const none = { ...fused, modified: false, weights: [], kept: [] };
    expect(fuseText('f.onnx', none, null)).toBe('f.onnx: nothing to fold; written as it is');
  });
});

test('trainText: accuracy, data, engine, step, file', () => {
  const text = trainText({
    model: 'resnet20',
    data: { train: 'a', eval: 'b', how: 'its own test files', coincide: false, skipped: [] },
    seed: 3,
    epochs: 2,
    device: 'cpu',
    why: [],
    engine: 'onnxruntime-node 1.30.0 (cpu)',
    lowering: 'portable',
    results: { trained: result },
    groups: [{ pattern: '*.bias', lr: 2, decay: 0, tensors: 3, values: 1234 }],
    stepMilliseconds: { median: 123.4, count: 40 },
    stepMemory: { total: 2040109465, state: 1, activations: 1, constants: 1, inputs: 1, session: 1 },
    files: { trained: 'runs/t/trained.onnx' },
  });
  expect(text).toMatchInlineSnapshot(`
    "resnet20, 2 epochs: top-1 91.25 %, top-5 99.70 %, loss 0.2841 (1000 images)
    data    a → b, its own test files
    engine  onnxruntime-node 1.30.0 (cpu), portable lowering, seed 3
    group   *.bias: learning rate × 2, weight decay 0 (3 tensors, 1.23 k values)
    step    0.123 s median of 40, about 1.9 GiB of memory
    file    runs/t/trained.onnx"
  `);
});

describe('doctorText', () => {
  const diagnosis: Diagnosis = {
    ok: true,
    node: { version: '22.1.0', required: '>=20.19', ok: true },
    platform: { os: 'linux', arch: 'x64', release: '6.1' },
    cpu: { model: 'A CPU', available: 8, threads: 4 },
    memory: { totalBytes: 16 * 2 ** 30, freeBytes: 4 * 2 ** 30 },
    runtime: {
      package: 'onnxruntime-node',
      version: '1.30.0',
      folder: '/x/onnxruntime-node',
      providers: [],
      checkMilliseconds: 141.2,
      channelBlock: 16,
    },
    tfjs: [],
    devices: [{ device: 'cpu', usable: true, note: 'a graph ran' }],
    problems: [],
  };

  test('all is well', () => {
    expect(doctorText(diagnosis)).toMatchInlineSnapshot(`
      "node      22.1.0 (needs >=20.19)
      platform  linux x64, 6.1
      cpu       A CPU, 8 threads, of which an engine uses 4
      memory    16.0 GiB, 4.0 GiB free
      runtime   onnxruntime-node 1.30.0 in /x/onnxruntime-node
      check     a small graph ran and gave the right numbers, 141 ms from nothing
      blocked   the CPU provider has blocked kernels, 16 channels to a block: training takes the blocked lowering
      tfjs      TensorFlow.js is not installed; only --engine tfjs needs it
      cpu       usable: a graph ran

      everything that reparam needs is there"
    `);
  });

  test('without the runtime: what is wrong, and what to do', () => {
    const text = doctorText({
      ...diagnosis,
      ok: false,
      runtime: {
        ...diagnosis.runtime,
        version: null,
        folder: null,
        checkMilliseconds: null,
        channelBlock: null,
      },
      devices: [{ device: 'cpu', usable: false, note: 'the runtime does not work here' }],
      problems: [{ problem: 'onnxruntime-node is not installed', hint: 'run npm install' }],
    });
    expect(text).toMatch(/^runtime +onnxruntime-node is not installed$/m);
    expect(text).toMatch(/^check +failed$/m);
    expect(text).toMatch(/^blocked +.*no blocked kernels.*portable/m);
    expect(text).toMatch(/^cpu +not usable: /m);
    expect(text).toMatch(/what is wrong:\n- onnxruntime-node is not installed\n {2}run npm install$/);
  });
});
