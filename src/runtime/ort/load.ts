import type * as Ort from 'onnxruntime-node';
import { EnvironmentError } from '../../base/errors.js';

export type { Ort };

const INSTALL =
  'run `npm install onnxruntime-node --onnxruntime-node-install=skip` (or set ONNXRUNTIME_NODE_INSTALL=skip for the ' +
  'whole install): without it the package also downloads the CUDA provider, and fails where that cannot be reached';

/** Platforms whose native binary is part of the onnxruntime-node 1.30 package. */
const PLATFORMS = ['linux/x64', 'linux/arm64', 'win32/x64', 'win32/arm64', 'darwin/arm64'];

/**
 * Loads onnxruntime-node. Only the worker and the doctor call this: the native library is large.
 * @throws EnvironmentError that says what to install or what is wrong with the machine
 */
export async function loadRuntime(): Promise<typeof Ort> {
  try {
    const ort = await import('onnxruntime-node');
    // A failing run throws; the runtime's own print of the same error would only disturb the progress on stderr.
    ort.env.logLevel = 'fatal';
    keepHalvesAsWords(ort);
    return ort;
  } catch (cause) {
    throw explainLoadError(cause, process.platform, process.arch);
  }
}

/**
 * float16 elements as Uint16Array on every Node. From Node 24 there is a Float16Array; the runtime's JavaScript wraps
 * float16 data in it, and its native side (1.30) reads such an array as empty. Which class to use is decided once, when
 * the first tensor is made: the class is hidden while that happens.
 */
function keepHalvesAsWords(ort: typeof Ort): void {
  const own = Reflect.getOwnPropertyDescriptor(globalThis, 'Float16Array');
  if (!own) return;
  Reflect.deleteProperty(globalThis, 'Float16Array');
  try {
    new ort.Tensor('uint8', new Uint8Array(1), [1]);
  } finally {
    Reflect.defineProperty(globalThis, 'Float16Array', own);
  }
}

/** Tells the three ways apart in which the runtime can be missing. */
export function explainLoadError(cause: unknown, platform: string, arch: string): EnvironmentError {
  const message = cause instanceof Error ? cause.message : String(cause);
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const missing = code === 'ERR_MODULE_NOT_FOUND' || code === 'MODULE_NOT_FOUND';
  if (missing && message.includes('onnxruntime_binding.node')) {
    const known = PLATFORMS.includes(`${platform}/${arch}`);
    return new EnvironmentError({
      problem: `onnxruntime-node has no native library for ${platform}/${arch}`,
      expected: `one of ${PLATFORMS.join(', ')}`,
      found: message.split('\n')[0],
      hint: known
        ? `the installed package is incomplete; remove node_modules/onnxruntime-node, then ${INSTALL}`
        : platform === 'darwin'
          ? 'use the arm64 build of Node on an Apple silicon machine; there is no build for Intel Macs'
          : 'use one of these platforms, or build onnxruntime and its Node binding from source',
      cause,
    });
  }
  if (missing)
    return new EnvironmentError({
      problem: 'the package onnxruntime-node is not installed',
      found: message.split('\n')[0],
      hint: INSTALL,
      cause,
    });
  return new EnvironmentError({
    problem: 'the native library of onnxruntime-node cannot be loaded',
    found: message.split('\n')[0],
    hint:
      code === 'ERR_DLOPEN_FAILED'
        ? `it was built for another system (on Linux it needs glibc 2.28 or newer, not musl), or files are missing: remove node_modules/onnxruntime-node, then ${INSTALL}`
        : `remove node_modules/onnxruntime-node, then ${INSTALL}`,
    cause,
  });
}
