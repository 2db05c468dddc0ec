import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { InputError, UsageError } from '../../base/errors.js';
import { fileError, writeFileAtomic } from '../../base/files.js';
import type { OptimOptions, RunOptions } from '../options.js';

/** What identifies a run: two runs with equal records end with the same bytes. */
export type RunRecord = Readonly<Record<string, unknown>>;

/** What a resumed run may change with `switchOptimizer`, as paths in its record. */
const SWITCHABLE: ReadonlySet<string> = new Set(
  (
    [
      'optimizer',
      'lr',
      'momentum',
      'nesterov',
      'dampening',
      'beta1',
      'beta2',
      'alpha',
      'epsilon',
      'rmspropStyle',
      'weightDecay',
      'decayAll',
      'clipValue',
      'clipNorm',
    ] as const satisfies readonly (keyof OptimOptions)[]
  ).map((name) => `options.${name}`),
);

const ENGINE = 'options.engine';

/** What another engine brings with it: it rounds sums otherwise, whatever its threads. */
const ARITHMETIC: ReadonlySet<string> = new Set([ENGINE, 'options.threads']);

/**
 * Opens a run's folder. A new run writes `run.json`; a resumed one must have been started with the same options, model
 * and data, but for its optimizer with `switchOptimizer`.
 * @returns what tells this run from others: the digest of its `run.json`
 * @throws UsageError when the folder holds a run and this is no resume, or the other way round, or an option differs
 */
export async function openRunFolder(
  folder: string,
  record: RunRecord,
  { resume, switchOptimizer }: Pick<RunOptions, 'resume' | 'switchOptimizer'>,
): Promise<string> {
  const path = join(folder, 'run.json');
  const text = `${JSON.stringify(record, null, 2)}\n`;
  if (!existsSync(path)) {
    if (resume)
      throw new UsageError({
        problem: `--resume: ${folder} holds no run`,
        hint: 'name the folder of the run with --out',
      });
    await mkdir(folder, { recursive: true }).catch((e) => {
      throw fileError(folder, 'creating', e);
    });
    await writeFileAtomic(path, text);
    return digestOf(text);
  }
  if (!resume)
    throw new UsageError({
      problem: `${folder} holds a run already`,
      hint: 'go on with --resume, choose another --out, or remove the folder',
    });
  const written = await readText(path);
  const before = parse(written, path);
  const now: unknown = JSON.parse(text);
  const all = differences(before, now, '');
  const moved = all.some(({ at }) => at === ENGINE);
  const changed = all.filter(
    ({ at }) => !(switchOptimizer && SWITCHABLE.has(at)) && !(moved && ARITHMETIC.has(at)),
  );
  if (changed.length > 0)
    throw new UsageError({
      problem: `--resume: ${folder} was started with other options: ${changed.map((d) => d.text).join('; ')}`,
      hint: `give the options of run.json, ${
        changed.every(({ at }) => SWITCHABLE.has(at)) ? 'change them with --switch-optimizer, ' : ''
      }or start a new run with another --out`,
    });
  return digestOf(written);
}

function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex');
}

function readText(path: string): Promise<string> {
  return readFile(path, 'utf8').catch((e) => {
    throw fileError(path, 'reading', e);
  });
}

function parse(json: string, path: string): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw new InputError({
      problem: `${path} is not JSON`,
      hint: 'start a new run with another --out',
      cause,
    });
  }
}

function isRecord(v: unknown): v is Record<string, unknown> {
  return typeof v === 'object' && v !== null && !Array.isArray(v);
}

interface Difference {
  readonly at: string;
  readonly text: string;
}

function differences(before: unknown, now: unknown, at: string): Difference[] {
  if (isRecord(before) && isRecord(now))
    return [...new Set([...Object.keys(before), ...Object.keys(now)])].flatMap((k) =>
      differences(before[k], now[k], at ? `${at}.${k}` : k),
    );
  const [a, b] = [JSON.stringify(before), JSON.stringify(now)];
  return a === b ? [] : [{ at, text: `${at} was ${a ?? 'not given'}, is ${b ?? 'not given'}` }];
}
