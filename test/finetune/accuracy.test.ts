import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { Accuracy, rankOf } from '../../src/finetune/evaluate/accuracy.js';
import { golden, goldenTest } from '../support/goldens.js';

interface Metrics {
  readonly classes: number;
  readonly logits: number[][];
  readonly labels: number[];
  readonly top1: number;
  readonly top5: number;
  readonly nll: number;
}

describe('accuracy', () => {
  goldenTest('top-1, top-5 and cross-entropy as PyTorch', () => {
    const gold: Metrics = JSON.parse(readFileSync(golden('optim/metrics.json'), 'utf8'));
    const sum = new Accuracy(gold.classes);
    // Two batches, the second with filler rows behind it.
    const half = gold.labels.length / 2;
    sum.add(
      Float32Array.from(gold.logits.slice(0, half).flat()),
      Int32Array.from(gold.labels.slice(0, half)),
      half,
    );
    const rest = [...gold.logits.slice(half), new Array<number>(gold.classes).fill(9)];
    sum.add(Float32Array.from(rest.flat()), Int32Array.from([...gold.labels.slice(half), 0]), half);
    const result = sum.result();
    expect(result.top1).toBe(gold.top1);
    expect(result.top5).toBe(gold.top5);
    expect(result.loss).toBeCloseTo(gold.nll, 12);
    expect(result.images).toBe(gold.labels.length);
    expect(result.correct).toBe(gold.top1 * gold.labels.length);
  });

  test('a tie goes to the lower index, as argmax does', () => {
    expect(rankOf(Float32Array.of(1, 1, 0), 0)).toBe(0);
    expect(rankOf(Float32Array.of(1, 1, 0), 1)).toBe(1);
    expect(rankOf(Float32Array.of(2, 3, 3), 2)).toBe(1);
  });

  test('NaN is never a right answer', () => {
    expect(rankOf(Float32Array.of(Number.NaN, 1, 0), 1)).toBe(1);
    expect(rankOf(Float32Array.of(0, Number.NaN, 0), 1)).toBe(2);
  });

  test('fewer than five classes have no top-5', () => {
    const sum = new Accuracy(3);
    sum.add(Float32Array.of(1, 0, 0), Int32Array.of(0), 1);
    expect(sum.result()).toMatchObject({ top1: 1, top5: null });
  });
});
