import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { metricsFile } from '../../src/report/metrics.js';
import { evaluation, step } from './events.js';

let folder = '';
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'reparam-metrics-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const at = () => new Date('2026-01-02T03:04:05.678Z');
const lines = (path: string): unknown[] =>
  readFileSync(path, 'utf8')
    .trimEnd()
    .split('\n')
    .map((l) => JSON.parse(l));

describe('metricsFile', () => {
  test('writes a line for each step and evaluation, at once, and makes the folder', () => {
    const path = join(folder, 'a', 'b', 'metrics.jsonl');
    const file = metricsFile(path, at);
    file.listener(step({ step: 1, loss: 2.5 }));
    expect(lines(path)).toHaveLength(1);
    file.listener(evaluation('baseline'));
    file.listener({ type: 'log', level: 'info', message: 'not a metric' });
    file.listener({ type: 'evaluating', what: 'baseline', done: 1, total: 2 });
    expect(lines(path)).toEqual([
      { time: '2026-01-02T03:04:05.678Z', ...step({ step: 1, loss: 2.5 }) },
      { time: '2026-01-02T03:04:05.678Z', ...evaluation('baseline') },
    ]);
    expect(file.failure).toBeUndefined();
  });

  test('appends to an older file, and ends the half line of a killed run first', () => {
    const path = join(folder, 'metrics.jsonl');
    metricsFile(path, at).listener(step({ step: 1 }));
    appendFileSync(path, '{"time":"2026-');
    metricsFile(path, at).listener(step({ step: 2 }));
    const text = readFileSync(path, 'utf8').split('\n');
    expect(text).toHaveLength(4);
    expect(JSON.parse(text[0])).toMatchObject({ step: 1 });
    expect(text[1]).toBe('{"time":"2026-');
    expect(JSON.parse(text[2])).toMatchObject({ step: 2 });
    expect(text[3]).toBe('');
  });

  test('a file that cannot be written stops no run: the failure is kept', () => {
    writeFileSync(join(folder, 'blocked'), '');
    const path = join(folder, 'blocked', 'metrics.jsonl');
    const file = metricsFile(path, at);
    file.listener(step({ step: 1 }));
    file.listener(step({ step: 2 }));
    expect(file.failure?.message).toContain(path);
  });
});
