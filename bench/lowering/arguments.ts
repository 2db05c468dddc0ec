import { flag, readOptions, text } from '../options.js';
import { count } from '../speed/arguments.js';

export interface Arguments {
  /** Parts of names; empty: everything. */
  readonly only: readonly string[];
  readonly repeat: number;
  readonly warmup: number;
  readonly threads: number;
  readonly format: 'text' | 'markdown';
  readonly help: boolean;
}

export const USAGE = `npm run bench:lowering -- [options]

Measures the constants of the estimates for the gradient of a kernel in the blocked lowering, beside those in use
(src/finetune/lowering/blocked/cost.ts), and every such formulation for the layers of the usual networks, beside its estimate.
Nothing is written: who trusts the figures puts them into cost.ts.

  --only TEXTS      constants whose name, and layers whose description or network, has one of these in it;
                    'constants' and 'layers' are all of a kind (default: everything)
  --repeat N        timed runs of each (default: 15)
  --warmup N        runs before those (default: 3)
  --threads N       threads inside one operator (default: 2)
  --markdown        tables as in docs
  --help

TEXTS are separated by commas.`;

/** @throws UsageError naming the option */
export function parseArguments(argv: readonly string[]): Arguments {
  const values = readOptions('bench:lowering', argv, {
    only: text,
    repeat: text,
    warmup: text,
    threads: text,
    markdown: flag,
    help: flag,
  });
  return {
    only:
      values.only
        ?.split(',')
        .map((s) => s.trim())
        .filter((s) => s !== '') ?? [],
    repeat: count('--repeat', values.repeat ?? '15'),
    warmup: count('--warmup', values.warmup ?? '3'),
    threads: count('--threads', values.threads ?? '2'),
    format: values.markdown ? 'markdown' : 'text',
    help: values.help ?? false,
  };
}

/** Whether `--only` wants what has these names. */
export function wanted({ only }: Pick<Arguments, 'only'>, names: readonly string[]): boolean {
  return only.length === 0 || only.some((text) => names.some((name) => name.includes(text)));
}
