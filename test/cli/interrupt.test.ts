import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';

const module = (path: string): string => JSON.stringify(new URL(`../../dist/${path}`, import.meta.url).href);

/** A process that heeds Ctrl-C, with a worker thread that is inside native code for ten seconds. */
const SCRIPT = `
import { Worker } from 'node:worker_threads';
import { endSoon, onInterrupt } from ${module('cli/interrupt.js')};
import { InterruptedError } from ${module('src/base/errors.js')};
const worker = new Worker(
  "import { parentPort } from 'node:worker_threads'; import { execSync } from 'node:child_process';" +
  "parentPort.postMessage('in'); execSync('sleep 10')",
  { eval: true },
);
const controller = new AbortController();
controller.signal.addEventListener('abort', () => process.stderr.write('aborted: ' + controller.signal.reason.code + '\\n'));
onInterrupt(controller, () => new InterruptedError({ problem: 'interrupted; 3 steps are lost' }), (error) => {
  process.stderr.write(error.message + '\\n');
  endSoon();
  process.exit(error.exitCode);
});
worker.once('message', () => setTimeout(() => console.log('ready'), 50));
setInterval(() => undefined, 1000);
`;

interface End {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly milliseconds: number;
}

/** Starts the script, sends the signals one after the other, and tells how it ended after the first of them. */
function interrupt(signals: readonly NodeJS.Signals[]): Promise<End> {
  return new Promise((resolve) => {
    const child = spawn(process.execPath, ['--input-type=module', '-e', SCRIPT], {
      cwd: fileURLToPath(new URL('../..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stderr = '';
    let started = 0;
    child.stderr.on('data', (b: Buffer) => {
      stderr += b.toString();
    });
    child.stdout.once('data', () => {
      started = performance.now();
      signals.forEach((s, i) => {
        setTimeout(() => child.kill(s), 100 * i);
      });
    });
    child.on('close', (code, signal) =>
      resolve({ code, signal, stderr, milliseconds: performance.now() - started }),
    );
  });
}

// Windows has no signals to send to another process.
describe.skipIf(process.platform === 'win32')('Ctrl-C', () => {
  test.each(['SIGINT', 'SIGTERM'] as const)(
    '%s: aborts the run, says what is lost, ends within about a second although the worker cannot be stopped',
    async (signal) => {
      const end = await interrupt([signal]);
      expect(end.stderr).toBe('aborted: INTERRUPTED\ninterrupted; 3 steps are lost\n');
      // Killed by SIGINT is 130 for a shell; exit code 130 where the worker was free.
      expect([end.code, end.signal]).toEqual([null, 'SIGINT']);
      expect(end.milliseconds).toBeLessThan(3000);
    },
  );

  test('a second signal ends the process at once', async () => {
    const end = await interrupt(['SIGINT', 'SIGINT']);
    expect([end.code, end.signal]).toEqual([null, 'SIGINT']);
    expect(end.stderr).toBe('aborted: INTERRUPTED\n');
    expect(end.milliseconds).toBeLessThan(600);
  });
});
