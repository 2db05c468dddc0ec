import type { GradientRule, OutputsRule } from './rule.js';
import {
  clipGradient,
  hardSigmoidGradient,
  hardSwishGradient,
  logSoftmaxGradient,
  reluGradient,
  sigmoidGradient,
  softmaxGradient,
  tanhGradient,
} from './rules/activation.js';
import {
  addGradient,
  divGradient,
  expGradient,
  mulGradient,
  negGradient,
  reciprocalGradient,
  sqrtGradient,
  subGradient,
  sumGradient,
} from './rules/arithmetic.js';
import { convGradient, convTransposeGradient } from './rules/conv.js';
import { gemmGradient, matMulGradient } from './rules/linear.js';
import { batchNormGradient, batchNormTrainGradient } from './rules/norm.js';
import {
  averagePoolGradient,
  globalAveragePoolGradient,
  globalMaxPoolGradient,
  maxPoolGradient,
} from './rules/pool.js';
import {
  reduceExtremeGradient,
  reduceL1Gradient,
  reduceL2Gradient,
  reduceLogSumExpGradient,
  reduceLogSumGradient,
  reduceMeanGradient,
  reduceProdGradient,
  reduceSumGradient,
  reduceSumSquareGradient,
} from './rules/reduce.js';
import { refocusKernelGradient } from './rules/refocus.js';
import { gatherGradient, padGradient, sliceGradient } from './rules/select.js';
import {
  castGradient,
  concatGradient,
  depthToSpaceGradient,
  expandGradient,
  identityGradient,
  reshapeGradient,
  spaceToDepthGradient,
  splitGradient,
  tileGradient,
  transposeGradient,
} from './rules/shape.js';

/** Gradient rules by operator (ai.onnx, opset 20). */
const rules = {
  Add: addGradient,
  AveragePool: averagePoolGradient,
  BatchNormalization: batchNormGradient,
  Cast: castGradient,
  Clip: clipGradient,
  Concat: concatGradient,
  Conv: convGradient,
  ConvTranspose: convTransposeGradient,
  DepthToSpace: depthToSpaceGradient,
  Div: divGradient,
  Dropout: identityGradient,
  Exp: expGradient,
  Expand: expandGradient,
  Flatten: reshapeGradient,
  Gather: gatherGradient,
  Gemm: gemmGradient,
  GlobalAveragePool: globalAveragePoolGradient,
  GlobalMaxPool: globalMaxPoolGradient,
  HardSigmoid: hardSigmoidGradient,
  HardSwish: hardSwishGradient,
  Identity: identityGradient,
  LogSoftmax: logSoftmaxGradient,
  MatMul: matMulGradient,
  MaxPool: maxPoolGradient,
  Mul: mulGradient,
  Neg: negGradient,
  Pad: padGradient,
  Reciprocal: reciprocalGradient,
  ReduceL1: reduceL1Gradient,
  ReduceL2: reduceL2Gradient,
  ReduceLogSum: reduceLogSumGradient,
  ReduceLogSumExp: reduceLogSumExpGradient,
  ReduceMax: reduceExtremeGradient,
  ReduceMean: reduceMeanGradient,
  ReduceMin: reduceExtremeGradient,
  ReduceProd: reduceProdGradient,
  ReduceSum: reduceSumGradient,
  ReduceSumSquare: reduceSumSquareGradient,
  Relu: reluGradient,
  Reshape: reshapeGradient,
  Sigmoid: sigmoidGradient,
  Slice: sliceGradient,
  Softmax: softmaxGradient,
  SpaceToDepth: spaceToDepthGradient,
  Sqrt: sqrtGradient,
  Squeeze: reshapeGradient,
  Sub: subGradient,
  Sum: sumGradient,
  Tanh: tanhGradient,
  Tile: tileGradient,
  Transpose: transposeGradient,
  Unsqueeze: reshapeGradient,
} satisfies Record<string, GradientRule>;

export const GRADIENT_RULES: ReadonlyMap<string, GradientRule> = new Map<string, GradientRule>(
  Object.entries(rules),
);

/** Rules of the operators with several outputs that can be on the way to the loss. */
const outputsRules = {
  Split: splitGradient,
} satisfies Record<string, OutputsRule>;

export const OUTPUTS_RULES: ReadonlyMap<string, OutputsRule> = new Map<string, OutputsRule>(
  Object.entries(outputsRules),
);

/** Rules of the internal operators that stand in the forward graph. */
export const INTERNAL_GRADIENT_RULES: ReadonlyMap<string, GradientRule> = new Map([
  ['BatchNormTrain', batchNormTrainGradient],
  ['RefocusKernel', refocusKernelGradient],
]);

/** Operators through which no gradient flows: their output does not change, or changes in steps, with their input. */
export const CONSTANT_OPS: ReadonlySet<string> = new Set([
  'ArgMax',
  'ArgMin',
  'Ceil',
  'ConstantOfShape',
  'Equal',
  'Floor',
  'Greater',
  'GreaterOrEqual',
  'Less',
  'LessOrEqual',
  'Not',
  'Round',
  'Shape',
  'Sign',
  'Size',
]);
