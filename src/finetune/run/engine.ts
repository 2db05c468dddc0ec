import type { EngineOptions } from '../../runtime/index.js';
import type { RunOptions } from '../options.js';

/** The engine that a run's options ask for. */
export function engineOf({ device, threads }: Pick<RunOptions, 'device' | 'threads'>): EngineOptions {
  return { device, ...(threads === undefined ? {} : { threads }) };
}
