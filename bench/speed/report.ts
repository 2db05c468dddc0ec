import { z } from 'zod';

/** What a process prints when it is done: one line of JSON. */
export const processReport = z.object({
  /** Wall time of each timed step, milliseconds. */
  milliseconds: z.array(z.number().positive()).min(1),
  /** For each step, core time that went to other programs, milliseconds, right to two clock ticks; null: not known. */
  elsewhere: z.array(z.number().nullable()),
  /** Of every step, warm-up included; null: not finite. */
  losses: z.array(z.number().nullable()).min(1),
  /** Trained numbers. */
  parameters: z.number(),
  /** MiB. */
  peak: z.number().nullable(),
  /** What did the work, with its version. */
  library: z.string(),
});

export type ProcessReport = z.infer<typeof processReport>;
