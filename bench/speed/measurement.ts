import { CheckFailedError } from '../../src/base/errors.js';
import { median } from '../../src/finetune/run/trainer.js';
import { type Form, NETWORKS, type NetworkName, type Side } from './cases.js';
import type { ProcessReport } from './report.js';

/** A step is disturbed when others used a core for this share of it, and for more than the clock's ticks can feign (ms). */
const DISTURBED = 0.05;
const TICKS = 20;

/** Share by which the losses of two sides may differ, over {@link COMPARED} steps from the same weights. */
const SAME_LOSS = 1e-3;
const COMPARED = 3;

/** All processes of one side that trained one network in one form. */
export interface Measurement {
  readonly network: NetworkName;
  readonly form: Form;
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

/** Where the system does not say what others used, every step counts as undisturbed. */
function undisturbed({ milliseconds, elsewhere }: ProcessReport): readonly number[] {
  return milliseconds.filter((ms, i) => (elsewhere[i] ?? 0) <= Math.max(TICKS, DISTURBED * ms));
}

/** Sides that are compared have to do the same work. @throws CheckFailedError when one trains something else */
export function checkSameWork(group: readonly Measurement[]): void {
  const [first] = group;
  if (!first) return;
  const what = `${NETWORKS[first.network].title}, ${first.form}`;
  const [reference] = first.processes;
  for (const { side, processes } of group)
    for (const { parameters, losses } of processes) {
      if (parameters !== reference.parameters)
        throw new CheckFailedError({
          problem: `${what}: ${side} trains another network than ${first.side}`,
          expected: `${reference.parameters} parameters`,
          found: `${parameters}`,
        });
      for (let i = 0; i < Math.min(COMPARED, losses.length); i++) {
        const expected = reference.losses[i] ?? Number.NaN;
        const found = losses[i] ?? Number.NaN;
        if (!(Math.abs(found - expected) <= SAME_LOSS * Math.abs(expected)))
          throw new CheckFailedError({
            problem: `${what}: the loss of ${side} at step ${i + 1} is not that of ${first.side}`,
            expected: `${expected}`,
            found: `${found}`,
          });
      }
    }
}
