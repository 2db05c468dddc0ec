import { describe, inject, test } from 'vitest';
import { goldenTest } from '../goldens.js';

const { usable } = inject('webgpu');

/** Tests that need WebGPU; skipped, and counted as such, where the environment has none (the reason is printed at the start). */
export const describeWebgpu = describe.skipIf(!usable);

/** A test of WebGPU against the goldens. Without WebGPU it is skipped like any other, not as one whose goldens are missing. */
export function webgpuGoldenTest(name: string, run: () => Promise<void>): void {
  if (usable) goldenTest(name, run, 300_000);
  else test.skip(name, run);
}
