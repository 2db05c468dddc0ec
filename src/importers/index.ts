/** src/importers: reads what other frameworks write. May import runtime, onnx and base. */
export * from './safetensors.js';
export * from './weights.js';
