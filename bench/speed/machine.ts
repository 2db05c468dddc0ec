import { cpus, totalmem } from 'node:os';

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  /** ISO date. */
  readonly date: string;
}

export function machine(): Machine {
  const cores = cpus();
  return {
    cpu: cores[0]?.model.trim() ?? 'unknown CPU',
    cores: cores.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${process.platform} ${process.arch}`,
    node: process.version,
    date: new Date().toISOString().slice(0, 10),
  };
}

/** What a table was measured on: date, processor, system, and the programs that did the work, Node first. */
export function machineText(m: Machine, libraries: readonly string[] = []): string {
  const programs = [`node ${m.node.replace(/^v/, '')}`, ...libraries].join(', ');
  return `${m.date}; ${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.system}; ${programs}`;
}
