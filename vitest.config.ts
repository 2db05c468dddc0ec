import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    // Several times what the slowest test needs: a busy machine is no failure, a hang is.
    testTimeout: 300_000,
    reporters: ['default', './test/support/reporter.ts'],
  },
});
