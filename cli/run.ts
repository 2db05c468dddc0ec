import { InterruptedError } from '../src/base/errors.js';
import { packageVersion } from '../src/base/package.js';
import type { RunEvent } from '../src/finetune/events.js';
import type { Command, Context } from './command.js';
import { COMMANDS } from './commands.js';
import { endSoon, onInterrupt } from './interrupt.js';
import { printable, quietBrokenPipes, showError, showOutcome, write } from './output.js';
import { parseArguments } from './parse.js';

/** Exit code after Ctrl-C. */
const INTERRUPTED = 130 satisfies InterruptedError['exitCode'];

/** Runs a command line and ends the process with its exit code. */
export async function main(args: readonly string[]): Promise<void> {
  quietBrokenPipes();
  // Wanted before the line is parsed, because parsing may fail.
  const flags = { json: args.includes('--json'), verbose: args.includes('--verbose') };
  let code: number;
  try {
    const parse = parseArguments(
      args,
      COMMANDS,
      packageVersion(),
      Math.min(110, process.stdout.columns ?? 100),
    );
    if (parse.kind === 'print') {
      await write(process.stdout, `${parse.text}\n`);
      code = 0;
    } else code = await execute(parse.parsed.command, parse.parsed.args, flags);
  } catch (error) {
    code = await showError(error, flags);
  }
  finish(code);
}

function finish(code: number): never {
  if (code === INTERRUPTED) endSoon();
  process.exit(code);
}

async function execute(
  command: Command,
  args: Readonly<Record<string, unknown>>,
  flags: { readonly json: boolean; readonly verbose: boolean },
): Promise<number> {
  const controller = new AbortController();
  const closers: (() => void)[] = [];
  const close = (): void => {
    for (const c of closers.splice(0)) c();
  };
  const context: Context = {
    signal: controller.signal,
    verbose: flags.verbose,
    columns: process.stdout.columns,
    log: (line) => process.stderr.write(`${printable(line)}\n`),
    listen: async () => {
      const { Interruption } = await import('../src/report/interruption.js');
      const { progressListener } = await import('../src/report/progress.js');
      const interruption = new Interruption();
      const progress = progressListener(process.stderr);
      const release = onInterrupt(
        controller,
        () => interruption.error(),
        (error) => {
          close();
          void showError(error, flags).then(finish);
        },
      );
      closers.push(progress.close, release);
      return (event: RunEvent) => {
        interruption.listener(event);
        progress.listener(event);
      };
    },
  };
  try {
    const outcome = await command.run(args, context);
    close();
    return await showOutcome(outcome, flags.json);
  } catch (error) {
    close();
    // A run that was told to stop may fail in any way; the reason is what the user should read.
    throw controller.signal.aborted && !(error instanceof InterruptedError)
      ? controller.signal.reason
      : error;
  }
}
