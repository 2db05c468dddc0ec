import { MessageChannel } from 'node:worker_threads';

/** A port that nobody listens to. */
const nowhere = (() => {
  const { port1, port2 } = new MessageChannel();
  port2.close();
  port1.unref();
  return port1;
})();

/**
 * Frees a buffer's memory at once; the garbage collector would get to it steps later, when several copies of a state have
 * come together. (A message that cannot arrive is dropped together with what it carries.) The buffer is empty afterwards.
 */
export function discard(buffer: ArrayBuffer): void {
  if (buffer.byteLength > 0) nowhere.postMessage(null, [buffer]);
}
