import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import type { Device } from '../engine.js';

/** The packages that bring TensorFlow.js, the one to be preferred first. */
export const TFJS_PACKAGES = {
  '@tensorflow/tfjs-node-gpu': { device: 'cuda', what: 'TensorFlow with CUDA' },
  '@tensorflow/tfjs-node': { device: 'cpu', what: 'TensorFlow on the CPU' },
  '@tensorflow/tfjs': { device: 'cpu', what: 'plain JavaScript, slow' },
} as const satisfies Record<string, { readonly device: Device; readonly what: string }>;

export type TfjsPackageName = keyof typeof TFJS_PACKAGES;

export interface TfjsPackage {
  readonly name: TfjsPackageName;
  readonly version: string;
  /** Where its graphs run. */
  readonly device: Device;
  readonly what: string;
}

/** The packages that are installed, the preferred one first; found without loading any. */
export function findTfjsPackages(): TfjsPackage[] {
  const names: readonly TfjsPackageName[] = [
    '@tensorflow/tfjs-node-gpu',
    '@tensorflow/tfjs-node',
    '@tensorflow/tfjs',
  ];
  return names.flatMap((name) => {
    const version = versionOf(name);
    return version === undefined ? [] : [{ name, version, ...TFJS_PACKAGES[name] }];
  });
}

function versionOf(name: string): string | undefined {
  try {
    const main = createRequire(import.meta.url).resolve(name);
    for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
      const file = join(folder, 'package.json');
      if (!existsSync(file)) continue;
      const manifest: { name?: unknown; version?: unknown } = JSON.parse(readFileSync(file, 'utf8'));
      if (manifest.name === name) return typeof manifest.version === 'string' ? manifest.version : 'unknown';
    }
    return undefined;
  } catch {
    return undefined;
  }
}
