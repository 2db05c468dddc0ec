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
  cosGradient,
  divGradient,
  expGradient,
  logGradient,
  meanGradient,
  mulGradient,
  negGradient,
  powGradient,
  reciprocalGradient,
  sinGradient,
  sqrtGradient,
  subGradient,
  sumGradient,
} from './rules/arithmetic.js';
import { extremumGradient, whereGradient } from './rules/choose.js';
import { convGradient, convTransposeGradient } from './rules/conv.js';
import { einsumGradient } from './rules/einsum.js';
import { groupNormGradient, instanceNormGradient, layerNormGradient } from './rules/layer-norm.js';
import { gemmGradient, matMulGradient } from './rules/linear.js';
import { lrnGradient } from './rules/lrn.js';
import { batchNormGradient, batchNormTrainGradient } from './rules/norm.js';
import {
  absGradient,
  celuGradient,
  eluGradient,
  leakyReluGradient,
  pReluGradient,
  seluGradient,
  thresholdedReluGradient,
} from './rules/piecewise.js';
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
import { resizeGradient } from './rules/resize.js';
import { scatterNdGradient } from './rules/scatter.js';
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
import {
  erfGradient,
  geluGradient,
  mishGradient,
  softplusGradient,
  softsignGradient,
} from './rules/smooth.js';

/** Gradient rules by operator (ai.onnx, opset 20). */
const rules = {
  Abs: absGradient,
  Add: addGradient,
  AveragePool: averagePoolGradient,
  BatchNormalization: batchNormGradient,
  Cast: castGradient,
  CastLike: castGradient,
  Celu: celuGradient,
  Clip: clipGradient,
  Concat: concatGradient,
  Conv: convGradient,
  ConvTranspose: convTransposeGradient,
  Cos: cosGradient,
  DepthToSpace: depthToSpaceGradient,
  Div: divGradient,
  Dropout: identityGradient,
  Einsum: einsumGradient,
  Elu: eluGradient,
  Erf: erfGradient,
  Exp: expGradient,
  Expand: expandGradient,
  Flatten: reshapeGradient,
  Gather: gatherGradient,
  Gelu: geluGradient,
  Gemm: gemmGradient,
  GlobalAveragePool: globalAveragePoolGradient,
  GlobalMaxPool: globalMaxPoolGradient,
  GroupNormalization: groupNormGradient,
  HardSigmoid: hardSigmoidGradient,
  HardSwish: hardSwishGradient,
  Identity: identityGradient,
  InstanceNormalization: instanceNormGradient,
  LRN: lrnGradient,
  LayerNormalization: layerNormGradient,
  LeakyRelu: leakyReluGradient,
  Log: logGradient,
  LogSoftmax: logSoftmaxGradient,
  MatMul: matMulGradient,
  Max: extremumGradient,
  MaxPool: maxPoolGradient,
  Mean: meanGradient,
  Min: extremumGradient,
  Mish: mishGradient,
  Mul: mulGradient,
  Neg: negGradient,
  PRelu: pReluGradient,
  Pad: padGradient,
  Pow: powGradient,
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
  Resize: resizeGradient,
  ScatterND: scatterNdGradient,
  Selu: seluGradient,
  Sigmoid: sigmoidGradient,
  Sin: sinGradient,
  Slice: sliceGradient,
  Softmax: softmaxGradient,
  Softplus: softplusGradient,
  Softsign: softsignGradient,
  SpaceToDepth: spaceToDepthGradient,
  Sqrt: sqrtGradient,
  Squeeze: reshapeGradient,
  Sub: subGradient,
  Sum: sumGradient,
  Tanh: tanhGradient,
  ThresholdedRelu: thresholdedReluGradient,
  Tile: tileGradient,
  Transpose: transposeGradient,
  Unsqueeze: reshapeGradient,
  Where: whereGradient,
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
const constantOps = [
  'And',
  'ArgMax',
  'ArgMin',
  'Bernoulli',
  'BitShift',
  'BitwiseAnd',
  'BitwiseNot',
  'BitwiseOr',
  'BitwiseXor',
  'Ceil',
  'Constant',
  'ConstantOfShape',
  'Equal',
  'EyeLike',
  'Floor',
  'Greater',
  'GreaterOrEqual',
  'Hardmax',
  'IsInf',
  'IsNaN',
  'Less',
  'LessOrEqual',
  'NonZero',
  'Not',
  'Or',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Range',
  'Round',
  'Shape',
  'Sign',
  'Size',
  'Xor',
] as const;

export const CONSTANT_OPS: ReadonlySet<string> = new Set(constantOps);

/** What the tables above speak of; support.ts says of the other operators why they have no gradient. */
export type TreatedOp = keyof typeof rules | keyof typeof outputsRules | (typeof constantOps)[number];
