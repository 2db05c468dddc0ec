import type { Training } from '../speed/cases.js';
import { SIDES, type Side } from './arguments.js';
import type { GpuReport } from './report.js';

/** One process of one side. */
export interface GpuMeasurement {
  /** The network with its scale, for people. */
  readonly title: string;
  readonly training: Training;
  readonly batch: number;
  readonly side: Side;
  readonly report: GpuReport;
  /** MiB of the card beyond what was in use before; null: not known. */
  readonly device: number | null;
}

/** Losses of the first steps that are compared. */
const COMPARED = 3;
/** Rounding grows from step to step; a step without its momentum is 30 % of the loss's fall off. */
const SAME_FALL = 0.1;
/** Of the CPU's loss: what our losses on a device may differ by, beside {@link SAME_FALL}. */
const CPU_SHARE = 1e-4;

type Losses = readonly (number | null)[];

/** What is wrong with sides that should have done the same work, in words. */
export function checkSame(group: readonly GpuMeasurement[]): string[] {
  const [first] = group;
  if (!first) return [];
  return group.slice(1).flatMap(({ title, training, side, report }): string[] => {
    const what = `${title}, ${training}: ${side}`;
    if (report.parameters !== first.report.parameters)
      return [`${what} trains ${report.parameters} parameters, ${first.side} ${first.report.parameters}`];
    const share = Math.max(SIDES[side].share, SIDES[first.side].share);
    const compared = first.report.losses.slice(0, COMPARED);
    const step = firstApart(compared, report.losses, share);
    return step === undefined
      ? []
      : [`${what} has loss ${report.losses[step]} at step ${step + 1}, ${first.side} ${compared[step]}`];
  });
}

/** Our losses on a device and on the CPU. */
export interface Curve {
  readonly title: string;
  readonly training: Training;
  readonly device: Losses;
  readonly cpu: Losses;
  /** The largest difference ÷ the CPU's loss. */
  readonly relative: number;
  /** In words, where they are not the same curve. */
  readonly problem?: string;
}

export function curveOf(title: string, training: Training, device: Losses, cpu: Losses): Curve {
  const relative = Math.max(
    ...cpu.map((c, i) => {
      const d = device[i];
      return c === null || d === null || d === undefined ? Number.POSITIVE_INFINITY : Math.abs(d / c - 1);
    }),
  );
  const step = firstApart(cpu, device, CPU_SHARE);
  return {
    title,
    training,
    device,
    cpu,
    relative,
    ...(step !== undefined && {
      problem: `${title}, ${training}: the device's loss at step ${step + 1} is ${device[step]}, the CPU's ${cpu[step]}`,
    }),
  };
}

/** The first step whose losses are not those of the same work: further apart than a share of them and of their fall. */
function firstApart(expected: Losses, found: Losses, share: number): number | undefined {
  const first = expected[0] ?? Number.NaN;
  const at = expected.findIndex((e, i) => {
    const f = found[i];
    if (e === null || f === null || f === undefined) return true;
    return !(Math.abs(f - e) <= share * Math.abs(e) + SAME_FALL * Math.abs(first - e));
  });
  return at < 0 ? undefined : at;
}
