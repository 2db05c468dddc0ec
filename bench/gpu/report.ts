import { z } from 'zod';
import { processReport } from '../speed/report.js';

/** A program of the device, with all its dispatches in a step. */
const program = z.object({
  name: z.string(),
  dispatches: z.number(),
  milliseconds: z.number(),
});

/** Where the time of one of our steps goes. */
export const split = z.object({
  /** The device's programs, by its own clock, in a step that is profiled; null: nothing tells. */
  kernels: z.object({ milliseconds: z.number(), programs: z.array(program) }).nullable(),
  /** A run that moves what a step moves, and computes next to nothing. */
  transfers: z.number(),
  /** Core time of this process in a timed step. */
  host: z.number(),
  /** Seconds from the model to the end of the first step. */
  start: z.number(),
});

/** What a process of ours prints; PyTorch's prints the first part. */
export const gpuReport = processReport.extend({
  /** MiB of the card while it trained, beyond what was in use before; null: nothing tells. */
  card: z.number().nullable().exactOptional(),
  split: split.exactOptional(),
});

export type Split = z.infer<typeof split>;
export type GpuReport = z.infer<typeof gpuReport>;
export type Program = z.infer<typeof program>;
