import { CheckFailedError } from '../../src/base/errors.js';
import { median } from '../../src/finetune/run/trainer.js';
import type { NetworkName, Side, Training } from './cases.js';
import type { ProcessReport, Series } from './report.js';

/** A step is disturbed when others used a core for this share of it, and for more than the clock's ticks can feign (ms). */
const DISTURBED = 0.05;
const TICKS = 20;

/** The first losses come from the same weights: the share by which they may differ. */
const SAME_LOSS = 1e-5;
/**
 * Later ones, up to {@link COMPARED} steps, also by this share of what the loss has fallen: rounding grows from step to step
 * where few values make a batch statistic, and a step without its momentum is 30 % off.
 */
const SAME_FALL = 0.1;
const COMPARED = 3;

/** All processes of one side that trained one network in one way. */
export interface Measurement {
  readonly network: NetworkName;
  /** The network with its scale, for people. */
  readonly title: string;
  readonly training: Training;
  readonly side: Side;
  readonly processes: readonly ProcessReport[];
}

export interface Summary {
  /** Milliseconds of a step: the median of the undisturbed ones. */
  readonly median: number;
  /** The medians of the single processes. */
  readonly low: number;
  readonly high: number;
  readonly undisturbed: number;
  readonly steps: number;
  /** MiB: the largest of the processes. */
  readonly peak: number | null;
}

/** Where fewer than half of the steps were undisturbed, all count: a few lucky ones are no measurement. */
export function summarize(processes: readonly ProcessReport[]): Summary {
  const steps = processes.flatMap((p) => p.milliseconds);
  const quiet = processes.map(undisturbed);
  const kept = quiet.flat();
  const enough = 2 * kept.length >= steps.length;
  const medians = (enough ? quiet.filter((q) => q.length > 0) : processes.map((p) => p.milliseconds)).map(
    median,
  );
  const peaks = processes.flatMap((p) => (p.peak === null ? [] : [p.peak]));
  return {
    median: median(enough ? kept : steps),
    low: Math.min(...medians),
    high: Math.max(...medians),
    undisturbed: kept.length,
    steps: steps.length,
    peak: peaks.length > 0 ? Math.max(...peaks) : null,
  };
}

function undisturbed(series: Series): readonly number[] {
  const quiet = quietSteps(series);
  return series.milliseconds.filter((_, i) => quiet[i]);
}

/** Which steps were undisturbed. Where the system does not say what others used, every step counts as that. */
export function quietSteps({ milliseconds, elsewhere }: Series): readonly boolean[] {
  return milliseconds.map((ms, i) => (elsewhere[i] ?? 0) <= Math.max(TICKS, DISTURBED * ms));
}

/** Sides that are compared have to do the same work. @throws CheckFailedError when one trains something else, or nothing */
export function checkSameWork(group: readonly Measurement[]): void {
  const [first] = group;
  if (!first) return;
  const what = `${first.title}, ${first.training}`;
  const [reference] = first.processes;
  const compared = reference.losses.slice(0, COMPARED);
  if (compared.length > 1 && !(fallOf(compared, compared.length - 1) > 0))
    throw new CheckFailedError({
      problem: `${what}: ${first.side} does not lower the loss of its batch`,
      found: compared.join(', '),
    });
  for (const { side, processes } of group)
    for (const { parameters, losses } of processes) {
      if (parameters !== reference.parameters)
        throw new CheckFailedError({
          problem: `${what}: ${side} trains another network than ${first.side}`,
          expected: `${reference.parameters} parameters`,
          found: `${parameters}`,
        });
      for (const [i, expected] of compared.slice(0, losses.length).entries())
        if (!sameLoss(expected, losses[i], SAME_FALL * Math.abs(fallOf(compared, i))))
          throw new CheckFailedError({
            problem: `${what}: the loss of ${side} at step ${i + 1} is not that of ${first.side}`,
            expected: `${expected}`,
            found: `${losses[i]}`,
          });
    }
}

/** How much lower the loss is at a step than at the first; NaN where one is not finite. */
function fallOf(losses: readonly (number | null)[], step: number): number {
  return (losses[0] ?? Number.NaN) - (losses[step] ?? Number.NaN);
}

/** Whether two losses can be those of the same work. null: not finite, which equals nothing. */
export function sameLoss(expected: number | null, found: number | null, more = 0): boolean {
  if (expected === null || found === null) return false;
  return Math.abs(found - expected) <= SAME_LOSS * Math.abs(expected) + more;
}
