// npm run bench:step -- [options]: see bench/README.md.

import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { UsageError } from '../src/base/errors.js';
import { renderTable } from '../src/report/table.js';
import { findEntry } from '../src/zoo/index.js';
import { program } from './program.js';
import { TRAININGS } from './speed/cases.js';
import { runProgram } from './speed/run-process.js';
import { type Seconds, type StepReport, type StepTask, stepReport, stepTask } from './step/task.js';

/** Networks and batches that are measured when none are named. */
const USUAL = { resnet20: 128, resnet18: 16, resnet50: 8, mobilenetv2: 16, mobilenetv3large: 16 };

const USAGE = `npm run bench:step -- [options]

What a training step costs before it runs: seconds for its graph and for the runtime's session, and its memory as
estimated and as measured. Each network in a process of its own.

  --network NAMES   of the zoo (default: ${Object.keys(USUAL).join(', ')})
  --training NAMES  ${TRAININGS.join(', ')} (default: all)
  --batch NUMBERS   images per step (default: ${Object.values(USUAL).join(', ')}; 16 for others)
  --steps N         steps before the peak is read (default: 6)
  --threads N       threads inside one operator (default: 2)
  --markdown        the table as in docs/benchmarks.md
  --help

NAMES and NUMBERS are separated by commas.`;

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      network: { type: 'string' },
      training: { type: 'string' },
      batch: { type: 'string' },
      steps: { type: 'string', default: '6' },
      threads: { type: 'string', default: '2' },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const list = (text: string | undefined, otherwise: readonly string[]): readonly string[] =>
    text === undefined ? otherwise : text.split(',');
  const rows: string[][] = [];
  for (const network of list(values.network, Object.keys(USUAL)))
    for (const training of list(values.training, TRAININGS))
      for (const batch of list(values.batch, [`${batchOf(network)}`])) {
        const task = asTask({ network, training, batch, steps: values.steps, threads: values.threads });
        rows.push(row(task, await inProcess(task)));
      }
  const titles = [
    'network',
    'training',
    'nodes',
    'prepare',
    'build',
    'encode',
    'session',
    'estimate',
    'peak',
    'off',
  ];
  const columns = titles.map((title, i) => ({ title, align: i < 2 ? 'left' : 'right' }) as const);
  console.log(renderTable({ columns, rows }, values.markdown ? 'markdown' : 'text'));
}

function batchOf(network: string): number {
  const usual: Readonly<Record<string, number>> = USUAL;
  return usual[network] ?? 16;
}

/** @throws UsageError for a name or number that makes no sense */
function asTask(
  given: Readonly<Record<'network' | 'training' | 'batch' | 'steps' | 'threads', string>>,
): StepTask {
  const parsed = stepTask.safeParse({
    ...given,
    network: findEntry(given.network).name,
    batch: Number(given.batch),
    steps: Number(given.steps),
    threads: Number(given.threads),
  });
  if (parsed.success) return parsed.data;
  throw new UsageError({
    problem: parsed.error.issues.map((i) => `--${i.path.join('.')}: ${i.message}`).join('; '),
  });
}

async function inProcess(task: StepTask): Promise<StepReport> {
  const file = fileURLToPath(new URL('step/process.js', import.meta.url));
  const { code, stdout, stderr } = await runProgram(process.execPath, [file, JSON.stringify(task)]);
  if (code !== 0) throw new Error(`${JSON.stringify(task)} ended with ${code}: ${stderr}`);
  return stepReport.parse(JSON.parse(stdout));
}

function row(task: StepTask, { nodes, seconds, memory }: StepReport): string[] {
  const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20).toLocaleString('en-US')} MiB`;
  const { estimated, measured } = memory;
  const off = measured === null ? '–' : `${(100 * (estimated / measured - 1)).toFixed(0)} %`;
  return [
    `${task.network}, batch ${task.batch}`,
    task.training,
    nodes.toLocaleString('en-US'),
    ...[seconds.prepare, seconds.build, seconds.encode, seconds.session].map(both),
    mib(estimated),
    measured === null ? '–' : mib(measured),
    off,
  ];
}

/** `0.93 s (1.02)`: by the clock, and of all threads. */
function both({ wall, cpu }: Seconds): string {
  return `${wall.toFixed(2)} s (${cpu.toFixed(2)})`;
}

await program(main);
