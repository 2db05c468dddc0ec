import { EnvironmentError } from '../../src/base/errors.js';
import { median } from '../../src/finetune/run/trainer.js';
import type { Table } from '../../src/report/table.js';
import { runProgram } from '../speed/run-process.js';
import type { StartCase } from './cases.js';

export interface MeasuredStart {
  readonly case: StartCase;
  /** Of each process, from before it is started until it has ended. */
  readonly seconds: readonly number[];
}

/**
 * Times the cases in turn, so that a slow minute hits them all; the first process of each, which finds the files cold, is
 * not counted. @throws EnvironmentError when one fails
 */
export async function timeInTurn(cases: readonly StartCase[], processes: number): Promise<MeasuredStart[]> {
  const seconds = new Map<StartCase, number[]>(cases.map((c) => [c, []]));
  for (let round = 0; round <= processes; round++)
    for (const [one, taken] of seconds) {
      const latest = await timed(one);
      if (round > 0) taken.push(latest);
    }
  return Array.from(seconds, ([one, taken]) => ({ case: one, seconds: taken }));
}

async function timed({ title, args }: StartCase): Promise<number> {
  const start = performance.now();
  const { code, stderr } = await runProgram(process.execPath, args);
  const seconds = (performance.now() - start) / 1000;
  if (code !== 0)
    throw new EnvironmentError({
      problem: `${title} ended with ${code === null ? 'a signal' : `code ${code}`}`,
      found: stderr.trim(),
      hint: 'npm run build makes the command line that is measured',
    });
  return seconds;
}

export function startTable(measured: readonly MeasuredStart[]): Table {
  return {
    columns: [
      { title: 'command' },
      ...['median', 'fastest', 'slowest', 'limit'].map((title) => ({ title, align: 'right' }) as const),
    ],
    rows: measured.map(({ case: { title, limit }, seconds }) => [
      title,
      ...[median(seconds), Math.min(...seconds), Math.max(...seconds)].map((s) => `${s.toFixed(2)} s`),
      limit === undefined ? '' : `${limit.toFixed(2)} s`,
    ]),
  };
}
