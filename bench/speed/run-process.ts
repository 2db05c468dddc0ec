import { spawn } from 'node:child_process';
import type { z } from 'zod';
import { EnvironmentError } from '../../src/base/errors.js';

export interface Finished {
  readonly stdout: string;
  readonly stderr: string;
  /** null: it was killed. */
  readonly code: number | null;
}

/** Runs a program to its end. Rejects when it cannot be started, or when the signal fires (which ends it). */
export function runProgram(
  program: string,
  args: readonly string[],
  signal?: AbortSignal,
): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      ...(signal ? { signal } : {}),
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr += text;
    });
    child.on('error', reject);
    child.on('close', (code) => resolve({ stdout, stderr, code }));
  });
}

/** A program with its arguments. */
export type Command = readonly [program: string, ...args: string[]];

/** Runs a process that prints one line of JSON. @throws EnvironmentError with what it said, when it fails */
export async function runReport<Report>(
  [program, ...args]: Command,
  schema: z.ZodType<Report>,
  signal: AbortSignal,
): Promise<Report> {
  const { stdout, stderr, code } = await runProgram(program, args, signal);
  // Ctrl-C reaches the process too, which may end first.
  signal.throwIfAborted();
  if (code !== 0)
    throw new EnvironmentError({
      problem: `${program} ${args.join(' ')} ended with ${code === null ? 'a signal' : `code ${code}`}`,
      found: stderr.trim().split('\n').slice(-15).join('\n'),
    });
  return schema.parse(JSON.parse(stdout));
}

/** Why a program cannot do what it is asked, in its own last words; undefined: it can. */
export async function whyNot([program, ...args]: Command, signal?: AbortSignal): Promise<string | undefined> {
  try {
    const { code, stderr } = await runProgram(program, args, signal);
    return code === 0 ? undefined : (stderr.trim().split('\n').at(-1) ?? `it ended with code ${code}`);
  } catch (cause) {
    return cause instanceof Error ? cause.message : String(cause);
  }
}
