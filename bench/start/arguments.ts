import { parseArgs } from 'node:util';
import { UsageError } from '../../src/base/errors.js';
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
  const { processes = '15', markdown = false, help = false } = parse(argv);
  return { processes: count('--processes', processes), format: markdown ? 'markdown' : 'text', help };
}

function parse(argv: readonly string[]) {
  try {
    const { values } = parseArgs({
      args: [...argv],
      options: {
        processes: { type: 'string' },
        markdown: { type: 'boolean' },
        help: { type: 'boolean' },
      },
    });
    return values;
  } catch (cause) {
    throw new UsageError({
      problem: cause instanceof Error ? cause.message : String(cause),
      hint: 'npm run bench:start -- --help lists the options',
      cause,
    });
  }
}
