/** Type and shape inference. */
export { checkModel } from './check-model.js';
export type { Shape } from './dims.js';
export { type InferOptions, type Inferred, inferShapes, inferTypes } from './graph.js';
export type { Known } from './known.js';
export { inferNode } from './node.js';
