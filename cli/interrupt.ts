import type { InterruptedError } from '../src/base/errors.js';

/** How long a run may take to stop by itself before Ctrl-C is answered without it. */
const PATIENCE_MILLISECONDS = 700;

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
    controller.abort(error);
    timer = setTimeout(() => answer(error), PATIENCE_MILLISECONDS);
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
