/** Typed attribute readers, with the specification's defaults, and the operators' schemas. */
export * from './activation.js';
export * from './axes.js';
export { checkNode, checkOperators, checkTypes, OLDEST_OPSET } from './check.js';
export * from './constant.js';
export * from './conv.js';
export * from './layout.js';
export * from './norm.js';
export { padSources } from './pad-sources.js';
export * from './pool.js';
export * from './resample.js';
export * from './resize.js';
export { NEWEST_OPSET, type OperatorSchema, schemaHistory, schemaOf } from './schemas.js';
export * from './supported.js';
export { type AutoPad, extent, resolvePads, type WindowAttributes, windowOutput } from './window.js';
