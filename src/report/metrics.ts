import { appendFileSync, closeSync, fstatSync, mkdirSync, openSync, readSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Listener } from '../finetune/events.js';

/** Appends a run's events to a file as they come. */
export interface MetricsFile {
  readonly listener: Listener;
  /** What kept the file from being written, if anything did. The run goes on without it. */
  readonly failure: Error | undefined;
}

/**
 * A listener that writes each step, evaluation, phase and checkpoint as one line of JSON (`metrics.jsonl`): the event
 * and `time` (ISO 8601). Lines are written at once, so a killed run has all of them but perhaps half of the last.
 *
 * A resumed run appends: its `phase` line has `from`, the step it went on from, and steps after that replace those of
 * the same number above. Batches of a step that was lost so appear twice, and a reader takes the later line.
 */
export function metricsFile(path: string, now: () => Date = () => new Date()): MetricsFile {
  let failure: Error | undefined;
  let ready = false;
  return {
    listener: (event) => {
      if (failure || event.type === 'evaluating' || event.type === 'log') return;
      try {
        if (!ready) {
          mkdirSync(dirname(path), { recursive: true });
          if (endsInsideLine(path)) appendFileSync(path, '\n');
          ready = true;
        }
        appendFileSync(path, `${JSON.stringify({ time: now().toISOString(), ...event })}\n`);
      } catch (cause) {
        failure = new Error(`${path}: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
      }
    },
    get failure() {
      return failure;
    },
  };
}

/** Whether the file's last line has no end: the process that wrote it was killed. */
function endsInsideLine(path: string): boolean {
  const file = openSync(path, 'a+');
  try {
    const { size } = fstatSync(file);
    if (size === 0) return false;
    const last = Buffer.alloc(1);
    readSync(file, last, 0, 1, size - 1);
    return last[0] !== 0x0a;
  } finally {
    closeSync(file);
  }
}
