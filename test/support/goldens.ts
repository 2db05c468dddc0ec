import { resolve } from 'node:path';
import { test } from 'vitest';
import { haveGoldens, sharedRoot } from './goldens-present.js';

export { haveGoldens };

/** `golden('refconv/layers/x.safetensors')`: a file of the goldens. */
export function golden(...path: string[]): string {
  return resolve(sharedRoot, 'goldens', ...path);
}

/** `sharedFile('checkpoints/derived/x.onnx')`: a checkpoint or data file. */
export function sharedFile(...path: string[]): string {
  return resolve(sharedRoot, ...path);
}

/**
 * A test against the goldens. Without them it is skipped and counted in the closing line; with them it always runs, so
 * that a missing file fails. The mark in the name is what the reporter counts by.
 */
export function goldenTest(name: string, run: () => void | Promise<void>, timeout = 60_000): void {
  test.skipIf(!haveGoldens)(`${name} [golden]`, run, timeout);
}
