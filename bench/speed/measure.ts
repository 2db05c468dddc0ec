import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Arguments } from './arguments.js';
import { measures, type NetworkName, type Side, scaled, type Training, titleOf } from './cases.js';
import { checkSameWork, type Measurement } from './measurement.js';
import { checkSameStart, type PairedMeasurement } from './pairs.js';
import { peerProgram } from './peers.js';
import { type PairReport, type ProcessReport, pairReport, processReport } from './report.js';
import { type Command, runReport, whyNot } from './run-process.js';
import { writeTask } from './task.js';

export interface Setting {
  readonly options: Arguments;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

/** The sides that can be measured here; the others are told, with what they lack. */
export async function availableSides({ options, signal, progress }: Setting): Promise<readonly Side[]> {
  const sides: Side[] = [];
  for (const side of options.sides) {
    if (!options.trainings.some((training) => measures(side, training))) continue;
    if (side === 'reparam') {
      sides.push(side);
      continue;
    }
    const { probe, needs } = peerProgram(side, options);
    const why = await whyNot(probe, signal);
    signal.throwIfAborted();
    if (why === undefined) sides.push(side);
    else progress(`${side} is left out, it needs ${needs}: ${why}`);
  }
  return sides;
}

/** Measures one network in one training: a process of each side, then again, so that slow drifts of the machine hit all. */
export async function measure(
  network: NetworkName,
  training: Training,
  sides: readonly Side[],
  setting: Setting,
): Promise<Measurement[]> {
  const { options, signal, progress } = setting;
  const title = titleOf(scaled(network, options.scale));
  const reports = new Map<Side, ProcessReport[]>();
  for (const side of sides) if (measures(side, training)) reports.set(side, []);
  const group = (): Measurement[] =>
    [...reports].map(([side, processes]) => ({ network, title, training, side, processes }));
  await withFolder(async (folder) => {
    writeTask(folder, network, training, options);
    for (let round = 1; round <= options.rounds; round++) {
      for (const [side, list] of reports) {
        progress(`${title}, ${training}: ${side}, round ${round} of ${options.rounds}`);
        const command =
          side === 'reparam' ? ourCommand('ours.js', folder) : peerProgram(side, options).command(folder);
        list.push(await runReport(command, processReport, signal));
      }
      checkSameWork(group());
    }
  });
  return group();
}

/** Measures our refocusing against our plain training of one network, in processes that train both. */
export async function measurePairs(network: NetworkName, setting: Setting): Promise<PairedMeasurement> {
  const { options, signal, progress } = setting;
  const title = titleOf(scaled(network, options.scale));
  const processes: PairReport[] = [];
  const measured = { network, title, processes };
  await withFolder(async (folder) => {
    writeTask(folder, network, 'refocus', options);
    for (let round = 1; round <= options.rounds; round++) {
      progress(`${title}, paired: round ${round} of ${options.rounds}`);
      processes.push(await runReport(ourCommand('paired.js', folder), pairReport, signal));
      checkSameStart(measured);
    }
  });
  return measured;
}

function ourCommand(script: string, folder: string): Command {
  return [process.execPath, fileURLToPath(new URL(script, import.meta.url)), folder];
}

/** A folder of its own for a task, removed afterwards. */
export async function withFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'reparam-bench-'));
  try {
    await use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
