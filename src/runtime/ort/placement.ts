import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { EnvironmentError } from '../../base/errors.js';
import { workerUrl } from '../../base/worker.js';
import { type Model, saveModel } from '../../onnx/index.js';
import type { Device } from '../engine.js';

/** A node that the runtime gave to the processor. */
export interface MisplacedNode {
  readonly op: string;
  readonly node: string;
}

/** What the process of its own says when it has the session. */
export const MADE = 'made';

/**
 * Which nodes of a model a device's provider does not take, so that the processor computes them and tensors are copied
 * there and back. Makes a session in a process of its own; no node runs.
 * @throws EnvironmentError when the session cannot be made
 */
export async function misplacedNodes(model: Model, device: Device): Promise<readonly MisplacedNode[]> {
  const folder = await mkdtemp(join(tmpdir(), 'reparam-placement-'));
  try {
    const path = join(folder, 'model.onnx');
    await saveModel(model, path);
    return readPlacement(await sessionLog(device, path), device);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function sessionLog(device: Device, path: string): Promise<string> {
  const child = fileURLToPath(workerUrl(import.meta.url, './placement-child.js'));
  return new Promise((resolve, reject) => {
    execFile(process.execPath, [child, device, path], { maxBuffer: 2 ** 30 }, (error, said, log) => {
      if (said === MADE) resolve(log);
      else
        reject(
          new EnvironmentError({
            problem: `no session on ${device}`,
            found: log.trim().split('\n').slice(-3).join(' '),
            cause: error,
          }),
        );
    });
  });
}

const LINE = /VerifyEachNodeIsAssignedToAnEp\]\s+(.*)$/;
const PROVIDER = /^(?:All nodes|Node\(s\)) placed on \[(\w+)\]/;

/** @param log of a session at the runtime's most talkative. @throws EnvironmentError when it tells no placement */
export function readPlacement(log: string, device: Device): readonly MisplacedNode[] {
  const misplaced: MisplacedNode[] = [];
  let provider: string | undefined;
  for (const line of log.split('\n')) {
    const [, said] = LINE.exec(line) ?? [];
    if (said === undefined) continue;
    const [, placed] = PROVIDER.exec(said) ?? [];
    if (placed !== undefined) provider = placed;
    else if (provider === 'CPUExecutionProvider' && device !== 'cpu') {
      const [, op, node] = /^(\S+) \((.*)\)$/.exec(said) ?? [];
      if (op !== undefined) misplaced.push({ op, node });
    }
  }
  if (provider === undefined)
    throw new EnvironmentError({ problem: `the runtime does not tell where nodes are placed on ${device}` });
  return misplaced;
}
