import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Where the runtime is installed, found without loading it. */
export interface RuntimePackage {
  readonly folder: string;
  readonly version: string;
}

export function findRuntimePackage(): RuntimePackage | undefined {
  try {
    const file = createRequire(import.meta.url).resolve('onnxruntime-node/package.json');
    const { version }: { version?: unknown } = JSON.parse(readFileSync(file, 'utf8'));
    return { folder: dirname(file), version: typeof version === 'string' ? version : 'unknown' };
  } catch {
    return undefined;
  }
}

/** The CUDA provider's library, which the package's own installer puts beside the bundled ones; undefined when absent. */
export function findCudaLibrary({ folder }: RuntimePackage): string | undefined {
  const file = join(folder, 'bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so');
  return existsSync(file) ? file : undefined;
}
