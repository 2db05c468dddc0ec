import { UsageError } from '../../base/errors.js';
import type { OptimOptions, RefocusOptions, RunOptions } from '../options.js';

type Checked = OptimOptions &
  RunOptions &
  Partial<Pick<RefocusOptions, 'baselineEpochs' | 'tolerance' | 'mapLr'>>;

interface Rule {
  readonly holds: (v: number) => boolean;
  readonly expected: string;
}

const atLeast = (least: number): Rule => ({
  holds: (v) => v >= least && v < Number.POSITIVE_INFINITY,
  expected: `a number of at least ${least}`,
});
const above = (least: number): Rule => ({
  holds: (v) => v > least && v < Number.POSITIVE_INFINITY,
  expected: `a number above ${least}`,
});
const fraction: Rule = { holds: (v) => v >= 0 && v < 1, expected: 'a number from 0 to below 1' };
const whole = (least: number): Rule => ({
  holds: (v) => Number.isSafeInteger(v) && v >= least,
  expected: `a whole number of at least ${least}`,
});

/** The command line refuses the same before it comes here; a library call is checked by this table. */
const RULES = {
  epochs: whole(1),
  batch: whole(1),
  lr: above(0),
  momentum: fraction,
  weightDecay: atLeast(0),
  labelSmoothing: fraction,
  warmupEpochs: atLeast(0),
  stepEpochs: whole(1),
  gamma: above(0),
  checkpointEvery: whole(0),
  baselineEpochs: whole(0),
  tolerance: above(0),
  mapLr: above(0),
} as const satisfies Partial<Record<keyof Checked, Rule>>;

/** @throws UsageError naming the option that makes no sense */
export function checkOptions(options: Checked): void {
  const values: Partial<Record<keyof typeof RULES, number | 'auto'>> = options;
  for (const name of Object.keys(RULES).filter(isRuled)) {
    const value = values[name];
    const { holds, expected } = RULES[name];
    if (value !== undefined && value !== 'auto' && !holds(value))
      throw new UsageError({ problem: `--${kebab(name)}`, expected, found: `${value}` });
  }
  if (options.nesterov && options.momentum === 0)
    throw new UsageError({
      problem: '--nesterov looks ahead along the momentum, and there is none',
      expected: '--momentum above 0',
      found: '0',
    });
}

function isRuled(name: string): name is keyof typeof RULES {
  return Object.hasOwn(RULES, name);
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}
