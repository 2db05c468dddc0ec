import { existsSync } from 'node:fs';
import { basename, extname, join } from 'node:path';
import type { Listener } from '../src/finetune/events.js';
import type { Context } from './command.js';

/**
 * Where a run goes when the user names no folder: `runs/refocus-mobilenetv2`, and with a number where that is taken. A
 * resumed run goes on in the last of them.
 */
export function runFolder(command: string, model: string, resume: boolean, cwd = '.'): string {
  const first = join('runs', `${command}-${basename(model, extname(model))}`);
  let last = first;
  let next = first;
  for (let n = 2; existsSync(join(cwd, next)); n++) {
    last = next;
    next = `${first}-${n}`;
  }
  return resume ? last : next;
}

/** The listener of a training run: progress on standard error, and `metrics.jsonl` in its folder. */
export async function recordedRun(folder: string, context: Context): Promise<Listener> {
  const { metricsFile } = await import('../src/report/metrics.js');
  const metrics = metricsFile(join(folder, 'metrics.jsonl'));
  const listener = await context.listen();
  let told = false;
  return (event) => {
    listener(event);
    metrics.listener(event);
    if (metrics.failure && !told) {
      told = true;
      listener({ type: 'log', level: 'warning', message: `no more metrics: ${metrics.failure.message}` });
    }
  };
}
