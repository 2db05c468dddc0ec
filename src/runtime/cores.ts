import { readFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';

/**
 * Threads worth using for arithmetic: the physical cores, at most what this process may use. (Two threads of one core
 * share its vector units, so a second one only costs.)
 */
export function arithmeticCores(): number {
  return Math.max(1, Math.min(availableParallelism(), physicalCores() ?? Number.POSITIVE_INFINITY));
}

/** Physical cores, where the system tells (Linux); undefined elsewhere. */
function physicalCores(): number | undefined {
  const cores = new Set<string>();
  for (let i = 0; i < cpus().length; i++) {
    try {
      cores.add(readFileSync(`/sys/devices/system/cpu/cpu${i}/topology/thread_siblings_list`, 'utf8').trim());
    } catch {
      return undefined;
    }
  }
  return cores.size > 0 ? cores.size : undefined;
}
