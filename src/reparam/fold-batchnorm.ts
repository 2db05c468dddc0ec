/**
 * Folds a BatchNormalization in inference form into the Conv, ConvTranspose or Gemm whose output it normalizes (the
 * math is in algebra/batchnorm.ts), in float64, rounded once to the kernel's type. The weighted node keeps its name,
 * attributes and the names of its constants; its output takes the name of the normalized value, because that is what
 * it computes now.
 *
 * Output channels: Conv [O, I/g, k…] axis 0. ConvTranspose [I, O/g, k…]: channel = group · O/g + axis 1, and the group
 * of row i is i / (I/g). Gemm B: [K, N] axis 1, with transB [N, K] axis 0; y = α·A·B + β·C.
 */
import { ModelError } from '../base/errors.js';
import { type Model, type Node, sizeOf, type Tensor } from '../onnx/index.js';
import { batchNormAttributes } from '../onnx/ops/index.js';
import { type Affine, batchNormAffine } from './algebra/batchnorm.js';
import { constantOf, isOverridable } from './constants.js';
import { absorb, addConstant, dropParameter, replaceConstant } from './edits.js';
import type { Unrounded } from './fold-weights.js';
import { where } from './form.js';
import { type FloatType, fromFloat64, isFloatType, toFloat64 } from './numbers.js';

export interface FoldedBatchNorm {
  /** The BatchNormalization node that is gone. */
  readonly batchNorm: string;
  /** The node that took it over. */
  readonly into: string;
  /** Whether the node had no bias before and has one now. */
  readonly addedBias: boolean;
}

export interface BatchNormFolding {
  readonly folded: readonly FoldedBatchNorm[];
  readonly kept: readonly { readonly batchNorm: string; readonly reason: string }[];
}

export interface FoldBatchNormOptions {
  /** Which ones; default all. */
  readonly select?: (node: Node) => boolean;
  /** Fold also where a caller may override a parameter through a graph input (which then goes away). */
  readonly overridable?: boolean;
  /** Kernels before their rounding, where they are known; what is folded here is added. */
  readonly unrounded?: Unrounded;
}

/**
 * Folds in place.
 * @throws ModelError naming node and channel where variance + epsilon is not positive
 */
export function foldBatchNorms(model: Model, options: FoldBatchNormOptions = {}): BatchNormFolding {
  const folded: FoldedBatchNorm[] = [];
  const kept: BatchNormFolding['kept'][number][] = [];
  const unrounded = options.unrounded ?? new Map();
  for (const node of [...model.graph.nodes]) {
    if (node.opType !== 'BatchNormalization' || node.domain !== '') continue;
    if (options.select && !options.select(node)) continue;
    const match = matchBatchNorm(model, node, options.overridable === true, unrounded);
    if (typeof match === 'string') kept.push({ batchNorm: nameOf(node), reason: match });
    else folded.push(fold(model, match, unrounded));
  }
  return { folded, kept };
}

interface Match {
  readonly node: Node;
  /** Conv, ConvTranspose or Gemm. */
  readonly producer: Node;
  readonly weight: Tensor;
  readonly kernel: Float64Array;
  readonly type: FloatType;
  readonly bias: Float64Array | undefined;
  readonly affine: Affine;
  readonly layout: Layout;
}

/** The match, or why this one cannot be folded. */
function matchBatchNorm(
  model: Model,
  node: Node,
  overridable: boolean,
  unrounded: Unrounded,
): Match | string {
  const attributes = batchNormAttributes(node, model.opset);
  const affine = affineOf(model, node, attributes.epsilon);
  if (typeof affine === 'string') return affine;
  if (attributes.training || (model.opset < 7 && node.int('is_test', 0) === 0))
    return 'it is in training form; bring the model to inference form first';
  if (!attributes.spatial) return 'it normalizes per activation, not per channel';
  const extra = node.outputs.slice(1).find((o) => !o.isDead);
  if (extra) return `its output '${extra.name}' is read`;

  const input = node.input(0);
  const producer = input.producer;
  if (producer?.domain !== '' || !isFoldTarget(producer.opType))
    return `its input comes from ${producer ? producer.describe() : 'a graph input'}, not from a Conv, ConvTranspose or Gemm`;
  if (input.isOutput) return `'${input.name}', which it normalizes, is an output of the graph`;
  const other = input.consumers.find((n) => n !== node);
  if (other) return `'${input.name}', which it normalizes, is also read by ${other.describe()}`;

  const weightValue = producer.input(1);
  const weight = constantOf(weightValue);
  if (!weight) return `the weight of ${producer.describe()} is not a constant`;
  if (!isFloatType(weight.dataType)) return `the weight of ${producer.describe()} is ${weight.dataType}`;
  const layout = LAYOUTS[producer.opType](producer, weight.dims, affine.scale.length);
  if (typeof layout === 'string') return layout;
  const bias = biasOf(producer, affine.scale.length, unrounded);
  if (typeof bias === 'string') return bias;
  if (!overridable)
    for (const v of [...node.inputs.slice(1), ...producer.inputs.slice(1)])
      if (v && isOverridable(v, model)) return `'${v.name}' is an input of the graph that a caller may set`;
  const kernel = unrounded.get(weightValue) ?? toFloat64(weight);
  return { node, producer, weight, kernel, type: weight.dataType, bias, affine, layout };
}

/** a and c per channel, or why they are not known. @throws ModelError where they do not exist */
export function affineOf(model: Model, node: Node, epsilon: number): Affine | string {
  const parameters: Float64Array[] = [];
  for (let i = 1; i <= 4; i++) {
    const value = node.input(i);
    const tensor = constantOf(value);
    if (!tensor) return `its parameter '${value.name}' is not a constant`;
    if (!isFloatType(tensor.dataType)) return `its parameter '${value.name}' is ${tensor.dataType}`;
    parameters.push(toFloat64(tensor));
  }
  const [gamma, beta, mean, variance] = parameters;
  if (parameters.some((p) => p.length !== gamma.length))
    throw new ModelError({
      problem: `${where(model)}${node.describe()}: scale, bias, mean and variance`,
      expected: 'equal lengths',
      found: parameters.map((p) => p.length).join(', '),
    });
  try {
    return batchNormAffine({ gamma, beta, mean, variance, epsilon });
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw new ModelError({
      problem: `${where(model)}${node.describe()} cannot be folded: ${cause.message}`,
      expected: 'variance + epsilon > 0 in every channel',
      hint: 'the running statistics are damaged; was the checkpoint loaded completely?',
      cause,
    });
  }
}

type FoldTarget = 'Conv' | 'ConvTranspose' | 'Gemm';

function isFoldTarget(op: string): op is FoldTarget {
  return Object.hasOwn(LAYOUTS, op);
}

interface Layout {
  /** Output channel of element i of the weight. */
  readonly channel: (i: number) => number;
  /** Factor of the bias in the output: Gemm's β. */
  readonly biasFactor: number;
}

const LAYOUTS = {
  Conv: (node, dims, channels) => {
    if (dims[0] !== channels) return mismatch(node, dims[0], channels);
    const per = sizeOf(dims.slice(1));
    return { channel: (i) => Math.floor(i / per), biasFactor: 1 };
  },
  ConvTranspose: (node, dims, channels) => {
    const groups = node.int('group', 1);
    const perGroup = dims[1];
    if (perGroup * groups !== channels) return mismatch(node, perGroup * groups, channels);
    const row = sizeOf(dims.slice(1));
    const kernel = sizeOf(dims.slice(2));
    const rows = dims[0] / groups;
    return {
      channel: (i) => Math.floor(Math.floor(i / row) / rows) * perGroup + Math.floor((i % row) / kernel),
      biasFactor: 1,
    };
  },
  Gemm: (node, dims, channels) => {
    const transposed = node.int('transB', 0) !== 0;
    const outputs = transposed ? dims[0] : dims[1];
    if (dims.length !== 2 || outputs !== channels) return mismatch(node, outputs, channels);
    const beta = node.float('beta', 1);
    if (beta === 0) return `${node.describe()} multiplies its bias by 0`;
    return {
      channel: transposed ? (i) => Math.floor(i / dims[1]) : (i) => i % dims[1],
      biasFactor: beta,
    };
  },
} as const satisfies Record<
  FoldTarget,
  (node: Node, dims: readonly number[], channels: number) => Layout | string
>;

function mismatch(node: Node, outputs: number | undefined, channels: number): string {
  return `${node.describe()} makes ${outputs} channels, the normalization has ${channels}`;
}

/** The bias per channel, undefined for none; or why it cannot be used. */
function biasOf(node: Node, channels: number, unrounded: Unrounded): Float64Array | string | undefined {
  const value = node.inputs[2];
  if (!value) return undefined;
  const tensor = constantOf(value);
  if (!tensor || !isFloatType(tensor.dataType)) return `the bias of ${node.describe()} is not a constant`;
  const data = unrounded.get(value) ?? toFloat64(tensor);
  const dims = tensor.dims.length === 2 && tensor.dims[0] === 1 ? tensor.dims.slice(1) : tensor.dims;
  if (dims.length <= 1 && data.length === channels) return data;
  // Gemm broadcasts its C.
  if (data.length === 1) return new Float64Array(channels).fill(data[0]);
  return `the bias of ${node.describe()} is [${tensor.dims}], not one value per channel`;
}

function fold(model: Model, match: Match, unrounded: Unrounded): FoldedBatchNorm {
  const { node, producer, weight, type, bias, affine, layout } = match;
  const { graph } = model;
  const { scale, shift } = affine;
  const stem = producer.input(1).name.replace(/[._]?weights?$/, '') || producer.input(1).name;
  const kernel = match.kernel.map((w, i) => w * scale[layout.channel(i)]);
  const weightValue = replaceConstant(model, producer, 1, fromFloat64(type, weight.dims, kernel));
  unrounded.set(weightValue, kernel);
  // β·C' = a·β·C + c, so that Gemm's factor stays.
  const f = layout.biasFactor;
  const sum = shift.map((c, o) => (bias ? bias[o] * scale[o] : 0) + c / f);
  const old = producer.inputs[2];
  const dims = old && constantOf(old)?.size === sum.length ? (constantOf(old)?.dims ?? []) : [sum.length];
  const folded = fromFloat64(type, dims, sum);
  const biasValue = old
    ? replaceConstant(model, producer, 2, folded)
    : addConstant(model, producer, 2, folded, `${stem}.bias`);
  unrounded.set(biasValue, sum);

  const input = producer.output(0);
  const output = node.output(0);
  graph.replaceUses(output, input);
  const parameters = node.inputs.slice(1);
  graph.removeNode(node);
  absorb(producer, node);
  // The value that stays is the normalized one.
  if (output.docString !== '') input.docString = output.docString;
  for (const [key, text] of output.metadata) input.metadata.set(key, text);
  input.name = output.name;
  input.type = output.type ?? input.type;
  input.wire = output.wire ?? input.wire;
  for (const p of parameters) if (p) dropParameter(graph, p);
  return { batchNorm: nameOf(node), into: nameOf(producer), addedBias: old === undefined };
}

function nameOf(node: Node): string {
  return node.name || node.output(0).name;
}
