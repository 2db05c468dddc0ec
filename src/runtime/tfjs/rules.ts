import type { SupportedOp } from '../../onnx/index.js';
import * as binary from './ops/binary.js';
import { cast, castRefuses } from './ops/cast.js';
import { conv } from './ops/conv.js';
import { convTranspose } from './ops/conv-transpose.js';
import * as create from './ops/create.js';
import { einsum, einsumRefuses } from './ops/einsum.js';
import { gemm, matmul } from './ops/matmul.js';
import * as move from './ops/move.js';
import * as norm from './ops/norm.js';
import * as pool from './ops/pool.js';
import * as reduce from './ops/reduce.js';
import { resize, resizeRefuses } from './ops/resize.js';
import * as shape from './ops/shape.js';
import { logSoftmax, softmax } from './ops/softmax.js';
import * as unary from './ops/unary.js';
import { ANY, BOOL, FLOAT, NUMBER, type OpRule, rule } from './rule.js';
import type { Tf, TfTensor } from './tf.js';

/** Ops the toolkit knows that have no rule here, and why. */
export const REFUSED = {
  Bernoulli: 'its result is random',
  RandomNormal: 'its result is random',
  RandomNormalLike: 'its result is random',
  RandomUniform: 'its result is random',
  RandomUniformLike: 'its result is random',
  If: 'this engine runs no sub-graphs',
  Loop: 'this engine runs no sub-graphs',
  Scan: 'this engine runs no sub-graphs',
  DequantizeLinear: 'this engine runs no quantized networks',
  DynamicQuantizeLinear: 'this engine runs no quantized networks',
  MatMulInteger: 'this engine runs no quantized networks',
  QuantizeLinear: 'this engine runs no quantized networks',
  Compress: 'the shape of its result depends on the data',
  NonZero: 'the shape of its result depends on the data',
  BitShift: 'no rule for it',
  BitwiseAnd: 'no rule for it',
  BitwiseNot: 'no rule for it',
  BitwiseOr: 'no rule for it',
  BitwiseXor: 'no rule for it',
  CastLike: 'no rule for it',
  EyeLike: 'no rule for it',
  GatherND: 'no rule for it',
  GlobalLpPool: 'no rule for it',
  Hardmax: 'no rule for it',
  LpNormalization: 'no rule for it',
  LpPool: 'no rule for it',
  MeanVarianceNormalization: 'no rule for it',
  RMSNormalization: 'no rule for it',
  ReverseSequence: 'no rule for it',
  Scatter: 'no rule for it',
  ScatterElements: 'no rule for it',
  TopK: 'no rule for it',
  Trilu: 'no rule for it',
} satisfies Partial<Record<SupportedOp, string>>;

const float = (f: (tf: Tf, x: TfTensor) => TfTensor): OpRule => rule(FLOAT, unary.unary(f));
const compare = (f: (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor): OpRule => rule(NUMBER, binary.binary(f));
const logical = (f: (tf: Tf, a: TfTensor, b: TfTensor) => TfTensor): OpRule => rule(BOOL, binary.binary(f));
const axesInput = { parameters: [1] } as const;

/** Closed over the ops of src/onnx/ops: one more there has a rule here or a reason not to. */
export const RULES = {
  Abs: rule(
    NUMBER,
    unary.unary((tf, x) => tf.abs(x)),
  ),
  Acos: float((tf, x) => tf.acos(x)),
  Acosh: float((tf, x) => tf.acosh(x)),
  Add: rule(NUMBER, binary.add),
  And: logical((tf, a, b) => tf.logicalAnd(a, b)),
  ArgMax: rule(
    NUMBER,
    reduce.argBest((tf, x, axis) => tf.argMax(x, axis)),
  ),
  ArgMin: rule(
    NUMBER,
    reduce.argBest((tf, x, axis) => tf.argMin(x, axis)),
  ),
  Asin: float((tf, x) => tf.asin(x)),
  Asinh: float((tf, x) => tf.asinh(x)),
  Atan: float((tf, x) => tf.atan(x)),
  Atanh: float((tf, x) => tf.atanh(x)),
  AveragePool: rule(FLOAT, pool.averagePool),
  BatchNormalization: rule(FLOAT, norm.batchNormalization, { refuses: norm.batchNormRefuses }),
  Cast: rule(ANY, cast, { refuses: castRefuses }),
  Ceil: float((tf, x) => tf.ceil(x)),
  Celu: rule(FLOAT, unary.celu),
  Clip: rule(NUMBER, unary.clip, { parameters: [1, 2] }),
  Concat: rule(ANY, move.concat),
  Constant: rule(ANY, create.constant),
  ConstantOfShape: rule(ANY, create.constantOfShape, { parameters: [0] }),
  Conv: rule(FLOAT, conv),
  ConvTranspose: rule(FLOAT, convTranspose),
  Cos: float((tf, x) => tf.cos(x)),
  Cosh: float((tf, x) => tf.cosh(x)),
  CumSum: rule(NUMBER, reduce.cumSum, axesInput),
  DepthToSpace: rule(ANY, move.depthToSpace),
  Div: rule(NUMBER, binary.div),
  Dropout: rule(FLOAT, move.identity, { parameters: [1, 2], refuses: move.dropoutRefuses }),
  Einsum: rule(FLOAT, einsum, { refuses: einsumRefuses }),
  Elu: rule(FLOAT, unary.elu),
  Equal: rule(
    ANY,
    binary.binary((tf, a, b) => tf.equal(a, b)),
  ),
  Erf: rule(FLOAT, unary.erf),
  Exp: float((tf, x) => tf.exp(x)),
  Expand: rule(ANY, move.expand, axesInput),
  Flatten: rule(ANY, shape.flatten),
  Floor: float((tf, x) => tf.floor(x)),
  Gather: rule(ANY, move.gather),
  GatherElements: rule(ANY, move.gatherElements),
  Gelu: rule(FLOAT, unary.gelu),
  Gemm: rule(FLOAT, gemm),
  GlobalAveragePool: rule(
    FLOAT,
    pool.globalPool((tf, x, axes) => tf.mean(x, axes, true)),
  ),
  GlobalMaxPool: rule(
    FLOAT,
    pool.globalPool((tf, x, axes) => tf.max(x, axes, true)),
  ),
  Greater: compare((tf, a, b) => tf.greater(a, b)),
  GreaterOrEqual: compare((tf, a, b) => tf.greaterEqual(a, b)),
  GroupNormalization: rule(FLOAT, norm.groupNormalization),
  HardSigmoid: rule(FLOAT, unary.hardSigmoid),
  HardSwish: rule(FLOAT, unary.hardSwish),
  Identity: rule(ANY, move.identity),
  InstanceNormalization: rule(FLOAT, norm.instanceNormalization),
  IsInf: rule(FLOAT, unary.isInf),
  IsNaN: float((tf, x) => tf.isNaN(x)),
  LRN: rule(FLOAT, norm.lrn),
  LayerNormalization: rule(FLOAT, norm.layerNormalization),
  LeakyRelu: rule(FLOAT, unary.leakyRelu),
  Less: compare((tf, a, b) => tf.less(a, b)),
  LessOrEqual: compare((tf, a, b) => tf.lessEqual(a, b)),
  Log: float((tf, x) => tf.log(x)),
  LogSoftmax: rule(FLOAT, logSoftmax),
  MatMul: rule(FLOAT, matmul),
  Max: rule(NUMBER, binary.max),
  MaxPool: rule(FLOAT, pool.maxPool, { refuses: pool.maxPoolRefuses }),
  Mean: rule(FLOAT, binary.mean),
  Min: rule(NUMBER, binary.min),
  Mish: rule(FLOAT, unary.mish),
  Mod: rule(NUMBER, binary.mod),
  Mul: rule(NUMBER, binary.mul),
  Neg: rule(
    NUMBER,
    unary.unary((tf, x) => tf.neg(x)),
  ),
  Not: rule(
    BOOL,
    unary.unary((tf, x) => tf.logicalNot(x)),
  ),
  OneHot: rule(NUMBER, create.oneHot, axesInput),
  Or: logical((tf, a, b) => tf.logicalOr(a, b)),
  PRelu: rule(FLOAT, binary.prelu),
  Pad: rule(ANY, move.pad, { parameters: [1, 2, 3] }),
  Pow: rule(
    FLOAT,
    binary.binary((tf, a, b) => tf.pow(a, b)),
  ),
  Range: rule(NUMBER, create.range, { parameters: [0, 1, 2] }),
  Reciprocal: rule(FLOAT, unary.reciprocal),
  ReduceL1: rule(FLOAT, reduce.reduceL1, axesInput),
  ReduceL2: rule(FLOAT, reduce.reduceL2, axesInput),
  ReduceLogSum: rule(FLOAT, reduce.reduceLogSum, axesInput),
  ReduceLogSumExp: rule(FLOAT, reduce.reduceLogSumExp, axesInput),
  ReduceMax: rule(NUMBER, reduce.reduceMax, axesInput),
  ReduceMean: rule(
    FLOAT,
    reduce.overAxes((tf, x, axes, keep) => tf.mean(x, axes, keep)),
    axesInput,
  ),
  ReduceMin: rule(NUMBER, reduce.reduceMin, axesInput),
  ReduceProd: rule(
    NUMBER,
    reduce.overAxes((tf, x, axes, keep) => tf.prod(x, axes, keep)),
    axesInput,
  ),
  ReduceSum: rule(NUMBER, reduce.reduce(reduce.sumOf), axesInput),
  ReduceSumSquare: rule(FLOAT, reduce.reduceSumSquare, axesInput),
  Relu: rule(
    NUMBER,
    unary.unary((tf, x) => tf.relu(x)),
  ),
  Reshape: rule(ANY, shape.reshape, axesInput),
  Resize: rule(FLOAT, resize, { parameters: [1, 2, 3], refuses: resizeRefuses }),
  Round: float((tf, x) => tf.round(x)),
  ScatterND: rule(NUMBER, move.scatterNd, { refuses: move.scatterNdRefuses }),
  Selu: rule(FLOAT, unary.selu),
  Shape: rule(ANY, shape.shape),
  Shrink: rule(FLOAT, unary.shrink),
  Sigmoid: float((tf, x) => tf.sigmoid(x)),
  Sign: rule(
    NUMBER,
    unary.unary((tf, x) => tf.sign(x)),
  ),
  Sin: float((tf, x) => tf.sin(x)),
  Sinh: float((tf, x) => tf.sinh(x)),
  Size: rule(ANY, shape.size),
  Slice: rule(ANY, move.slice, { parameters: [1, 2, 3, 4] }),
  Softmax: rule(FLOAT, softmax),
  Softplus: rule(FLOAT, unary.softplus),
  Softsign: rule(FLOAT, unary.softsign),
  SpaceToDepth: rule(ANY, move.spaceToDepth),
  Split: rule(ANY, move.split, axesInput),
  Sqrt: float((tf, x) => tf.sqrt(x)),
  Squeeze: rule(ANY, shape.squeeze, axesInput),
  Sub: rule(NUMBER, binary.sub),
  Sum: rule(FLOAT, binary.sum),
  Swish: rule(FLOAT, unary.swish),
  Tan: float((tf, x) => tf.tan(x)),
  Tanh: float((tf, x) => tf.tanh(x)),
  ThresholdedRelu: rule(FLOAT, unary.thresholdedRelu),
  Tile: rule(ANY, move.tile, axesInput),
  Transpose: rule(ANY, move.transpose),
  Unsqueeze: rule(ANY, shape.unsqueeze, axesInput),
  Upsample: rule(FLOAT, resize, { parameters: [1] }),
  Where: rule(ANY, binary.where),
  Xor: rule(BOOL, binary.xor),
} satisfies Record<Exclude<SupportedOp, keyof typeof REFUSED>, OpRule>;

/** The rule for an op of ai.onnx; undefined where there is none. */
export function ruleFor(opType: string, domain: string): OpRule | undefined {
  return domain === '' && hasRule(opType) ? RULES[opType] : undefined;
}

function hasRule(opType: string): opType is keyof typeof RULES {
  return Object.hasOwn(RULES, opType);
}

/** Why an op has no rule. */
export function reasonFor(opType: string, domain: string): string {
  if (domain === '' && isRefused(opType)) return REFUSED[opType];
  return domain === '' ? 'no rule for it' : `no rules for operators of ${domain}`;
}

function isRefused(opType: string): opType is keyof typeof REFUSED {
  return Object.hasOwn(REFUSED, opType);
}
