export { makePadsExplicit } from './auto-pad.js';
export { type FoldOptions, foldConstants } from './fold.js';
export {
  findTrainingNodes,
  type InferenceModeOptions,
  type InferenceModeResult,
  type TrainingNodes,
  toInferenceMode,
} from './inference-mode.js';
export type { DataDependentShape } from './measure.js';
export { isRandom } from './random-ops.js';
export { type SpecializeOptions, type SpecializeReport, specialize } from './specialize.js';
export { dropStochasticDepth, type StochasticDepth, stochasticDepthOf } from './stochastic-depth.js';
