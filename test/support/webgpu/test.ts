import { describe, inject } from 'vitest';

/** Tests that need WebGPU; skipped, and counted as such, where the environment has none (the reason is printed at the start). */
export const describeWebgpu = describe.skipIf(!inject('webgpu').usable);
