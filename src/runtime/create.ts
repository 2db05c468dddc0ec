import { EnvironmentError, UsageError } from '../base/errors.js';
import type { Device, Engine } from './engine.js';
import { cudaProblem } from './ort/cuda.js';
import { OrtEngine, type OrtEngineOptions } from './ort/engine.js';
import { findRuntimePackage } from './ort/package.js';
import { type Adapter, type DeviceProbe, probeWebgpu, runProbe } from './ort/probe.js';

/** The runtimes that graphs can run on; TensorFlow.js is a package of its own to install. */
export const ENGINES = ['onnxruntime', 'tfjs'] as const;

export type EngineName = (typeof ENGINES)[number];

export interface EngineOptions extends Omit<OrtEngineOptions, 'adapter'> {
  /** Default: `onnxruntime`. */
  readonly engine?: EngineName;
  /** WebGPU: whether an adapter that the processor only imitates will do. Default: no. */
  readonly allowSoftware?: boolean;
}

/**
 * Starts an engine. Close it when done; an engine that waits for nothing does not keep the process alive.
 * @throws UsageError for a bad option; EnvironmentError when the runtime or the device is missing
 */
export async function createEngine({
  engine = 'onnxruntime',
  allowSoftware = false,
  ...options
}: EngineOptions = {}): Promise<Engine> {
  const device: Device = options.device ?? 'cpu';
  if (engine === 'tfjs') return createTfjsEngine(device, options);
  switch (device) {
    case 'cpu':
      return OrtEngine.start(options);
    case 'webgpu': {
      const { name } = requireAdapter(await probeWebgpu(), allowSoftware);
      return OrtEngine.start({ ...options, adapter: name ?? 'an adapter without a name' });
    }
    case 'cuda':
      await requireCuda();
      return OrtEngine.start(options);
    default:
      return device satisfies never;
  }
}

/** @throws EnvironmentError no adapter, or one that is software and not allowed */
export function requireAdapter(probe: DeviceProbe, allowSoftware: boolean): Adapter {
  if (!probe.usable) throw new EnvironmentError(probe.problem);
  const { adapter } = probe;
  if (adapter.software && !allowSoftware)
    throw new EnvironmentError({
      problem: 'WebGPU: the only graphics adapter is software',
      expected: 'a graphics card with a Vulkan driver',
      found: `${adapter.name} (${adapter.driver})`,
      hint: 'use --device cpu, which is many times faster than that; --device webgpu --allow-software tries it all the same',
    });
  return adapter;
}

/** @throws EnvironmentError what is missing, or what the provider says when it runs a tiny graph */
async function requireCuda(): Promise<void> {
  const problem = cudaProblem(findRuntimePackage());
  if (problem) throw new EnvironmentError(problem);
  const { result } = await runProbe('cuda');
  if (!result.ok)
    throw new EnvironmentError({
      problem: 'CUDA does not work here',
      found: result.message.trim().split('\n')[0],
      hint: 'reparam doctor shows which libraries it finds; check that nvidia-smi lists a device and that its driver suits CUDA 12',
    });
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
