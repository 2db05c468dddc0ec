import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { z } from 'zod';
import type { Program, Split } from './report.js';

const events = z.array(z.object({ cat: z.string(), name: z.string(), dur: z.number() }));

/** Kernels of the WebGPU provider: `node&operator&program`. */
const KERNEL = 'Api';

/** The profile that the runtime wrote last under a prefix. */
export function readProfile(prefix: string): string {
  const folder = dirname(prefix);
  const names = readdirSync(folder).filter((n) => n.startsWith(basename(prefix)));
  const last = names.sort().at(-1);
  if (last === undefined) throw new Error(`the runtime wrote no profile ${prefix}*`);
  return readFileSync(join(folder, last), 'utf8');
}

/**
 * What the device's programs take in a step: the mean over all runs but the first, which also prepares weights. null where
 * the profile has no kernels: another provider, or an adapter without a clock.
 * @param runs how many there were
 */
export function kernelsOf(profile: string, runs: number): Split['kernels'] {
  const kernels = events.parse(JSON.parse(profile)).filter((e) => e.cat === KERNEL);
  if (kernels.length === 0) return null;
  const durations = new Map<string, number[]>();
  for (const { name, dur } of kernels) {
    const list = durations.get(name);
    if (list) list.push(dur);
    else durations.set(name, [dur]);
  }
  const programs = new Map<string, Program>();
  for (const [name, list] of durations) {
    const each = Math.floor(list.length / runs);
    const later = list.slice(-each * (runs - 1));
    if (each === 0) continue;
    const milliseconds = later.reduce((sum, us) => sum + us, 0) / 1000 / (runs - 1);
    // The node's name is left out: equal programs are one line.
    const title = [...new Set(name.split('&').slice(1))].join(' ');
    const known = programs.get(title);
    programs.set(title, {
      name: title,
      dispatches: (known?.dispatches ?? 0) + each,
      milliseconds: (known?.milliseconds ?? 0) + milliseconds,
    });
  }
  const sorted = [...programs.values()].sort((a, b) => b.milliseconds - a.milliseconds);
  return { milliseconds: sorted.reduce((sum, p) => sum + p.milliseconds, 0), programs: sorted };
}
