import { ReparamError } from '../src/base/errors.js';
import type { Outcome } from './command.js';

/** Exit code of an error that no one foresaw: a bug of ours (EX_SOFTWARE of sysexits.h). */
export const BUG_EXIT_CODE = 70;

/** Resolves when the text is with the operating system, so that an exit right after it loses nothing. */
export function write(stream: NodeJS.WriteStream, text: string): Promise<void> {
  return new Promise((resolve) => {
    stream.write(text, () => resolve());
  });
}

/** A reader that went away (`reparam … | head`) is no error: stop quietly. */
export function quietBrokenPipes(): void {
  const gone = (error: NodeJS.ErrnoException): void => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(process.exitCode ?? 0);
  };
  process.stdout.on('error', gone);
  process.stderr.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
  });
}

export async function showOutcome(outcome: Outcome, json: boolean): Promise<number> {
  await write(process.stdout, `${json ? JSON.stringify(outcome.json) : outcome.text.trimEnd()}\n`);
  return outcome.exitCode ?? 0;
}

/** The error as JSON: its code, its message and the facts the message is made from. */
export function errorObject(error: unknown): { readonly error: Readonly<Record<string, unknown>> } {
  if (error instanceof ReparamError) {
    const { problem, expected, found, hint, details } = error.facts;
    return {
      error: {
        code: error.code,
        message: error.message,
        exitCode: error.exitCode,
        problem,
        expected,
        found,
        hint,
        ...(details && { details }),
      },
    };
  }
  const message = error instanceof Error ? error.message : String(error);
  return { error: { code: 'BUG', message, exitCode: BUG_EXIT_CODE } };
}

/** User errors are a sentence; bugs, and everything with `--verbose`, come with the stack and its causes. */
export async function showError(
  error: unknown,
  options: { json: boolean; verbose: boolean },
): Promise<number> {
  const object = errorObject(error);
  const known = error instanceof ReparamError;
  let text = `reparam: ${printable(String(object.error.message))}\n`;
  if (!known) text += 'This is a bug of reparam; please report it with the lines below.\n';
  if (known && options.verbose && error.facts.details)
    text += `${printable(error.facts.details.join('\n'))}\n`;
  if (!known || options.verbose) text += `${stacks(error)}\n`;
  await write(process.stderr, text);
  if (options.json) await write(process.stdout, `${JSON.stringify(object)}\n`);
  return known ? error.exitCode : BUG_EXIT_CODE;
}

/** Names come from files: control characters must not reach a terminal. */
export function printable(text: string): string {
  return text.replaceAll(/(?![\n\t])\p{Cc}/gu, '\uFFFD');
}

function stacks(error: unknown): string {
  const lines: string[] = [];
  for (let e: unknown = error, depth = 0; e !== undefined && depth < 8; depth++) {
    lines.push((depth > 0 ? 'caused by ' : '') + (e instanceof Error ? (e.stack ?? e.message) : String(e)));
    e = e instanceof Error ? e.cause : undefined;
  }
  return lines.join('\n');
}
