import { UsageError } from '../base/errors.js';
import type { Device, Engine } from './engine.js';
import { OrtEngine, type OrtEngineOptions } from './ort/engine.js';

export interface EngineOptions extends OrtEngineOptions {
  /** Default: `cpu`. */
  readonly device?: Device;
}

/**
 * Starts an engine. Close it when done; an engine that waits for nothing does not keep the process alive.
 * @throws UsageError for a device that this version cannot use; EnvironmentError when the runtime is missing
 */
export async function createEngine({ device = 'cpu', ...options }: EngineOptions = {}): Promise<Engine> {
  switch (device) {
    case 'cpu':
      return OrtEngine.start(options);
    case 'webgpu':
    case 'cuda':
      throw new UsageError({
        problem: `--device ${device}: graphs run on the CPU only so far`,
        expected: 'cpu',
      });
    default:
      return device satisfies never;
  }
}
