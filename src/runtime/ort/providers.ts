import type { Device } from '../engine.js';
import type { WebgpuOptions } from '../worker/protocol.js';
import type { Ort } from './load.js';

/** How the runtime is told to use a device, and what it can do there. */
interface Provider {
  readonly execution: Ort.InferenceSession.ExecutionProviderConfig;
  /**
   * Whether outputs can stay on the device and be fed again. Through the Node binding (1.30) that is so for WebGPU's
   * buffers only: with CUDA the state of a step goes up and down with every step.
   */
  readonly keepsTensors: boolean;
}

export const PROVIDERS: Readonly<Record<Device, Provider>> = {
  cpu: { execution: { name: 'cpu' }, keepsTensors: false },
  webgpu: { execution: { name: 'webgpu' }, keepsTensors: true },
  cuda: { execution: { name: 'cuda', deviceId: 0 }, keepsTensors: false },
};

/** The provider of a session, and what it is told. */
export function executionOf(
  device: Device,
  { layout, validation }: WebgpuOptions = {},
): Ort.InferenceSession.ExecutionProviderConfig {
  if (device !== 'webgpu') return PROVIDERS[device].execution;
  return {
    name: 'webgpu',
    ...(layout !== undefined && { preferredLayout: layout }),
    ...(validation !== undefined && { validationMode: validation }),
  };
}

/** Element types that a device with `keepsTensors` keeps and gives back: those its Identity takes. */
const DEVICE_TYPES = ['float32', 'float16', 'int32', 'uint32'] as const;

export type DeviceType = (typeof DEVICE_TYPES)[number];

export function staysOnDevice(type: string): type is DeviceType {
  return DEVICE_TYPES.some((t) => t === type);
}
