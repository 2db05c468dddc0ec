import { UsageError } from '../../src/base/errors.js';
import { didYouMean } from '../../src/base/nearest.js';
import { LOWERINGS, type LoweringChoice } from '../../src/finetune/lowering/choose.js';
import type { FormChoice } from '../../src/finetune/step/forms.js';
import { flag, readOptions, text } from '../options.js';
import {
  NETWORK_NAMES,
  type NetworkName,
  type Scale,
  SIDE_NAMES,
  type Side,
  TRAININGS,
  type Training,
  USUAL_NETWORKS,
} from './cases.js';

export const FORMS = ['auto', 'explicit', 'gram'] as const satisfies readonly FormChoice[];

export interface Arguments {
  readonly networks: readonly NetworkName[];
  readonly trainings: readonly Training[];
  readonly sides: readonly Side[];
  /** Our refocusing against our plain training, in one process, instead of the sides. */
  readonly paired: boolean;
  readonly scale: Scale;
  /** Of our step. */
  readonly lowering: LoweringChoice;
  readonly form: FormChoice;
  /** Processes of each side, run in turn. */
  readonly rounds: number;
  /** Timed steps of each process. */
  readonly steps: number;
  /** Steps before those, not counted. */
  readonly warmup: number;
  /** Threads inside one operator, on each side. */
  readonly threads: number;
  /** A Python with torch. */
  readonly python: string;
  /** A Python with tensorflow. */
  readonly tfPython: string;
  /** A folder whose node_modules has @tensorflow/tfjs-node; undefined: this package's. */
  readonly tfjs: string | undefined;
  readonly output: 'text' | 'markdown' | 'json';
  readonly help: boolean;
}

export const USAGE = `npm run bench:speed -- [options]

Times a training step, ours and the peers', on the same images and weights, in processes that run in turn.

What
  --network NAMES   ${NETWORK_NAMES.join(', ')}
                    (default: ${USUAL_NETWORKS.join(', ')})
  --training NAMES  ${TRAININGS.join(', ')} (default: both)
  --side NAMES      ${SIDE_NAMES.join(', ')}
                    (default: all; a peer that is not installed is left out, in words)
  --paired          our refocusing ÷ our plain training, steps alternated in one process, with a 95 % interval;
                    takes no --training and no --side
  --size N, --batch N
                    other images or another batch than the network's own, for a quick check

How ours is made
  --lowering NAME   ${LOWERINGS.join(', ')} (default: auto)
  --form NAME       of the maps: ${FORMS.join(', ')} (default: auto)

How long
  --rounds N        processes of each side (default: 3)
  --steps N         timed steps of each process; with --paired, pairs (default: 10)
  --warmup N        steps before those (default: 3)
  --threads N       threads inside one operator, on each side (default: 2)

With what
  --python PATH     a Python with torch and numpy (default: python3)
  --tf-python PATH  a Python with tensorflow (default: the one of --python)
  --tfjs DIR        a folder with node_modules/@tensorflow/tfjs-node (default: this package)

Output
  --json            everything measured, as JSON
  --markdown        the table as in docs/benchmarks.md
  --help

NAMES are separated by commas.`;

/** @throws UsageError naming the option */
export function parseArguments(argv: readonly string[]): Arguments {
  const values = readOptions('bench:speed', argv, OPTIONS);
  const { size, batch } = values;
  if (values.json && values.markdown)
    throw new UsageError({ problem: '--json and --markdown', expected: 'one of them' });
  if (values.paired)
    for (const option of ['training', 'side'] as const)
      if (values[option] !== undefined)
        throw new UsageError({
          problem: `--paired and --${option}`,
          expected: 'one of them',
          hint: '--paired compares our refocusing with our plain training',
        });
  const python = values.python ?? 'python3';
  return {
    networks: names('--network', values.network, NETWORK_NAMES, USUAL_NETWORKS),
    trainings: names('--training', values.training, TRAININGS),
    sides: names('--side', values.side, SIDE_NAMES),
    paired: values.paired ?? false,
    scale: {
      ...(size !== undefined && { size: count('--size', size) }),
      ...(batch !== undefined && { batch: count('--batch', batch) }),
    },
    lowering: name('--lowering', values.lowering ?? 'auto', LOWERINGS),
    form: name('--form', values.form ?? 'auto', FORMS),
    rounds: count('--rounds', values.rounds ?? '3'),
    steps: count('--steps', values.steps ?? '10'),
    // The first step of a side allocates, chooses kernels, compiles and pages in.
    warmup: count('--warmup', values.warmup ?? '3'),
    threads: count('--threads', values.threads ?? '2'),
    python,
    tfPython: values['tf-python'] ?? python,
    tfjs: values.tfjs,
    output: values.json ? 'json' : values.markdown ? 'markdown' : 'text',
    help: values.help ?? false,
  };
}

const OPTIONS = {
  network: text,
  training: text,
  side: text,
  paired: flag,
  size: text,
  batch: text,
  lowering: text,
  form: text,
  rounds: text,
  steps: text,
  warmup: text,
  threads: text,
  python: text,
  'tf-python': text,
  tfjs: text,
  json: flag,
  markdown: flag,
  help: flag,
};

/** A comma-separated choice, in the order of the table whatever the order given. */
export function names<Name extends string>(
  option: string,
  given: string | undefined,
  known: readonly Name[],
  usual = known,
): readonly Name[] {
  if (given === undefined) return usual;
  const wanted = given.split(',').map((s) => name(option, s.trim(), known));
  return known.filter((k) => wanted.includes(k));
}

export function name<Name extends string>(option: string, given: string, known: readonly Name[]): Name {
  const found = known.find((k) => k === given);
  if (found !== undefined) return found;
  const hint = didYouMean(given, known);
  throw new UsageError({
    problem: option,
    expected: known.join(', '),
    found: `'${given}'`,
    ...(hint === undefined ? {} : { hint }),
  });
}

/** @throws UsageError naming the option */
export function count(option: string, given: string): number {
  const n = /^\d+$/.test(given) ? Number(given) : Number.NaN;
  if (!(n >= 1 && n <= 10_000))
    throw new UsageError({
      problem: option,
      expected: `a whole number from 1 to 10000`,
      found: `'${given}'`,
    });
  return n;
}
