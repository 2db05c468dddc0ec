import { InterruptedError, ReparamError } from '../src/base/errors.js';

/** Runs a benchmark; an error that a user can act on ends it with its message and its exit code. */
export async function program(main: () => Promise<void>): Promise<void> {
  try {
    await main();
  } catch (error) {
    // An aborted wait has the reason of the abort as its cause.
    const told = error instanceof Error && error.cause instanceof ReparamError ? error.cause : error;
    if (!(told instanceof ReparamError)) throw error;
    process.stderr.write(`${told.message}\n`);
    process.exitCode = told.exitCode;
  }
}

/** Aborted, with an InterruptedError as its reason, when the user stops the process. */
export function stopSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM'] as const)
    process.once(name, () => stop.abort(new InterruptedError({ problem: 'stopped' })));
  return stop.signal;
}
