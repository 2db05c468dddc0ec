/**
 * src/runtime: where graphs run. May import src/onnx and src/base. Only `ort/` knows onnxruntime-node;
 * `worker/` is the thread that a runtime lives in, whichever it is.
 */
export { channelBlock } from './blocks.js';
export {
  type ChooseOptions,
  type ChosenDevice,
  chooseDevice,
  type DeviceChoice,
  type DeviceTrial,
  requireRight,
} from './choose-device.js';
export { createEngine, ENGINES, type EngineName, type EngineOptions } from './create.js';
export { type DeviceDiagnosis, type Diagnosis, diagnose } from './doctor.js';
export * from './engine.js';
export { requireBuffers } from './largest-buffer.js';
export { availableMemory, type MachineMemory } from './memory.js';
export { estimateStepMemory, type StepMemory } from './ort/step-memory.js';
export { inferenceTrial } from './self-test/inference-trial.js';
export { type SelfTest, selfTest, type Trial } from './self-test/self-test.js';
export * from './specialize/index.js';
