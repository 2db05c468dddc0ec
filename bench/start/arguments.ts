import { flag, readOptions, text } from '../options.js';
import { count } from '../speed/arguments.js';

export interface Arguments {
  readonly processes: number;
  readonly format: 'text' | 'markdown';
  readonly help: boolean;
}

export const USAGE = `npm run bench:start -- [options]

What a user waits for who trains nothing: whole processes of the built command line, in turn.

  --processes N     timed processes of each command (default: 15)
  --markdown        the table as in docs/benchmarks.md
  --help`;

/** @throws UsageError naming the option */
export function parseArguments(argv: readonly string[]): Arguments {
  const {
    processes = '15',
    markdown = false,
    help = false,
  } = readOptions('bench:start', argv, {
    processes: text,
    markdown: flag,
    help: flag,
  });
  return { processes: count('--processes', processes), format: markdown ? 'markdown' : 'text', help };
}
