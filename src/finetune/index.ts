/**
 * src/finetune: training and evaluation. autodiff writes the gradients into the graph, lowering chooses their operators,
 * losses and optim add the rest of a step, step puts it together, run drives it; refocus, train and evaluate are whole
 * jobs. May import reparam, zoo, data, importers, runtime, onnx and base.
 *
 * The command line imports the files themselves, so that `--help` loads no engine.
 */
export { type EvaluateReport, runEvaluate } from './evaluate.js';
export type { Listener, Phase, RunEvent } from './events.js';
export {
  type AuxiliaryWeight,
  DATA_DEFAULTS,
  type EvalOptions,
  OPTIM_DEFAULTS,
  REFOCUS_DEFAULTS,
  type RefocusOptions,
  startingRate,
  type TrainOptions,
} from './options.js';
export { type RealInputOptions, realInputs } from './real-inputs.js';
export { runRefocus } from './refocus.js';
export type { DataSummary, Evaluation, RefocusReport, VerifySummary } from './results.js';
export type { GroupSummary, ParameterGroup } from './run/groups.js';
export { runTrain, type TrainReport } from './train.js';
