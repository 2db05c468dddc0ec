import type { Listener } from '../src/finetune/events.js';
import type { Flags, Values } from './flags.js';

/** What a command hands back: shown as text for people, or as one JSON object with `--json`. */
export interface Outcome {
  readonly json: object;
  readonly text: string;
  /** 1: the check the command makes has failed. 4: the machine is at fault. */
  readonly exitCode?: 0 | 1 | 4;
}

/** What a command may use beside its arguments. Standard output is not among it: that belongs to the outcome. */
export interface Context {
  /** Aborted by Ctrl-C. */
  readonly signal: AbortSignal;
  readonly verbose: boolean;
  /** Columns of the terminal that the outcome's text goes to; undefined where it goes to a file or a pipe. */
  readonly columns: number | undefined;
  /** A line for the user, to standard error. */
  readonly log: (line: string) => void;
  /** Starts showing progress on standard error and heeding Ctrl-C; the listener drives both. */
  readonly listen: () => Promise<Listener>;
}

export interface Positional {
  readonly name: string;
  readonly describe: string;
}

export interface Command {
  /** Words of the command, e.g. `zoo build`. */
  readonly name: string;
  readonly describe: string;
  readonly positionals: readonly Positional[];
  readonly flags: Flags;
  readonly examples: readonly (readonly [command: string, what: string])[];
  /** Further lines for the help and the docs. */
  readonly notes?: readonly string[];
  readonly run: (args: Readonly<Record<string, unknown>>, context: Context) => Promise<Outcome>;
}

/**
 * Declares a command. `run` gets the values typed from the positionals and flags; it imports what it needs, so that
 * `--help` stays fast.
 */
export function command<const P extends readonly Positional[], const F extends Flags>(declaration: {
  readonly name: string;
  readonly describe: string;
  readonly positionals: P;
  readonly flags: F;
  readonly examples: Command['examples'];
  readonly notes?: readonly string[];
  readonly run: (
    args: Values<F> & { readonly [K in P[number]['name']]: string },
    context: Context,
  ) => Promise<Outcome>;
}): Command {
  const { run, ...rest } = declaration;
  return {
    ...rest,
    // The parser has made each value with the kind of its flag, which is what the type says.
    run: (args, context) => run(args as Values<F> & { readonly [K in P[number]['name']]: string }, context),
  };
}
