import { readdirSync, readFileSync } from 'node:fs';

/** Milliseconds that the threads of this process were ready but had no core; undefined where the kernel does not say. */
export function waited(): number | undefined {
  let nanoseconds = 0;
  for (const thread of list('/proc/self/task')) {
    // A thread may end in between.
    const text = read(`/proc/self/task/${thread}/schedstat`);
    nanoseconds += Number(text?.split(' ')[1] ?? 0);
  }
  return nanoseconds > 0 ? nanoseconds / 1e6 : undefined;
}

/** The most memory this process ever held, MiB (VmHWM); null where the kernel does not say. */
export function peakMemory(): number | null {
  const kib = /^VmHWM:\s+(\d+) kB$/m.exec(read('/proc/self/status') ?? '')?.[1];
  return kib === undefined ? null : Number(kib) / 1024;
}

function list(folder: string): readonly string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function read(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}
