import { UsageError } from '../../base/errors.js';
import type { AuxiliaryWeight, OptimOptions, RefocusOptions, RunOptions } from '../options.js';
import type { ParameterGroup } from './groups.js';

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
const share: Rule = { holds: (v) => v > 0 && v <= 1, expected: 'a number above 0, at most 1' };
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
  dampening: fraction,
  beta1: fraction,
  beta2: fraction,
  alpha: fraction,
  epsilon: above(0),
  weightDecay: atLeast(0),
  accumulate: whole(1),
  clipValue: above(0),
  clipNorm: above(0),
  ema: fraction,
  labelSmoothing: fraction,
  temperature: above(0),
  distillWeight: share,
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
  checkOptimizer(options);
  if (options.switchOptimizer && !options.resume)
    throw new UsageError({
      problem: '--switch-optimizer changes the optimizer of a run that goes on',
      expected: '--resume beside it',
    });
  checkGroupSettings(options.group);
  checkAuxiliary(options.aux);
  if (options.emaWarmup && options.ema === undefined)
    throw new UsageError({
      problem: '--ema-warmup grows the decay of an average, and there is none',
      expected: '--ema D',
    });
}

function checkOptimizer({ optimizer, momentum, nesterov, dampening }: OptimOptions): void {
  for (const [flag, given] of [
    ['--nesterov', nesterov],
    ['--dampening', dampening > 0],
  ] as const) {
    if (!given) continue;
    if (optimizer !== 'sgd')
      throw new UsageError({ problem: `${flag} is for sgd`, found: `--optimizer ${optimizer}` });
    if (momentum === 0)
      throw new UsageError({
        problem: `${flag} changes the momentum, and there is none`,
        expected: '--momentum above 0',
        found: '0',
      });
  }
  if (nesterov && dampening > 0)
    throw new UsageError({
      problem: '--nesterov is defined without dampening',
      expected: '--dampening 0',
      found: `${dampening}`,
    });
}

function checkGroupSettings(groups: readonly ParameterGroup[]): void {
  for (const { pattern, lr, decay, frozen } of groups) {
    if (lr === undefined && decay === undefined && !frozen)
      throw new UsageError({
        problem: `--group '${pattern}' sets nothing`,
        expected: 'lr=F, decay=W or frozen',
      });
    for (const [name, value, rule] of [
      ['lr', lr, above(0)],
      ['decay', decay, atLeast(0)],
    ] as const)
      if (value !== undefined && !rule.holds(value))
        throw new UsageError({
          problem: `--group '${pattern}': ${name}`,
          expected: rule.expected,
          found: `${value}`,
          ...(name === 'lr' && value === 0 ? { hint: 'frozen keeps a parameter as it is' } : {}),
        });
  }
}

function checkAuxiliary(outputs: readonly AuxiliaryWeight[]): void {
  const seen = new Set<string>();
  for (const { name, weight } of outputs) {
    if (!above(0).holds(weight))
      throw new UsageError({ problem: `--aux '${name}'`, expected: above(0).expected, found: `${weight}` });
    if (seen.has(name)) throw new UsageError({ problem: `--aux names '${name}' twice` });
    seen.add(name);
  }
}

function isRuled(name: string): name is keyof typeof RULES {
  return Object.hasOwn(RULES, name);
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (c) => `-${c.toLowerCase()}`);
}
