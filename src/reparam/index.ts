/**
 * src/reparam: training-time structures. Expand puts them into a model, fuse folds them away, verify compares.
 * May import zoo, data, importers, runtime, onnx and base.
 */

export {
  type GramPoint,
  gramMatrices,
  gramOfMap,
  gramTransform,
  mapGradient,
  mapOfGram,
} from './algebra/gram.js';
export { mapGain } from './algebra/map-gain.js';
export { type RefConvShape, refConvDelta, refConvShape, refConvTransform } from './algebra/refconv.js';
export type { CollapsedBranches } from './collapse-branches.js';
export { constantOf, setConstant } from './constants.js';
export { type ExpandOptions, type ExpandResult, expand, type Refusal } from './expand.js';
export type { FoldedBatchNorm } from './fold-batchnorm.js';
export type { FoldedWeight } from './fold-weights.js';
export {
  FORM_KEY,
  type FormLayer,
  frozenHashes,
  MarkersLostError,
  type MethodName,
  readForm,
  type TrainingForm,
} from './form.js';
export { type FuseOptions, type FuseResult, fuse } from './fuse.js';
export { globMatcher } from './glob.js';
export { tensorSha256 } from './hash.js';
export { type Logits, logitsOf } from './logits.js';
export { isMethod, METHODS } from './methods/index.js';
export { startingMap } from './methods/refconv.js';
export { toFloat64 } from './numbers.js';
export {
  type Calibration,
  type InsertedBatchNorm,
  type RestoreResult,
  restoreBatchNorm,
  restoredParameters,
} from './restore-batchnorm.js';
export { RESTORED_KEY } from './restored.js';
export { type TrainableOptions, type Trainables, trainables } from './trainables.js';
export {
  type Agreement,
  classesOf,
  compareAnswers,
  compareTensors,
  type SampleError,
} from './verify/compare.js';
export { deviceToVerifyOn } from './verify/device.js';
export type { Feeds } from './verify/inputs.js';
export { type OutputError, type VerifyOptions, type VerifyReport, verify } from './verify/verify.js';
