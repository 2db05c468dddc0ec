import { describe, expect, test } from 'vitest';
import { refocusText } from '../../src/report/refocus-table.js';
import { report } from './events.js';

describe('refocusText', () => {
  test('the one table, the facts, the notes', () => {
    expect(refocusText(report)).toMatchInlineSnapshot(`
      "model          what it is                            top-1    top-5    loss  images
      ─────────────  ──────────────────────────────────  ───────  ───────  ──────  ──────
      baseline       the built-in checkpoint for shapes  91.25 %  99.70 %  0.2841   1,000
      control        + 3 epochs, plain convolutions      92.00 %  99.70 %  0.2700   1,000
      training form  + 3 epochs, refconv 3×3, zero init  93.00 %  99.70 %  0.2500   1,000
      fused          plain convolutions again            93.00 %  99.70 %  0.2500   1,000

      model                  mobilenetv2, width 0.25, 32×32, 10 classes
      data                   shapes:train → shapes:eval
      split                  drawn apart
      engine                 onnxruntime-node 1.30.0 (cpu), portable lowering
      seed                   7
      fused = training form  yes: largest relative difference 3.6e-7, top-1 agreement 100.00 %, 64 samples
      maps                   3×3, Gram form in 17 of 18 layers, learning rate × 1 ÷ gain of each layer (2.0e-2 to 1.0e+0)
      parameters             3.50 M deployed, 44.05 M in training, 3.50 M stored, 65.31 k frozen
      mult-adds              301.0 M deployed, 340.0 M in training
      training step          0.276 s median of 96, about 1.9 GiB of memory
      frozen weights         17 tensors, sha256 a1b2c3d4e5f6 before, a1b2c3d4e5f6 after: unchanged
      files                  runs/a/baseline.onnx runs/a/training.onnx runs/a/fused.onnx

      Note: a note of the run"
    `);
  });

  test('without a control the row says so', () => {
    const text = refocusText({ ...report, results: { ...report.results, control: null } });
    expect(text).toMatch(/control +not run \(--no-control\) +– +– +– +–/);
  });

  test('one set for training and evaluation is named once', () => {
    const data = { ...report.data, train: 'imagefolder:/d', eval: 'imagefolder:/d', coincide: true };
    expect(refocusText({ ...report, data, notes: [] })).toMatch(
      /\ndata +imagefolder:\/d \(train and eval\)\n/,
    );
  });

  test('a difference and changed frozen weights are said in capitals', () => {
    const text = refocusText({
      ...report,
      verify: {
        ...report.verify,
        equivalent: false,
        maxRelative: 0.5,
        worstNode: 'Conv_3',
        problems: ['off by half'],
      },
      frozen: { ...report.frozen, sha256After: 'ffff' },
    });
    expect(text).toContain('NO: largest relative difference 5.0e-1');
    expect(text).toContain('worst at Conv_3\nNote: off by half');
    expect(text).toContain('CHANGED');
  });

  test('markdown has tables for both', () => {
    const text = refocusText(report, 'markdown');
    expect(text).toMatch(/^\| model +\| what it is/);
    expect(text).toMatch(/\| frozen weights +\|/);
  });
});
