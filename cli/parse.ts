import yargs, { type Argv } from 'yargs';
import { UsageError } from '../src/base/errors.js';
import { didYouMean } from '../src/base/nearest.js';
import type { Command } from './command.js';
import { type Flag, flagName, toggle } from './flags.js';
import { GROUPS } from './groups.js';

/** A method of yargs since 17.7 that its types do not know. */
interface UsageConfigurable {
  usageConfiguration(configuration: { readonly 'hide-types': boolean }): Argv;
}

export interface Parsed {
  readonly command: Command;
  readonly args: Readonly<Record<string, unknown>>;
}

/** A command line is a command with values, or a text to print (help, version). */
export type Parse =
  | { readonly kind: 'command'; readonly parsed: Parsed }
  | { readonly kind: 'print'; readonly text: string };

export const GLOBAL_FLAGS = {
  json: {
    kind: toggle,
    describe: 'Print one JSON object on standard output; progress goes to standard error',
    default: false,
    group: GROUPS.output,
  },
  verbose: {
    kind: toggle,
    describe: 'More on standard error, and the stack of an error',
    default: false,
    group: GROUPS.output,
  },
} as const;

/** Commands of two words: what stands in the list of commands for all that share the first. */
const FAMILIES: Readonly<Record<string, string>> = {
  zoo: 'The published networks: list them, build them, download their weights',
};

const WORDS: ReadonlySet<string> = new Set(['help', 'version']);

/**
 * Parses a command line against the commands. Values are made and checked by the flags themselves; yargs splits the
 * line, knows the aliases and writes the help.
 * @throws UsageError naming the flag or command, and the nearest known one
 */
export function parseArguments(
  args: readonly string[],
  commands: readonly Command[],
  version: string,
  width: number,
): Parse {
  const words = args.slice(0, args.includes('--') ? args.indexOf('--') : undefined);
  const asked = words.some((w) => w === '--help' || w === '-h' || w === '--version');
  if (!asked) checkCommand(words, commands);
  // yargs looks its options up in plain objects, and trips over the names that those inherit.
  const inherited = words.find((w) => w.startsWith('-') && w.replace(/^-+|=.*$/gs, '') in Object.prototype);
  if (inherited !== undefined) throw unknownFlag(inherited, [], 'reparam');
  const assigned = new Map(
    words.flatMap((w) => {
      const [, name, value] = /^--([^=]+)=(.*)$/s.exec(w) ?? [];
      return name === undefined ? [] : [[name, value] as const];
    }),
  );
  let parsed: Parsed | undefined;
  let failure: unknown;
  let printed = '';
  const parser = (yargs([]) as Argv & UsageConfigurable)
    .usageConfiguration({ 'hide-types': true })
    .scriptName('reparam')
    .usage('$0 <command> [options]\n\nRe-parameterization and model surgery for convolutional networks.')
    .parserConfiguration({
      'boolean-negation': false,
      'camel-case-expansion': false,
      'dot-notation': false,
      'greedy-arrays': false,
      'parse-numbers': false,
      'parse-positional-numbers': false,
      'strip-aliased': true,
    })
    .locale('en')
    .exitProcess(false)
    .showHelpOnFail(false)
    .wrap(width)
    .help()
    .alias('help', 'h')
    .version(version)
    .group(['help', 'version'], GROUPS.output)
    .options(yargsOptions(GLOBAL_FLAGS));
  addCommands(parser, commands, [], (command, raw) => {
    parsed = { command, args: values(command, raw, assigned) };
  });
  parser.epilogue(
    'Exit codes: 0 done, 1 a check failed, 2 wrong usage, 3 bad input, 4 environment, 70 a bug of reparam, 130 interrupted.',
  );
  parser.fail((message, error) => {
    failure ??= error ?? new UsageError({ problem: message, hint: 'see reparam --help' });
  });
  parser.parse([...args], {}, (error, _argv, output) => {
    failure ??= error ?? undefined;
    printed = output;
  });
  if (failure !== undefined) throw failure;
  if (parsed) return { kind: 'command', parsed };
  if (printed === '')
    throw new UsageError({
      problem: `no command in '${args.join(' ')}'`,
      expected: 'reparam <command> [options]',
      hint: 'see reparam --help',
    });
  return { kind: 'print', text: printed };
}

function checkCommand(words: readonly string[], commands: readonly Command[]): void {
  const given = words.filter((w) => !w.startsWith('-'));
  const names = commands.map((c) => c.name.split(' '));
  const tops = [...new Set(names.map((n) => n[0]))];
  if (given.length === 0) {
    const flag = words.find((w) => w.startsWith('-') && !['--json', '--verbose'].includes(w));
    if (flag) throw unknownFlag(flag, Object.keys(GLOBAL_FLAGS).concat([...WORDS]), 'reparam');
    throw new UsageError({
      problem: 'no command given',
      expected: tops.join(', '),
      hint: 'see reparam --help',
    });
  }
  if (!tops.includes(given[0]))
    throw new UsageError({
      problem: `no command '${given[0]}'`,
      expected: tops.join(', '),
      hint: didYouMean(given[0], tops) ?? 'see reparam --help',
    });
  const inner = names.filter((n) => n[0] === given[0] && n.length > 1).map((n) => n[1]);
  if (inner.length > 0 && !inner.includes(given[1]))
    throw new UsageError({
      problem:
        given[1] === undefined ? `${given[0]}: no action given` : `${given[0]}: no action '${given[1]}'`,
      expected: inner.map((i) => `${given[0]} ${i}`).join(', '),
      hint: (given[1] && didYouMean(given[1], inner)) || `see reparam ${given[0]} --help`,
    });
}

type Choose = (command: Command, raw: Readonly<Record<string, unknown>>) => void;

function addCommands(
  parser: Argv,
  commands: readonly Command[],
  path: readonly string[],
  choose: Choose,
): void {
  const done = new Set<string>();
  for (const command of commands) {
    const rest = command.name.split(' ').slice(path.length);
    if (done.has(rest[0])) continue;
    done.add(rest[0]);
    if (rest.length > 1) {
      const family = commands.filter((c) => c.name.split(' ')[path.length] === rest[0]);
      parser.command(rest[0], FAMILIES[rest[0]] ?? family.map((c) => c.name).join(', '), (inner) => {
        addCommands(inner, family, [...path, rest[0]], choose);
        return inner.usage(`$0 ${[...path, rest[0]].join(' ')} <action>`);
      });
      continue;
    }
    const signature = [rest[0], ...command.positionals.map((p) => `[${p.name}]`)].join(' ');
    parser.command(
      signature,
      command.describe,
      (inner) => {
        inner.usage(`$0 ${synopsis(command)}\n\n${[command.describe, ...(command.notes ?? [])].join('\n')}`);
        for (const p of command.positionals)
          inner.positional(p.name, { describe: p.describe, type: 'string' });
        for (const [line, what] of command.examples) inner.example(`$0 ${line}`, what);
        return inner.options(yargsOptions(command.flags));
      },
      (raw) => choose(command, raw),
    );
  }
}

/** `expand <model> -o FILE [options]`. */
export function synopsis(command: Command): string {
  const required = Object.entries(command.flags).flatMap(([key, f]) =>
    f.required ? [`${f.alias ? `-${f.alias}` : `--${flagName(key, f)}`} ${f.kind.placeholder}`] : [],
  );
  return [command.name, ...command.positionals.map((p) => `<${p.name}>`), ...required, '[options]'].join(' ');
}

/** The help line of a flag: what it does, what it takes. */
export function describeFlag(flag: Flag<unknown> | Flag<never>): string {
  const { kind } = flag;
  return kind.toggle || flag.describe.includes(kind.expected)
    ? flag.describe
    : `${flag.describe} (${kind.expected})`;
}

/** In the order of their groups, which is that of the help. */
function yargsOptions(flags: Command['flags']) {
  const groups: readonly string[] = Object.values(GROUPS);
  const ordered = Object.entries(flags).sort(
    ([, a], [, b]) => groups.indexOf(a.group) - groups.indexOf(b.group),
  );
  return Object.fromEntries(
    ordered.map(([key, flag]) => [
      flagName(key, flag),
      {
        describe: `${describeFlag(flag)}${extra(flag)}`,
        group: flag.group,
        ...(flag.kind.toggle ? { boolean: true } : { string: true }),
        ...(flag.alias ? { alias: flag.alias } : {}),
      },
    ]),
  );
}

function extra(flag: Flag<unknown> | Flag<never>): string {
  const value = flag.required ? 'required' : defaultText(flag);
  return value === undefined ? '' : ` [${flag.required ? '' : 'default: '}${value}]`;
}

/** How a default reads in the help; nothing for one that says nothing. */
export function defaultText(flag: Flag<unknown> | Flag<never>): string | undefined {
  const value: unknown = flag.default;
  if (value === undefined || flag.kind.toggle || (Array.isArray(value) && value.length === 0))
    return undefined;
  return String(value);
}

function unknownFlag(given: string, known: readonly string[], where: string): UsageError {
  const bare = given.replace(/^-+/, '').replace(/=.*$/s, '');
  const hint = didYouMean(
    `--${bare}`,
    known.map((k) => `--${k}`),
  );
  return new UsageError({
    problem: `${where === 'reparam' ? '' : `${where}: `}no option '${given.replace(/=.*$/s, '')}'`,
    hint: hint ?? `see ${where === 'reparam' ? where : `reparam ${where}`} --help`,
  });
}

/** Makes and checks every value of a command. */
function values(
  command: Command,
  raw: Readonly<Record<string, unknown>>,
  assigned: ReadonlyMap<string, string>,
): Record<string, unknown> {
  const flags: Command['flags'] = { ...GLOBAL_FLAGS, ...command.flags };
  const known = new Map<string, string>();
  for (const [key, flag] of Object.entries(flags)) known.set(flagName(key, flag), key);
  const taken = new Set(command.positionals.map((p) => p.name));
  for (const name of Object.keys(raw)) {
    if (name === '_' || name === '$0' || WORDS.has(name) || taken.has(name) || known.has(name)) continue;
    throw unknownFlag(
      name.length === 1 ? `-${name}` : `--${name}`,
      [...known.keys(), ...WORDS],
      command.name,
    );
  }
  const out: Record<string, unknown> = {};
  const spare: unknown[] = Array.isArray(raw._) ? raw._.slice(command.name.split(' ').length) : [];
  for (const p of command.positionals) {
    // What follows `--` is left over by yargs.
    const value = raw[p.name] ?? spare.shift();
    if (value === undefined || value === '')
      throw new UsageError({
        problem: `${command.name}: <${p.name}> is missing`,
        expected: p.describe,
        hint: `reparam ${synopsis(command)}`,
      });
    out[p.name] = String(value);
  }
  if (spare.length > 0)
    throw new UsageError({
      problem: `${command.name}: unexpected argument '${spare[0]}'`,
      hint: `reparam ${synopsis(command)}`,
    });
  for (const [name, key] of known) {
    // yargs takes any text after a toggle's `=` for false.
    const given = flags[key].kind.toggle ? (assigned.get(name) ?? raw[name]) : raw[name];
    const value = flagValue(command, name, flags[key], given);
    // How a result is shown is no option of what is done: a run is the same run with and without --json.
    if (value !== undefined && !(key in GLOBAL_FLAGS)) out[key] = value;
  }
  return out;
}

function flagValue(command: Command, name: string, flag: Flag<unknown> | Flag<never>, raw: unknown): unknown {
  const { kind } = flag;
  if (raw === undefined) {
    if (flag.required)
      throw new UsageError({
        problem: `${command.name}: ${flag.alias ? `-${flag.alias} ${kind.placeholder} (--${name})` : `--${name} ${kind.placeholder}`} is missing`,
        hint: flag.describe,
      });
    return flag.negative ? true : flag.default;
  }
  const given = Array.isArray(raw) ? raw : [raw];
  if (given.length > 1 && !kind.repeated && !kind.toggle)
    throw new UsageError({
      problem: `${command.name}: --${name} is given ${given.length} times`,
      found: given.join(', '),
    });
  const made = given.map((text: unknown) => {
    const value: unknown = kind.parse(String(text));
    if (value === undefined)
      throw new UsageError({
        problem: `${command.name}: --${name}`,
        expected: kind.expected,
        found: text === '' ? 'nothing' : `'${String(text)}'`,
        ...hintFor(String(text), kind.choices),
      });
    return value;
  });
  if (kind.toggle) return flag.negative ? made.at(-1) !== true : made.at(-1);
  return kind.repeated ? made.flat() : made[0];
}

function hintFor(text: string, choices: readonly string[] | undefined): { hint?: string } {
  const hint = choices && didYouMean(text, choices);
  return hint ? { hint } : {};
}
