import { UsageError } from '../base/errors.js';
import type { Device, Engine } from './engine.js';
import { OrtEngine, type OrtEngineOptions } from './ort/engine.js';

/** The runtimes that graphs can run on; TensorFlow.js is a package of its own to install. */
export const ENGINES = ['onnxruntime', 'tfjs'] as const;

export type EngineName = (typeof ENGINES)[number];

export interface EngineOptions extends OrtEngineOptions {
  /** Default: `onnxruntime`. */
  readonly engine?: EngineName;
  /** Default: `cpu`. */
  readonly device?: Device;
}

/**
 * Starts an engine. Close it when done; an engine that waits for nothing does not keep the process alive.
 * @throws UsageError for a device that this version cannot use; EnvironmentError when the runtime is missing
 */
export async function createEngine({
  engine = 'onnxruntime',
  device = 'cpu',
  ...options
}: EngineOptions = {}): Promise<Engine> {
  if (engine === 'tfjs') return createTfjsEngine(device, options);
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

/** TensorFlow.js computes where its package does: on the GPU with @tensorflow/tfjs-node-gpu, else on the CPU. */
async function createTfjsEngine(device: Device, { threads }: OrtEngineOptions): Promise<Engine> {
  if (device !== 'cpu')
    throw new UsageError({
      problem: `--device ${device} with --engine tfjs`,
      expected: 'no --device: TensorFlow.js computes where its package does',
      hint: 'install @tensorflow/tfjs-node-gpu for a GPU',
    });
  const { TfjsEngine } = await import('./tfjs/engine.js');
  return TfjsEngine.start(threads === undefined ? {} : { threads });
}
