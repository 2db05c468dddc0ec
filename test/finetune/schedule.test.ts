import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { OPTIM_DEFAULTS, type OptimOptions } from '../../src/finetune/options.js';
import { learningRate } from '../../src/finetune/schedule.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';

const run = (options: Partial<OptimOptions>, perEpoch: number): number[] => {
  const all = { ...OPTIM_DEFAULTS, ...options };
  return Array.from({ length: all.epochs * perEpoch }, (_, i) => learningRate(all, i, perEpoch));
};

interface Schedule {
  readonly name: string;
  readonly spec: Record<string, unknown>;
  readonly base_lr: number;
  readonly steps: number;
  readonly lr: readonly number[];
}

/** Schedules of torch.optim.lr_scheduler that ours can express, one step an epoch. */
const SAME: Record<string, Partial<OptimOptions>> = {
  cosine: { schedule: 'cosine', epochs: 50 },
  step: { schedule: 'step', stepEpochs: 30, gamma: 0.1 },
  step_098: { schedule: 'step', stepEpochs: 1, gamma: 0.98 },
  multistep: { schedule: 'multistep', milestones: [10, 15, 15, 40], gamma: 0.2 },
};

describe('learning rate schedules', () => {
  for (const [name, options] of Object.entries(SAME))
    goldenTest(`${name} as torch.optim.lr_scheduler`, () => {
      const file: { schedules: Schedule[] } = JSON.parse(
        readFileSync(golden('optim/schedules.json'), 'utf8'),
      );
      const gold = file.schedules.find((s) => s.name === name);
      if (!gold) throw new Error(name);
      const epochs = options.epochs ?? gold.steps;
      const ours = run({ lr: gold.base_lr, ...options, epochs }, 1);
      // Both are doubles; PyTorch's recurrences round differently.
      expectClose(ours, gold.lr.slice(0, epochs), { absolute: 1e-14, relative: 1e-12 });
    });

  test('warm-up is linear and ends at the peak', () => {
    const lr = run({ lr: 0.4, epochs: 5, warmupEpochs: 1, schedule: 'cosine' }, 4);
    expectClose(lr.slice(0, 4), [0.1, 0.2, 0.3, 0.4], { absolute: 1e-15 });
    expect(lr[4]).toBe(0.4);
    expectClose([lr[12]], [0.2], { absolute: 1e-15 }, 'halfway down');
    expect(lr.at(-1)).toBeGreaterThan(0);
    expect(lr.at(-1)).toBeLessThan(0.01);
  });

  test('constant', () => {
    expect(new Set(run({ lr: 0.1, epochs: 2, schedule: 'constant' }, 3))).toEqual(new Set([0.1]));
  });
});
