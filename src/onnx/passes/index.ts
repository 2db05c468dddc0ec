/** Passes that need no constants computed: opset, constants, dead nodes. All work in place. */
export { constantsToInitializers } from './constants.js';
export { eliminateDeadNodes, type PassResult } from './dead-nodes.js';
export { rebuildNode } from './rebuild.js';
export { upgradeOpset } from './upgrade-opset.js';
export * from './with-outputs.js';
