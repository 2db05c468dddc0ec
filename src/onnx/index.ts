/**
 * src/onnx: the ONNX IR, its file format and passes. May import src/base only.
 * Identity is the edge: a {@link Value} knows its producer and uses; names matter when a file is written.
 */
export * from './builder.js';
export { type DecodeOptions, decodeModel } from './codec/decode.js';
export { encodeModel } from './codec/encode.js';
export { loadModel } from './codec/load.js';
export { type SaveOptions, saveModel } from './codec/save.js';
export * from './count.js';
export * from './finite.js';
export * from './infer/index.js';
export * from './ir/attribute.js';
export * from './ir/clone.js';
export * from './ir/dtype.js';
export * from './ir/graph.js';
export * from './ir/model.js';
export * from './ir/node.js';
export * from './ir/tensor.js';
export * from './ir/types.js';
export * from './ir/value.js';
export * from './ops/index.js';
export * from './passes/index.js';
export * from './verify.js';
