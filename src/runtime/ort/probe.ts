import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ErrorFacts } from '../../base/errors.js';
import { workerUrl } from '../../base/worker.js';
import type { Device } from '../engine.js';
import { findLibrary } from './library.js';

/** What the probe's process prints. */
export type ProbeResult =
  | { readonly ok: true; readonly float16: boolean }
  | { readonly ok: false; readonly message: string };

/** The graphics adapter behind a device, as far as anything says. The runtime's Node binding (1.30) says nothing. */
export interface Adapter {
  /** Null: not known. */
  readonly name: string | null;
  readonly driver: string | null;
  /** Whether the processor computes in its place; null: not known. */
  readonly software: boolean | null;
}

export type DeviceProbe =
  | { readonly usable: true; readonly adapter: Adapter; readonly float16: boolean }
  | { readonly usable: false; readonly problem: Omit<ErrorFacts, 'cause'> };

const PROBE_SECONDS = 60;

let known: Promise<DeviceProbe> | undefined;

/**
 * Runs a tiny graph on WebGPU, in a process of its own, once for this process. Never throws for what is missing: that is
 * the result.
 */
export function probeWebgpu(): Promise<DeviceProbe> {
  known ??= probe();
  return known;
}

async function probe(): Promise<DeviceProbe> {
  if (process.platform === 'linux' && findLibrary('libvulkan.so.1') === undefined)
    return { usable: false, problem: NO_LOADER };
  const { result, said } = await runProbe('webgpu', { VK_LOADER_DEBUG: 'all' });
  if (result.ok) return { usable: true, adapter: readAdapter(said), float16: result.float16 };
  return { usable: false, problem: explainNoAdapter(result.message, said) };
}

/**
 * Runs the probe's process.
 * @param environment variables beside those of this process
 */
export function runProbe(
  device: Device,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly result: ProbeResult; readonly said: string }> {
  const file = fileURLToPath(workerUrl(import.meta.url, './probe-child.js'));
  return new Promise((resolve) => {
    const options = {
      env: { ...process.env, ...environment },
      timeout: 1000 * PROBE_SECONDS,
      maxBuffer: 2 ** 26,
    };
    execFile(process.execPath, [file, device], options, (error, stdout, stderr) => {
      const line = stdout.split('\n').find((l) => l.startsWith('{"ok"'));
      const result: ProbeResult = line ? JSON.parse(line) : { ok: false, message: endOf(error, stderr) };
      resolve({ result, said: stderr });
    });
  });
}

function endOf(error: (Error & { signal?: string; killed?: boolean }) | null, stderr: string): string {
  if (error?.killed) return `no answer within ${PROBE_SECONDS} seconds`;
  const last = stderr.trim().split('\n').at(-1) ?? '';
  return `the process that tried it ended${error?.signal ? ` by ${error.signal}` : ''}: ${last}`;
}

const SOFTWARE = /swiftshader|llvmpipe|lavapipe|softpipe|basic render/i;

/** Vulkan's loader, told to talk, names the adapter and its driver where a device is made. */
export function readAdapter(said: string): Adapter {
  const [, name, driver] = /Using "(.+?)" with driver: "(.+?)"/.exec(said) ?? [];
  // Only Linux always has the loader between; Metal is never software.
  if (name === undefined)
    return { name: null, driver: null, software: process.platform === 'darwin' ? false : null };
  return { name, driver, software: SOFTWARE.test(`${name} ${driver}`) };
}

const INSTALL_DRIVER =
  "install the graphics driver of the machine's adapter with its Vulkan part (Debian: nvidia-driver with " +
  'nvidia-vulkan-icd, or mesa-vulkan-drivers for AMD and Intel; in a container of NVIDIA: NVIDIA_DRIVER_CAPABILITIES=all), ' +
  'or use --device cpu';

const NO_LOADER = {
  problem: 'WebGPU: the Vulkan loader is not installed',
  expected: 'libvulkan.so.1 where the system looks for libraries',
  hint: 'install it (Debian and Ubuntu: apt-get install libvulkan1) and a driver, or use --device cpu',
};

/** The runtime's message without the place in its sources and the condition that did not hold. */
function withoutPlace(message: string): string {
  return message
    .trim()
    .split('\n')[0]
    .replace(/^\/\S+:\d+ .* was false\. /, '');
}

/** @param said what the probe's process wrote to standard error */
export function explainNoAdapter(message: string, said: string): Omit<ErrorFacts, 'cause'> {
  const found = withoutPlace(message);
  if (/Couldn't load Vulkan/.test(said)) return NO_LOADER;
  if (/Found no drivers/.test(said))
    return { problem: 'WebGPU: the Vulkan loader finds no driver', found, hint: INSTALL_DRIVER };
  if (/Failed to get a WebGPU adapter/.test(message))
    return { problem: 'WebGPU: no graphics adapter', found, hint: INSTALL_DRIVER };
  if (/Failed to get a WebGPU device/.test(message))
    return {
      problem: 'WebGPU: the graphics adapter gives no device',
      found,
      hint: 'its driver is too old or too limited for WebGPU: update it, or use --device cpu',
    };
  if (/not supported in this build|webgpu.*not (available|supported|enabled)/i.test(message))
    return {
      problem: 'WebGPU: the runtime has no such provider on this platform',
      expected: 'Linux x64, Windows, or macOS arm64',
      found,
      hint: 'use --device cpu',
    };
  return { problem: 'WebGPU does not work here', found, hint: 'use --device cpu' };
}
