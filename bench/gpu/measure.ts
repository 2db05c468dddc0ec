import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ReparamError } from '../../src/base/errors.js';
import { packageRoot } from '../../src/base/package.js';
import type { Device } from '../../src/runtime/index.js';
import { type NetworkName, scaled, type Training, titleOf } from '../speed/cases.js';
import { withFolder } from '../speed/measure.js';
import { type Command, runReport, whyNot } from '../speed/run-process.js';
import { writeTask } from '../speed/task.js';
import type { Arguments, Side } from './arguments.js';
import { type Curve, checkSame, curveOf, type GpuMeasurement } from './checks.js';
import { watchMemory } from './device-memory.js';
import type { EnginePlace } from './place.js';
import { type GpuReport, gpuReport } from './report.js';

export interface Setting {
  readonly options: Arguments;
  readonly signal: AbortSignal;
  readonly progress: (line: string) => void;
}

export interface Measured {
  readonly measurements: GpuMeasurement[];
  readonly curves: Curve[];
  /** What failed or was wrong; the rest goes on. */
  readonly problems: string[];
}

/** The sides that can be measured here; PyTorch is told where it lacks something. */
export async function availableSides({ options, signal, progress }: Setting): Promise<readonly Side[]> {
  const peers = options.sides.filter((side) => side !== 'reparam');
  if (peers.length === 0) return options.sides;
  const { python, peerDevice } = options;
  const probe = `import torch, numpy; torch.ones(1).to('${peerDevice}')`;
  const why = await whyNot([python, '-c', probe], signal);
  signal.throwIfAborted();
  if (why === undefined) return options.sides;
  progress(
    `${peers.join(', ')} left out, they need torch on ${peerDevice} in ${python} (--python PATH): ${why}`,
  );
  return options.sides.filter((side) => side === 'reparam');
}

/** All sides of one network, training and batch, one process after the other. */
export async function measure(
  network: NetworkName,
  training: Training,
  batch: number,
  sides: readonly Side[],
  setting: Setting,
  into: Measured,
): Promise<void> {
  const { options, signal, progress } = setting;
  const { size } = options;
  const scale = { batch, ...(size !== undefined && { size }) };
  const title = titleOf(scaled(network, scale));
  await withFolder(async (folder) => {
    writeTask(folder, network, training, { ...options, scale });
    const group: GpuMeasurement[] = [];
    for (const side of sides) {
      progress(`${title}, ${training}: ${side}`);
      const command =
        side === 'reparam' ? ours(folder, options.device, options, true) : peer(folder, side, options);
      await orSaid(`${title}, ${training}, ${side}`, setting, into, async () => {
        const { result, mebibytes } = await watchMemory(() => runReport(command, gpuReport, signal));
        const device = result.card ?? mebibytes;
        group.push({ title, training, batch, side, report: result, device });
      });
    }
    into.measurements.push(...group);
    into.problems.push(...checkSame(group));
  });
}

/** The first losses of our step on the device beside those on the CPU. */
export async function measureCurve(
  network: NetworkName,
  training: Training,
  setting: Setting,
  into: Measured,
): Promise<void> {
  const { options, signal, progress } = setting;
  const { size, curve, device } = options;
  const scale = { batch: curve.batch, ...(size !== undefined && { size }) };
  const title = titleOf(scaled(network, scale));
  progress(`${title}, ${training}: losses of ${curve.steps} steps on ${device} and on the CPU`);
  await orSaid(`${title}, ${training}, losses`, setting, into, () =>
    withFolder(async (folder) => {
      writeTask(folder, network, training, { ...options, scale, warmup: 0, steps: curve.steps });
      const losses = async (on: Device): Promise<GpuReport> =>
        runReport(ours(folder, on, options, false), gpuReport, signal);
      const [own, cpu] = [await losses(device), await losses('cpu')];
      const found = curveOf(title, training, own.losses, cpu.losses);
      into.curves.push(found);
      if (found.problem !== undefined) into.problems.push(found.problem);
    }),
  );
}

/** A side that fails (memory is exhausted, say) must not cost what the others have measured. */
async function orSaid(
  what: string,
  { signal, progress }: Setting,
  into: Measured,
  run: () => Promise<void>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof ReparamError)) throw error;
    progress(`${what}: ${error.message}`);
    // Of a program's last words the last line says what it died of.
    const { problem, found } = error.facts;
    into.problems.push(`${what}: ${problem}${found ? `; ${found.split('\n').at(-1)}` : ''}`);
  }
}

function ours(folder: string, device: Device, { allowSoftware, webgpu }: Arguments, split: boolean): Command {
  const script = fileURLToPath(new URL('ours.js', import.meta.url));
  const place: EnginePlace = { device, allowSoftware, webgpu };
  return [process.execPath, script, folder, JSON.stringify(place), split ? '1' : '0'];
}

function peer(folder: string, side: Exclude<Side, 'reparam'>, { python, peerDevice }: Arguments): Command {
  return [python, '-B', join(packageRoot(), 'bench', 'peers', 'gpu_step.py'), folder, side, peerDevice];
}
