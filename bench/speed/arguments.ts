import { parseArgs } from 'node:util';
import { UsageError } from '../../src/base/errors.js';
import { didYouMean } from '../../src/base/nearest.js';
import { FORMS, type Form, NETWORK_NAMES, type NetworkName, SIDE_NAMES, type Side } from './cases.js';

export interface Arguments {
  readonly networks: readonly NetworkName[];
  readonly forms: readonly Form[];
  readonly sides: readonly Side[];
  /** Processes of each side, run in turn. */
  readonly rounds: number;
  /** Timed steps of each process. */
  readonly steps: number;
  /** Steps before those, not counted. */
  readonly warmup: number;
  /** Threads inside one operator, on each side. */
  readonly threads: number;
  /** A Python with torch; undefined: python3 of the PATH. */
  readonly python: string | undefined;
  readonly output: 'text' | 'markdown' | 'json';
  readonly help: boolean;
}

export const USAGE = `npm run bench:speed -- [options]

Times a training step, ours and PyTorch's, on the same images and weights, in processes that run in turn.

  --network NAMES   ${NETWORK_NAMES.join(', ')} (default: all)
  --form NAMES      ${FORMS.join(', ')} (default: all)
  --side NAMES      ${SIDE_NAMES.join(', ')} (default: all)
  --rounds N        processes of each side (default: 3)
  --steps N         timed steps of each process (default: 10)
  --warmup N        steps before those (default: 3)
  --threads N       threads inside one operator, on each side (default: 2)
  --python PATH     a Python with torch (default: python3)
  --json            everything measured, as JSON
  --markdown        the table as in docs/benchmarks.md
  --help

NAMES are separated by commas.`;

/** @throws UsageError naming the option */
export function parseArguments(argv: readonly string[]): Arguments {
  const { values } = parse(argv);
  if (values.json && values.markdown)
    throw new UsageError({ problem: '--json and --markdown', expected: 'one of them' });
  return {
    networks: names('--network', values.network, NETWORK_NAMES),
    forms: names('--form', values.form, FORMS),
    sides: names('--side', values.side, SIDE_NAMES),
    rounds: count('--rounds', values.rounds, 3),
    steps: count('--steps', values.steps, 10),
    // The first step of a side allocates, chooses kernels and pages in.
    warmup: count('--warmup', values.warmup, 3),
    threads: count('--threads', values.threads, 2),
    python: values.python,
    output: values.json ? 'json' : values.markdown ? 'markdown' : 'text',
    help: values.help ?? false,
  };
}

function parse(argv: readonly string[]) {
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean' } as const;
  try {
    return parseArgs({
      args: [...argv],
      options: {
        network: text,
        form: text,
        side: text,
        rounds: text,
        steps: text,
        warmup: text,
        threads: text,
        python: text,
        json: flag,
        markdown: flag,
        help: flag,
      },
    });
  } catch (cause) {
    throw new UsageError({
      problem: cause instanceof Error ? cause.message : String(cause),
      hint: 'npm run bench:speed -- --help lists the options',
      cause,
    });
  }
}

/** A comma-separated choice, in the order of the table whatever the order given. */
function names<Name extends string>(
  option: string,
  given: string | undefined,
  known: readonly Name[],
): readonly Name[] {
  if (given === undefined) return known;
  const wanted = given.split(',').map((s) => s.trim());
  for (const name of wanted) {
    if (known.some((k) => k === name)) continue;
    const hint = didYouMean(name, known);
    throw new UsageError({
      problem: option,
      expected: known.join(', '),
      found: `'${name}'`,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  return known.filter((k) => wanted.includes(k));
}

function count(option: string, given: string | undefined, otherwise: number): number {
  if (given === undefined) return otherwise;
  const n = /^\d+$/.test(given) ? Number(given) : Number.NaN;
  if (!(n >= 1 && n <= 10_000))
    throw new UsageError({
      problem: option,
      expected: `a whole number from 1 to 10000`,
      found: `'${given}'`,
    });
  return n;
}
