import { spawn } from 'node:child_process';
import type { InterruptedError } from '../src/base/errors.js';

/** How long a run may take to stop by itself before Ctrl-C is answered without it. */
const PATIENCE_MILLISECONDS = 600;

/** How long the process may take to end after the answer. */
const GRACE_SECONDS = 0.3;

/**
 * Ctrl-C and SIGTERM abort the run, which ends with an error that says what is lost. A step inside the runtime cannot
 * be broken off: when it takes too long, `answer` is called meanwhile. A second signal ends the process at once.
 * @returns stops listening
 */
export function onInterrupt(
  controller: AbortController,
  lost: () => InterruptedError,
  answer: (error: InterruptedError) => void,
): () => void {
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    // From here on the system's default holds: the next signal kills, even while this thread waits for a worker.
    release();
    const error = lost();
    timer = setTimeout(() => answer(error), PATIENCE_MILLISECONDS);
    controller.abort(error);
  };
  const release = (): void => {
    process.off('SIGINT', stop);
    process.off('SIGTERM', stop);
  };
  process.on('SIGINT', stop);
  process.on('SIGTERM', stop);
  return () => {
    release();
    clearTimeout(timer);
  };
}

/**
 * Makes sure that an interrupted process ends soon. `process.exit` waits for a worker thread that is inside the
 * runtime, and no JavaScript runs meanwhile; so another process sends the signal again, whose default is to kill. A
 * shell reports 130 either way. Where there is no `sh` the exit waits for the step.
 */
export function endSoon(): void {
  spawn('sh', ['-c', `sleep ${GRACE_SECONDS}; kill -INT ${process.pid}`], { stdio: 'ignore', detached: true })
    .on('error', () => undefined)
    .unref();
}
