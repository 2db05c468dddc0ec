/** Typed attribute readers, with the specification's defaults, and the operators' schemas. */
export * from './activation.js';
export * from './axes.js';
export * from './constant.js';
export * from './conv.js';
export * from './layout.js';
export * from './norm.js';
export * from './pool.js';
export * from './resize.js';
export * from './supported.js';
export * from './window.js';
