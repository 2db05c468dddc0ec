import { freemem, totalmem } from 'node:os';

/** What a process may use. Bytes. */
export interface MachineMemory {
  /** Of the machine, or a container's limit where that is lower. */
  readonly totalBytes: number;
  /** Not in use at present, by anybody: what a new process could have. */
  readonly freeBytes: number;
}

/** The memory of this machine or container. */
export function machineMemory(): MachineMemory {
  // A container's limit, where there is one; Node gives a number beyond the machine's memory where there is none.
  const limit = process.constrainedMemory();
  const total = totalmem();
  if (limit === undefined || limit <= 0 || limit >= total) return { totalBytes: total, freeBytes: freemem() };
  return {
    totalBytes: limit,
    freeBytes: Math.max(0, Math.min(freemem(), limit - process.memoryUsage.rss())),
  };
}

/**
 * How much this process may still grow. macOS counts memory that it would give up at once as used, so there all but a
 * tenth of the machine's stands for it.
 */
export function availableMemory(): number {
  const { totalBytes, freeBytes } = machineMemory();
  return process.platform === 'darwin' ? 0.9 * totalBytes : freeBytes;
}
