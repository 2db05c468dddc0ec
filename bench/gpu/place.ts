import { z } from 'zod';
import { DEVICES, LAYOUTS, VALIDATIONS } from './arguments.js';

/** Where a process of ours runs. */
export const enginePlace = z.object({
  device: z.enum(DEVICES),
  allowSoftware: z.boolean(),
  webgpu: z.object({
    layout: z.enum(LAYOUTS).exactOptional(),
    validation: z.enum(VALIDATIONS).exactOptional(),
  }),
});

export type EnginePlace = z.infer<typeof enginePlace>;
