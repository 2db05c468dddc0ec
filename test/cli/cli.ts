import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect } from 'vitest';

/** The built binary (npm run build). */
export const BINARY = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the built binary as a user does, and waits for it. */
export function reparam(args: readonly string[], options: { readonly cwd?: string } = {}): Promise<Run> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BINARY, ...args], {
      ...options,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (b: Buffer) => out.push(b));
    child.stderr.on('data', (b: Buffer) => err.push(b));
    child.on('error', reject);
    child.on('close', (code) =>
      resolve({ code, stdout: Buffer.concat(out).toString(), stderr: Buffer.concat(err).toString() }),
    );
  });
}

/** Runs with `--json`; standard output must be exactly one JSON object and a newline. */
export async function reparamJson(
  args: readonly string[],
  options: { readonly cwd?: string } = {},
): Promise<{
  readonly code: number | null;
  readonly json: Record<string, unknown>;
  readonly stderr: string;
}> {
  const { code, stdout, stderr } = await reparam([...args, '--json'], options);
  expect(stdout.trimEnd().split('\n'), stderr).toHaveLength(1);
  const json: unknown = JSON.parse(stdout);
  expect(json).toBeTypeOf('object');
  expect(json).not.toBeInstanceOf(Array);
  return { code, json: Object(json), stderr };
}

/**
 * Starts a run and kills it (SIGKILL, nothing can be tidied) as soon as its metrics hold `mark`.
 * @returns whether there was something to kill: a fast machine may have finished first
 */
export function killedAt(
  args: readonly string[],
  { cwd, out, mark }: { readonly cwd: string; readonly out: string; readonly mark: string },
): Promise<boolean> {
  const metrics = join(cwd, out, 'metrics.jsonl');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [BINARY, ...args, '--out', out], { cwd, stdio: 'ignore' });
    const watch = setInterval(() => {
      if (existsSync(metrics) && readFileSync(metrics, 'utf8').includes(mark)) child.kill('SIGKILL');
    }, 2);
    child.on('error', reject);
    child.on('close', (code, signal) => {
      clearInterval(watch);
      if (signal === 'SIGKILL' || code === 0) resolve(signal === 'SIGKILL');
      else reject(new Error(`exit code ${code}`));
    });
  });
}

/** A user error: its exit code, a message without a stack, nothing on standard output; the same as JSON. */
export async function expectUserError(
  args: readonly string[],
  code: number,
  message: string | RegExp,
  options: { readonly cwd?: string } = {},
): Promise<void> {
  const run = await reparam(args, options);
  expect(run.stderr).toMatch(message);
  expect(run.stderr).toMatch(/^reparam: /);
  expect(run.stderr).not.toMatch(/\n\s+at /);
  expect(run.stdout).toBe('');
  expect(run.code).toBe(code);
}

/** A folder for one test file, removed after it. */
export function scratch(): string {
  const folder = mkdtempSync(join(tmpdir(), 'reparam-cli-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
