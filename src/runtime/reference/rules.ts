import type { SupportedOp } from '../../onnx/index.js';
import type { RefRule } from './call.js';
import * as arg from './ops/arg.js';
import { batchNormalization } from './ops/batchnorm.js';
import * as binary from './ops/binary.js';
import { cast, castLike } from './ops/cast.js';
import { dropout, ifRule } from './ops/control.js';
import { conv, convTranspose } from './ops/conv.js';
import * as create from './ops/create.js';
import { einsum } from './ops/einsum.js';
import * as gather from './ops/gather.js';
import { gemm, matmul } from './ops/matmul.js';
import * as move from './ops/move.js';
import * as norm from './ops/norm.js';
import { pad } from './ops/pad.js';
import * as pool from './ops/pool.js';
import * as reduce from './ops/reduce.js';
import { resize } from './ops/resize.js';
import * as shape from './ops/shape.js';
import { hardmax, logSoftmax, softmax } from './ops/softmax.js';
import * as unary from './ops/unary.js';

/** Ops the toolkit knows that have no rule here, and why. */
export const REFUSED = {
  Bernoulli: 'its result is random',
  RandomNormal: 'its result is random',
  RandomNormalLike: 'its result is random',
  RandomUniform: 'its result is random',
  RandomUniformLike: 'its result is random',
  Loop: 'it evaluates no loops',
  Scan: 'it evaluates no loops',
  ReverseSequence: 'it knows no sequences',
  DequantizeLinear: 'it evaluates no quantized networks',
  DynamicQuantizeLinear: 'it evaluates no quantized networks',
  MatMulInteger: 'it evaluates no quantized networks',
  QuantizeLinear: 'it evaluates no quantized networks',
} satisfies Partial<Record<SupportedOp, string>>;

/** Closed over the ops of src/onnx/ops: one more there has a rule here or a reason not to. */
export const RULES = {
  Abs: unary.abs,
  Acos: unary.floatUnary(Math.acos),
  Acosh: unary.floatUnary(Math.acosh),
  Add: binary.add,
  And: binary.and,
  ArgMax: arg.argMax,
  ArgMin: arg.argMin,
  Asin: unary.floatUnary(Math.asin),
  Asinh: unary.floatUnary(Math.asinh),
  Atan: unary.floatUnary(Math.atan),
  Atanh: unary.floatUnary(Math.atanh),
  AveragePool: pool.averagePool,
  BatchNormalization: batchNormalization,
  BitShift: binary.bitShift,
  BitwiseAnd: binary.bitwiseAnd,
  BitwiseNot: unary.bitwiseNot,
  BitwiseOr: binary.bitwiseOr,
  BitwiseXor: binary.bitwiseXor,
  Cast: cast,
  CastLike: castLike,
  Ceil: unary.floatUnary(Math.ceil),
  Celu: unary.celu,
  Clip: unary.clip,
  Compress: gather.compress,
  Concat: move.concat,
  Constant: create.constant,
  ConstantOfShape: create.constantOfShape,
  Conv: conv,
  ConvTranspose: convTranspose,
  Cos: unary.floatUnary(Math.cos),
  Cosh: unary.floatUnary(Math.cosh),
  CumSum: create.cumSum,
  DepthToSpace: move.depthToSpace,
  Div: binary.div,
  Dropout: dropout,
  Einsum: einsum,
  Elu: unary.elu,
  Equal: binary.equal,
  Erf: unary.erfRule,
  Exp: unary.floatUnary(Math.exp),
  Expand: move.expand,
  EyeLike: create.eyeLike,
  Flatten: shape.flatten,
  Floor: unary.floatUnary(Math.floor),
  Gather: gather.gather,
  GatherElements: gather.gatherElements,
  GatherND: gather.gatherNd,
  Gelu: unary.gelu,
  Gemm: gemm,
  GlobalAveragePool: pool.globalAveragePool,
  GlobalLpPool: pool.globalLpPool,
  GlobalMaxPool: pool.globalMaxPool,
  Greater: binary.greater,
  GreaterOrEqual: binary.greaterOrEqual,
  GroupNormalization: norm.groupNormalization,
  HardSigmoid: unary.hardSigmoid,
  HardSwish: unary.hardSwish,
  Hardmax: hardmax,
  Identity: unary.identity,
  If: ifRule,
  InstanceNormalization: norm.instanceNormalization,
  IsInf: unary.isInf,
  IsNaN: unary.isNan,
  LRN: norm.lrn,
  LayerNormalization: norm.layerNormalization,
  LeakyRelu: unary.leakyRelu,
  Less: binary.less,
  LessOrEqual: binary.lessOrEqual,
  Log: unary.floatUnary(Math.log),
  LogSoftmax: logSoftmax,
  LpNormalization: norm.lpNormalization,
  LpPool: pool.lpPool,
  MatMul: matmul,
  Max: binary.max,
  MaxPool: pool.maxPool,
  Mean: binary.mean,
  MeanVarianceNormalization: norm.meanVarianceNormalization,
  Min: binary.min,
  Mish: unary.mish,
  Mod: binary.mod,
  Mul: binary.mul,
  Neg: unary.neg,
  NonZero: gather.nonZero,
  Not: unary.not,
  OneHot: create.oneHot,
  Or: binary.or,
  PRelu: binary.prelu,
  Pad: pad,
  Pow: binary.pow,
  RMSNormalization: norm.rmsNormalization,
  Range: create.range,
  Reciprocal: unary.reciprocal,
  ReduceL1: reduce.reduceL1,
  ReduceL2: reduce.reduceL2,
  ReduceLogSum: reduce.reduceLogSum,
  ReduceLogSumExp: reduce.reduceLogSumExp,
  ReduceMax: reduce.reduceMax,
  ReduceMean: reduce.reduceMean,
  ReduceMin: reduce.reduceMin,
  ReduceProd: reduce.reduceProd,
  ReduceSum: reduce.reduceSum,
  ReduceSumSquare: reduce.reduceSumSquare,
  Relu: unary.relu,
  Reshape: shape.reshape,
  Resize: resize,
  Round: unary.round,
  Scatter: gather.scatterElements,
  ScatterElements: gather.scatterElements,
  ScatterND: gather.scatterNd,
  Selu: unary.selu,
  Shape: shape.shape,
  Shrink: unary.shrink,
  Sigmoid: unary.sigmoid,
  Sign: unary.sign,
  Sin: unary.floatUnary(Math.sin),
  Sinh: unary.floatUnary(Math.sinh),
  Size: shape.size,
  Slice: move.slice,
  Softmax: softmax,
  Softplus: unary.softplus,
  Softsign: unary.softsign,
  SpaceToDepth: move.spaceToDepth,
  Split: move.split,
  Sqrt: unary.floatUnary(Math.sqrt),
  Squeeze: shape.squeeze,
  Sub: binary.sub,
  Sum: binary.sum,
  Swish: unary.swish,
  Tan: unary.floatUnary(Math.tan),
  Tanh: unary.floatUnary(Math.tanh),
  ThresholdedRelu: unary.thresholdedRelu,
  Tile: move.tile,
  TopK: arg.topK,
  Transpose: move.transposeRule,
  Trilu: move.trilu,
  Unsqueeze: shape.unsqueeze,
  Upsample: resize,
  Where: binary.where,
  Xor: binary.xor,
} satisfies Record<Exclude<SupportedOp, keyof typeof REFUSED>, RefRule>;

export type RefOp = keyof typeof RULES;

/** The ops of ai.onnx that the interpreter evaluates. */
export const REF_OPS: readonly string[] = Object.keys(RULES);

export function isRefOp(op: string): op is RefOp {
  return Object.hasOwn(RULES, op);
}

export function isRefused(op: string): op is keyof typeof REFUSED {
  return Object.hasOwn(REFUSED, op);
}
