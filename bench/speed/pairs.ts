/**
 * The ratio of paired steps: the median over the pairs, with the order statistics of the sign test as a 95 % interval.
 * Of n independent pairs the number below the true median is binomial(n, 1/2), whatever the distribution; so the k-th
 * smallest and the k-th largest ratio enclose it with a probability of at least 0.95, for the largest k with
 * P(X < k) <= 0.025 (Conover, Practical Nonparametric Statistics, 3rd edition, section 3.2).
 */
import { CheckFailedError } from '../../src/base/errors.js';
import { median } from '../../src/finetune/run/trainer.js';
import type { NetworkName } from './cases.js';
import { quietSteps, sameLoss } from './measurement.js';
import type { PairReport } from './report.js';

/** All processes in which one network was trained both ways. */
export interface PairedMeasurement {
  readonly network: NetworkName;
  /** The network with its scale, for people. */
  readonly title: string;
  readonly processes: readonly PairReport[];
}

export interface PairedSummary {
  /** Medians of the counted steps, milliseconds. */
  readonly plain: number;
  readonly refocus: number;
  /** Refocusing ÷ plain: median over the counted pairs. */
  readonly ratio: number;
  /** 95 %; undefined with fewer than six pairs, which cannot give one. */
  readonly interval: Interval | undefined;
  /** The median ratios of the single processes. */
  readonly processes: Interval;
  readonly undisturbed: number;
  readonly pairs: number;
  /** MiB, of the process that holds both: the largest. */
  readonly peak: number | null;
}

export interface Interval {
  readonly low: number;
  readonly high: number;
}

interface Pair {
  readonly plain: number;
  readonly refocus: number;
  readonly quiet: boolean;
}

/** A pair counts when both its steps were undisturbed; where that is so for fewer than half of the pairs, all count. */
export function summarizePairs(processes: readonly PairReport[]): PairedSummary {
  const all = processes.map(pairsOf);
  const quiet = all.map((pairs) => pairs.filter((p) => p.quiet));
  const undisturbed = quiet.flat().length;
  const pairs = all.flat().length;
  const counted = (2 * undisturbed >= pairs ? quiet : all).filter((list) => list.length > 0);
  const kept = counted.flat();
  const ratios = kept.map(ratioOf);
  const medians = counted.map((list) => median(list.map(ratioOf)));
  const peaks = processes.flatMap((p) => p.peak ?? []);
  return {
    plain: median(kept.map((p) => p.plain)),
    refocus: median(kept.map((p) => p.refocus)),
    ratio: median(ratios),
    interval: medianInterval(ratios),
    processes: { low: Math.min(...medians), high: Math.max(...medians) },
    undisturbed,
    pairs,
    peak: peaks.length > 0 ? Math.max(...peaks) : null,
  };
}

function pairsOf({ plain, refocus }: PairReport): Pair[] {
  const [a, b] = [quietSteps(plain), quietSteps(refocus)];
  return plain.milliseconds.map((ms, i) => ({
    plain: ms,
    refocus: refocus.milliseconds[i],
    quiet: a[i] && b[i],
  }));
}

function ratioOf({ plain, refocus }: Pair): number {
  return refocus / plain;
}

/** Encloses the median of what the values are drawn from with a probability of at least 0.95. */
export function medianInterval(values: readonly number[]): Interval | undefined {
  const rank = signTestRank(values.length);
  if (rank === 0) return undefined;
  const sorted = values.toSorted((a, b) => a - b);
  return { low: sorted[rank - 1], high: sorted[sorted.length - rank] };
}

/** The largest k with P(X < k) <= 0.025 for X of binomial(n, 1/2). */
function signTestRank(n: number): number {
  // In logarithms: 2^-n underflows from n = 1075 on.
  let log = -n * Math.LN2;
  let below = 0;
  for (let k = 0; k <= n; k++) {
    below += Math.exp(log);
    if (below > 0.025) return k;
    log += Math.log((n - k) / (k + 1));
  }
  return 0;
}

/** From zero maps both trainings start as the same function. @throws CheckFailedError when the first losses differ */
export function checkSameStart({ title, processes }: PairedMeasurement): void {
  for (const { plain, refocus } of processes)
    if (!sameLoss(plain.losses[0], refocus.losses[0]))
      throw new CheckFailedError({
        problem: `${title}: refocusing does not start where plain training starts`,
        expected: `a first loss of ${plain.losses[0]}`,
        found: `${refocus.losses[0]}`,
      });
}
