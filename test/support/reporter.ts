import type { Reporter, TestModule } from 'vitest/node';
import { haveGoldens } from './goldens-present.js';

/** Prints the plain closing line, and counts golden tests that did not run. */
export default class ClosingLine implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const count = { passed: 0, failed: 0, skipped: 0, golden: 0, goldenSkipped: 0 };
    for (const module of modules) {
      if (module.state() === 'failed' && module.children.size === 0) count.failed++;
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') count.passed++;
        else if (state === 'failed') count.failed++;
        else count.skipped++;
        if (test.name.includes('[golden]')) {
          count.golden++;
          if (state === 'skipped') count.goldenSkipped++;
        }
      }
    }
    console.log(`${count.goldenSkipped} golden tests skipped (${count.golden} in all)`);
    console.log(`${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped`);
    if (haveGoldens && count.goldenSkipped > 0) {
      console.error('the goldens are present, so a skipped golden test is a failure');
      process.exitCode = 1;
    }
  }
}
