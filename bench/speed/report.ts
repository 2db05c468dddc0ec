import { z } from 'zod';
import type { TimedStep } from './our-step.js';

/** Steps in a row. */
const series = z.object({
  /** Wall time of each timed step, milliseconds. */
  milliseconds: z.array(z.number().positive()).min(1),
  /** For each step, core time that went to other programs, milliseconds, right to two clock ticks; null: not known. */
  elsewhere: z.array(z.number().nullable()),
  /** Of every step, warm-up included; null: not finite. */
  losses: z.array(z.number().nullable()).min(1),
});

const about = z.object({
  /** The most memory the process ever held, MiB. */
  peak: z.number().nullable(),
  /** What did the work, with its version. */
  library: z.string(),
  /** Of ours: how the steps were made. */
  how: z.array(z.string()).optional(),
});

/** What a process of a side prints when it is done: one line of JSON. */
export const processReport = z.object({
  ...series.shape,
  ...about.shape,
  /** Trained numbers. */
  parameters: z.number(),
});

/** What a process of `--paired` prints. */
export const pairReport = z.object({ plain: series, refocus: series, ...about.shape });

export type Series = z.infer<typeof series>;
export type ProcessReport = z.infer<typeof processReport>;
export type PairReport = z.infer<typeof pairReport>;

/** @param warmup how many steps at the beginning are not counted */
export function seriesOf(steps: readonly TimedStep[], warmup: number): Series {
  const timed = steps.slice(warmup);
  return {
    milliseconds: timed.map((s) => s.milliseconds),
    elsewhere: timed.map((s) => s.elsewhere),
    losses: steps.map((s) => s.loss),
  };
}
