import type { EngineOptions } from '../../runtime/index.js';
import type { RunOptions } from '../options.js';

/** The engine that a run's options ask for. */
export function engineOf({
  engine,
  device,
  threads,
}: Pick<RunOptions, 'engine' | 'device' | 'threads'>): EngineOptions {
  return {
    ...(engine === undefined ? {} : { engine }),
    device,
    ...(threads === undefined ? {} : { threads }),
  };
}
