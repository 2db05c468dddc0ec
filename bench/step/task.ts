import { z } from 'zod';
import { TRAININGS } from '../speed/cases.js';

/** What one process measures. */
export const stepTask = z.object({
  /** Name in the zoo. */
  network: z.string(),
  training: z.enum(TRAININGS),
  batch: z.int().positive(),
  steps: z.int().positive(),
  threads: z.int().positive(),
});

export type StepTask = z.infer<typeof stepTask>;

const seconds = z.object({ cpu: z.number(), wall: z.number() });

/** What it prints. */
export const stepReport = z.object({
  nodes: z.number(),
  /** Seconds of all threads together, and by the clock. */
  seconds: z.object({ prepare: seconds, build: seconds, encode: seconds, session: seconds }),
  /** Bytes. `measured`: VmHWM after the steps, less VmRSS before the session was made; null: the kernel does not tell. */
  memory: z.object({ estimated: z.number(), measured: z.number().nullable() }),
});

export type StepReport = z.infer<typeof stepReport>;
export type Seconds = z.infer<typeof seconds>;
