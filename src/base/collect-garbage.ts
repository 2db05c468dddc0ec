import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

let collector: (() => void) | undefined;

/**
 * Lets go now of what nobody uses. To the collector a large typed array is a small object: what preparing a network leaves
 * behind, as large as its weights, would else stay beside the training that follows. Takes tens of milliseconds.
 */
export function collectGarbage(): void {
  collector ??= exposed();
  collector();
}

/** The collector of this thread, which Node gives to new contexts only, and only on demand. */
function exposed(): () => void {
  setFlagsFromString('--expose-gc');
  const found: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return typeof found === 'function' ? () => void found() : () => undefined;
}
