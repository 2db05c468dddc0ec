import { readFileSync, writeFileSync } from 'node:fs';

/** Milliseconds of a clock tick, the unit of /proc/stat. */
const TICK = 10;

/**
 * Core time that went elsewhere since the system started, milliseconds: to other programs, and to a virtual machine's
 * neighbours where the host tells. Right to a tick or two, so only differences far above mean something. undefined where
 * the kernel does not say.
 */
export function elsewhere(): number | undefined {
  const line = /^cpu +(.*)$/m.exec(read('/proc/stat') ?? '')?.[1];
  if (line === undefined) return undefined;
  const [user, nice, system, , , irq, softirq, steal] = line.split(' ').map(Number);
  const own = process.cpuUsage();
  return (user + nice + system + irq + softirq + steal) * TICK - (own.user + own.system) / 1000;
}

/** The most memory this process ever held, MiB (VmHWM); null where the kernel does not say. */
export function peakMemory(): number | null {
  return statusMiB('VmHWM');
}

/** The memory this process holds, MiB (VmRSS); null where the kernel does not say. */
export function memoryNow(): number | null {
  return statusMiB('VmRSS');
}

/** Lets {@link peakMemory} begin anew, where the kernel does it. */
export function forgetPeak(): void {
  try {
    writeFileSync('/proc/self/clear_refs', '5');
  } catch {
    // Then the peak is that of the whole process, which is no lower.
  }
}

function statusMiB(field: string): number | null {
  const kib = new RegExp(`^${field}:\\s+(\\d+) kB$`, 'm').exec(read('/proc/self/status') ?? '')?.[1];
  return kib === undefined ? null : Number(kib) / 1024;
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
