import { describe, expect, test } from 'vitest';
import { parseArguments, USAGE } from '../../bench/start/arguments.js';
import { casesOf, type StartCase } from '../../bench/start/cases.js';
import { startTable, timeInTurn } from '../../bench/start/timing.js';
import { EnvironmentError, UsageError } from '../../src/base/errors.js';
import { renderTable } from '../../src/report/table.js';
import { BINARY } from '../cli/cli.js';

test('arguments: what is usual, and what is refused in words', () => {
  expect(parseArguments([])).toEqual({ processes: 15, format: 'text', help: false });
  expect(USAGE).toContain('15');
  expect(parseArguments(['--processes', '3', '--markdown'])).toMatchObject({
    processes: 3,
    format: 'markdown',
  });
  expect(() => parseArguments(['--processes', '0'])).toThrow(/--processes; expected a whole number/);
  expect(() => parseArguments(['--proceses', '3'])).toThrow(UsageError);
});

describe('processes', () => {
  const waits = (title: string, ms: number): StartCase => ({
    title,
    args: ['-e', `setTimeout(() => {}, ${ms})`],
  });

  test('are timed to their end; the first of each does not count', async () => {
    const measured = await timeInTurn([waits('none', 0), waits('long', 300)], 2);
    expect(measured.map((m) => m.seconds.length)).toEqual([2, 2]);
    expect(Math.min(...measured[1].seconds)).toBeGreaterThanOrEqual(0.3);
  });

  test('that fail are told with what they said', async () => {
    const failing = { title: 'broken', args: ['-e', 'console.error("it hurts"); process.exitCode = 3'] };
    const attempt = timeInTurn([failing], 1);
    await expect(attempt).rejects.toBeInstanceOf(EnvironmentError);
    await expect(attempt).rejects.toThrow(/broken ended with code 3; found it hurts\n {2}npm run build/);
  });

  test('of the command line all run', async () => {
    const measured = await timeInTurn(casesOf(BINARY), 1);
    expect(measured.map((m) => m.case.title)).toContain('reparam inspect resnet152');
  });
});

test('the table has median, range and limit', () => {
  const [, help] = casesOf('main.js');
  const table = startTable([
    { case: { title: 'node', args: [] }, seconds: [0.04, 0.05, 0.03] },
    { case: help, seconds: [0.2, 0.18, 0.4] },
  ]);
  expect(renderTable(table)).toMatchInlineSnapshot(`
    "command         median  fastest  slowest   limit
    ──────────────  ──────  ───────  ───────  ──────
    node            0.04 s   0.03 s   0.05 s
    reparam --help  0.20 s   0.18 s   0.40 s  0.25 s"
  `);
});
