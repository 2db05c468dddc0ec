/** src/zoo: builds published networks. May import importers, runtime, onnx and base. */
export * from './checkpoints.js';
export * from './cifar-resnet.js';
export * from './densenet.js';
export * from './efficientnet.js';
export * from './entry.js';
export * from './metadata.js';
export * from './mobilenetv2.js';
export * from './mobilenetv3.js';
export * from './names.js';
export * from './plain-resnet.js';
export * from './registry.js';
export * from './resnet.js';
export * from './shufflenetv2.js';
export * from './sources/index.js';
export * from './squeezenet.js';
export * from './study-resnet.js';
