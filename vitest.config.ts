import { defineConfig } from 'vitest/config';
import { softwareDriver } from './test/support/webgpu/driver.js';

/** Time enough for a busy machine several times over: a hang is a failure. */
const test = { pool: 'forks', testTimeout: 300_000 } as const;
const onWebgpu = 'test/webgpu/**/*.test.ts';

export default defineConfig({
  test: {
    maxWorkers: 2,
    reporters: ['default', './test/support/reporter.ts'],
    projects: [
      { test: { ...test, name: 'plain', include: ['test/**/*.test.ts'], exclude: [onWebgpu] } },
      {
        test: {
          ...test,
          name: 'webgpu',
          include: [onWebgpu],
          globalSetup: ['./test/support/webgpu/setup.ts'],
          env: softwareDriver(),
          hookTimeout: 120_000,
        },
      },
    ],
  },
});
