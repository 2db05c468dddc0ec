/**
 * reparam as a library: what the README shows. Everything the command line does is one of these calls.
 *
 * ```js
 * import { expand, fuse, loadModel, saveModel } from 'reparam';
 * const { model } = expand(await loadModel('net.onnx'), { method: 'refconv' });
 * await saveModel(model, 'training.onnx');
 * // … train it, here or anywhere that runs ONNX …
 * await saveModel(fuse(await loadModel('training.onnx')).model, 'fused.onnx');
 * ```
 */

// Errors: a stable `code`, an `exitCode`, and the facts the message is made from.
export {
  CheckFailedError,
  EnvironmentError,
  type ErrorFacts,
  InputError,
  InterruptedError,
  ModelError,
  ReparamError,
  UnsupportedError,
  UsageError,
} from './base/errors.js';

// Preprocessing, which is part of a model.
export { PREPROCESS_KEY, type Preprocess, parsePreprocess, presetPreprocess } from './base/preprocess.js';
// Data sets.
export { type Dataset, openDataset, openTrainEval } from './data/index.js';
// Whole runs.
export {
  type AuxiliaryWeight,
  DATA_DEFAULTS,
  type EvalOptions,
  type EvaluateReport,
  type Evaluation,
  type GroupSummary,
  type Listener,
  OPTIM_DEFAULTS,
  type ParameterGroup,
  REFOCUS_DEFAULTS,
  type RealInputOptions,
  type RefocusOptions,
  type RefocusReport,
  type RunEvent,
  realInputs,
  runEvaluate as evaluate,
  runRefocus as refocus,
  runTrain as train,
  startingRate,
  type TrainOptions,
  type TrainReport,
  type VerifySummary,
} from './finetune/index.js';

// ONNX models: read, write, check, count, edit.
export {
  type CountOptions,
  checkModel,
  cloneModel,
  countModel,
  type DataType,
  decodeModel,
  encodeModel,
  Graph,
  GraphBuilder,
  type LayerCount,
  loadModel,
  Model,
  type ModelCount,
  Node,
  type NonFinite,
  nonFiniteWeights,
  saveModel,
  Tensor,
  tensorType,
  Value,
  verifyModel,
} from './onnx/index.js';

// Re-parameterization.
export {
  type ExpandOptions,
  type ExpandResult,
  expand,
  type Feeds,
  type FuseOptions,
  type FuseResult,
  frozenHashes,
  fuse,
  readForm,
  restoreBatchNorm,
  type TrainingForm,
  type VerifyOptions,
  type VerifyReport,
  verify,
} from './reparam/index.js';

// Reports.
export { metricsFile } from './report/metrics.js';
export { progressListener } from './report/progress.js';
export { refocusTable, refocusText } from './report/refocus-table.js';
export { renderTable, type Table } from './report/table.js';

// Where graphs run.
export {
  createEngine,
  type Device,
  type Diagnosis,
  diagnose,
  type Engine,
  type Session,
  type StepSession,
} from './runtime/index.js';

// Published networks.
export {
  buildModel,
  builtinCheckpoint,
  findEntry,
  type WeightSource,
  weightSources,
  ZOO,
  type ZooEntry,
  type ZooOptions,
} from './zoo/index.js';
