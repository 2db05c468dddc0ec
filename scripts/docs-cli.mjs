// Writes docs/cli.md from the commands themselves; `--check` only compares and exits 1 when the file is stale.
// Run after `npm run build`.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { COMMANDS } from '../dist/cli/commands.js';
import { flagName } from '../dist/cli/flags.js';
import { GROUPS } from '../dist/cli/groups.js';
import { defaultText, describeFlag, GLOBAL_FLAGS, synopsis } from '../dist/cli/parse.js';

const path = fileURLToPath(new URL('../docs/cli.md', import.meta.url));
const cell = (text) => text.replaceAll('|', '\\|');

function flagRows(flags) {
  const groups = Object.values(GROUPS);
  return Object.entries(flags)
    .sort(([, a], [, b]) => groups.indexOf(a.group) - groups.indexOf(b.group))
    .map(([key, flag]) => {
      const name = `--${flagName(key, flag)}`;
      const value = flag.kind.toggle ? '' : ` ${flag.kind.placeholder}`;
      const short = flag.alias ? `-${flag.alias}, ` : '';
      const def = flag.required ? 'required' : (defaultText(flag) ?? '');
      return `| \`${cell(short + name + value)}\` | ${cell(describeFlag(flag))} | ${def} |`;
    });
}

const table = (flags) => ['| option | what it does | default |', '| --- | --- | --- |', ...flagRows(flags)];

const lines = [
  '# The command line',
  '',
  'Made by `node scripts/docs-cli.mjs` from the commands; do not edit.',
  '',
  '| command | what it does |',
  '| --- | --- |',
  ...COMMANDS.map(
    (c) => `| [\`reparam ${c.name}\`](#reparam-${c.name.replaceAll(' ', '-')}) | ${cell(c.describe)} |`,
  ),
  '',
  '## Every command',
  '',
  ...table(GLOBAL_FLAGS),
  '',
  'With `--json`, standard output holds exactly one JSON object: the result, or',
  '`{"error": {"code", "message", "exitCode", "problem", "expected", "found", "hint"}}`. Progress, warnings and the',
  'text of an error go to standard error. Numbers that JSON has no word for (NaN, infinity) are `null`.',
  '',
  '| exit code | meaning | error code |',
  '| --- | --- | --- |',
  '| 0 | done | |',
  '| 1 | a check failed: the models differ, nothing to refocus | `CHECK_FAILED`, or none: the result says so |',
  '| 2 | wrong usage of the command line | `USAGE` |',
  '| 3 | a bad input file | `BAD_INPUT`, `BAD_MODEL`, `UNSUPPORTED` |',
  '| 4 | the environment: engine, device, memory, disk | `ENVIRONMENT` |',
  '| 70 | a bug of reparam; the stack is printed | `BUG` |',
  '| 130 | stopped by Ctrl-C or SIGTERM; the message says what is lost and how to go on | `INTERRUPTED` |',
  '',
  'Ctrl-C stops a run with the state of its last completed checkpoint; a second Ctrl-C ends the process at once.',
];
for (const command of COMMANDS) {
  lines.push('', `## reparam ${command.name}`, '', `${command.describe}.`, '');
  lines.push('```', `reparam ${synopsis(command)}`, '```');
  if (command.positionals.length > 0)
    lines.push('', ...command.positionals.map((p) => `- \`<${p.name}>\`: ${p.describe}`));
  for (const note of command.notes ?? []) lines.push('', note);
  if (Object.keys(command.flags).length > 0) lines.push('', ...table(command.flags));
  lines.push('', 'Examples:', '', '```');
  for (const [line, what] of command.examples) lines.push(`reparam ${line}   # ${what}`);
  lines.push('```');
}
const text = `${lines.join('\n')}\n`;

if (process.argv.includes('--check')) {
  let committed = '';
  try {
    committed = readFileSync(path, 'utf8');
  } catch {
    // A missing file is a stale one.
  }
  if (committed !== text) {
    console.error('docs/cli.md is stale: run npm run build && node scripts/docs-cli.mjs');
    process.exit(1);
  }
  console.log('docs/cli.md is up to date');
} else writeFileSync(path, text);
