import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';

const ARGUMENTS = ['-i', '0', '--query-gpu=memory.used', '--format=csv,noheader,nounits', '-lms', '100'];

/**
 * Runs something and watches how much memory of the first NVIDIA card is in use meanwhile, by all programs.
 * @returns also MiB beyond what was in use at the start; null where there is no nvidia-smi
 */
export async function watchMemory<Result>(
  run: () => Promise<Result>,
): Promise<{ readonly result: Result; readonly mebibytes: number | null }> {
  const used: number[] = [];
  const watcher = spawn('nvidia-smi', ARGUMENTS, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<void>((resolve) => {
    watcher.on('error', () => resolve());
    watcher.on('close', () => resolve());
  });
  const first = new Promise<void>((resolve) => {
    createInterface({ input: watcher.stdout }).on('line', (line) => {
      const mebibytes = Number.parseInt(line, 10);
      if (Number.isFinite(mebibytes)) used.push(mebibytes);
      resolve();
    });
  });
  await Promise.race([first, ended]);
  try {
    const result = await run();
    return { result, mebibytes: used.length > 0 ? Math.max(...used) - used[0] : null };
  } finally {
    watcher.kill();
    await ended;
  }
}
