import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/base/package.js';
import type { Arguments } from './arguments.js';
import { type Form, measures, NETWORKS, type NetworkName, type Side } from './cases.js';
import { checkSameWork, type Measurement } from './measurement.js';
import type { ProcessReport } from './report.js';
import { runSide } from './run-process.js';
import { writeTask } from './task.js';

export interface Setting {
  readonly options: Arguments;
  readonly python: string;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** Measures one network in one form: a process of each side, then again, so that slow drifts of the machine hit all. */
export async function measure(network: NetworkName, form: Form, setting: Setting): Promise<Measurement[]> {
  const { options, signal, progress } = setting;
  const reports = new Map<Side, ProcessReport[]>();
  for (const side of options.sides) if (measures(side, form)) reports.set(side, []);
  const folder = mkdtempSync(join(tmpdir(), 'reparam-bench-'));
  try {
    writeTask(folder, network, form, options);
    for (let round = 1; round <= options.rounds; round++)
      for (const [side, list] of reports) {
        progress(`${NETWORKS[network].title}, ${form}: ${side}, round ${round} of ${options.rounds}`);
        list.push(await runSide(...commandOf(side, folder, setting.python), signal));
      }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const group = [...reports].map(([side, processes]) => ({ network, form, side, processes }));
  checkSameWork(group);
  return group;
}

function commandOf(side: Side, folder: string, python: string): [string, readonly string[]] {
  switch (side) {
    case 'reparam':
      return [process.execPath, [fileURLToPath(new URL('ours.js', import.meta.url)), folder]];
    case 'eager':
    case 'channels_last':
      return [python, ['-B', join(packageRoot(), 'bench', 'peers', 'step.py'), folder, side]];
    default:
      return side satisfies never;
  }
}
