/**
 * A process that makes a session and does nothing with it: where the runtime places each node it tells standard error
 * only. It says so on standard output, and then has itself ended: a provider's threads may crash a process that exits.
 * @see misplacedNodes
 */
import { writeSync } from 'node:fs';
import type { Device } from '../engine.js';
import { loadRuntime } from './load.js';
import { MADE } from './placement.js';
import { PROVIDERS } from './providers.js';

const [device, file] = process.argv.slice(2);
const DEVICES: readonly Device[] = ['cpu', 'webgpu', 'cuda'];
const on = DEVICES.find((d) => d === device);
if (!on || !file) throw new Error('a device and a model file were expected');
const ort = await loadRuntime();
await ort.InferenceSession.create(file, {
  executionProviders: [PROVIDERS[on].execution],
  enableMemPattern: false,
  logSeverityLevel: 0,
  logVerbosityLevel: 1,
});
writeSync(1, MADE);
process.kill(process.pid, 'SIGKILL');
