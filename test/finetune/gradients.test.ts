import { describe, test } from 'vitest';
import { emitInternal, typeLike } from '../../src/finetune/autodiff/internal.js';
import type { AttributeInit, GraphBuilder, Value } from '../../src/onnx/index.js';
import { checkGradients, type Draw, type GradientCase, offKinks } from '../support/gradcheck.js';

interface ConvCase {
  readonly x: readonly number[];
  readonly w: readonly number[];
  readonly strides?: readonly number[];
  readonly pads?: readonly number[];
  readonly dilations?: readonly number[];
  readonly group?: number;
  readonly bias?: boolean;
}

const convs: Record<string, ConvCase> = {
  'dense 3x3': { x: [2, 3, 5, 6], w: [4, 3, 3, 3], pads: [1, 1, 1, 1], bias: true },
  'dense 3x3, no padding': { x: [1, 2, 5, 5], w: [3, 2, 3, 3] },
  'dense 3x3, stride 2, even': { x: [2, 2, 6, 6], w: [3, 2, 3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  'dense 3x3, stride 2, odd': { x: [2, 2, 7, 5], w: [3, 2, 3, 3], strides: [2, 2], pads: [1, 1, 1, 1] },
  'dense 7x7, stride 2': { x: [1, 2, 9, 8], w: [2, 2, 7, 7], strides: [2, 2], pads: [3, 3, 3, 3] },
  '1x1': { x: [2, 3, 3, 4], w: [4, 3, 1, 1] },
  '1x1, large map': { x: [2, 2, 8, 7], w: [3, 2, 1, 1] },
  '1x1, stride 2': { x: [2, 3, 5, 6], w: [4, 3, 1, 1], strides: [2, 2] },
  'depthwise 3x3': { x: [2, 3, 5, 5], w: [3, 1, 3, 3], pads: [1, 1, 1, 1], group: 3, bias: true },
  'depthwise 3x3, stride 2, even': {
    x: [2, 3, 6, 6],
    w: [3, 1, 3, 3],
    pads: [1, 1, 1, 1],
    strides: [2, 2],
    group: 3,
  },
  'depthwise 3x3, stride 2, asymmetric pads': {
    x: [1, 3, 6, 6],
    w: [3, 1, 3, 3],
    pads: [0, 0, 1, 1],
    strides: [2, 2],
    group: 3,
  },
  'depthwise 3x3, stride 2, no padding, even': {
    x: [1, 3, 6, 8],
    w: [3, 1, 3, 3],
    strides: [2, 2],
    group: 3,
  },
  'depthwise 5x5, dilated': {
    x: [1, 2, 9, 9],
    w: [2, 1, 3, 3],
    pads: [2, 2, 2, 2],
    dilations: [2, 2],
    group: 2,
  },
  'depth multiplier 2': { x: [2, 2, 4, 4], w: [4, 1, 3, 3], pads: [1, 1, 1, 1], group: 2 },
  'grouped 3x3, stride 2': {
    x: [2, 4, 6, 5],
    w: [6, 2, 3, 3],
    pads: [1, 1, 1, 1],
    strides: [2, 2],
    group: 2,
  },
  'grouped, dilated, asymmetric pads': {
    x: [1, 4, 7, 6],
    w: [4, 2, 2, 3],
    pads: [0, 2, 1, 1],
    dilations: [2, 1],
    group: 2,
  },
  'non-square, mixed strides': { x: [2, 2, 6, 7], w: [2, 2, 3, 5], pads: [1, 2, 1, 2], strides: [1, 2] },
  'more padding than the kernel reaches': { x: [1, 2, 3, 3], w: [2, 2, 2, 2], pads: [2, 2, 2, 2] },
  '1-D': { x: [2, 3, 8], w: [4, 3, 3], pads: [1, 1], strides: [2] },
  '1-D depthwise': { x: [2, 3, 7], w: [3, 1, 3], pads: [1, 1], group: 3 },
  'one channel': { x: [2, 1, 5, 5], w: [3, 1, 3, 3], pads: [1, 1, 1, 1] },
  'single-channel depthwise': { x: [2, 1, 5, 5], w: [1, 1, 3, 3], pads: [1, 1, 1, 1] },
};

describe('Conv', () => {
  for (const [name, c] of Object.entries(convs))
    test(name, () => {
      const attributes: Record<string, AttributeInit> = { group: c.group ?? 1 };
      if (c.strides) attributes.strides = c.strides;
      if (c.pads) attributes.pads = c.pads;
      if (c.dilations) attributes.dilations = c.dilations;
      return checkGradients(`conv ${name}`, {
        inputs: c.bias ? { x: c.x, w: c.w, bias: [c.w[0]] } : { x: c.x, w: c.w },
        build: (b, v) => b.op('Conv', c.bias ? [v.x, v.w, v.bias] : [v.x, v.w], attributes),
      });
    });
});

const unary = (
  op: string,
  draw: Draw | readonly number[],
  attributes: Record<string, AttributeInit> = {},
): GradientCase => ({
  inputs: { x: draw },
  build: (b, v) => b.op(op, [v.x], attributes),
});
const positive: Draw = { dims: [2, 3, 4], value: (n) => 0.5 + Math.abs(n()) };

const cases: Record<string, GradientCase> = {
  Relu: unary('Relu', offKinks([2, 3, 4], [0])),
  Clip: {
    inputs: { x: offKinks([2, 3, 4], [0, 6], 5) },
    build: (b, v) => b.op('Clip', [v.x, b.f32(0), b.f32(6)]),
  },
  'Clip from below only': {
    inputs: { x: offKinks([2, 7], [-1]) },
    build: (b, v) => b.op('Clip', [v.x, b.f32(-1)]),
  },
  'Clip from above only': {
    inputs: { x: offKinks([2, 7], [1]) },
    build: (b, v) => b.op('Clip', [v.x, undefined, b.f32(1)]),
  },
  Sigmoid: unary('Sigmoid', [3, 4]),
  Tanh: unary('Tanh', [3, 4]),
  HardSigmoid: unary('HardSigmoid', offKinks([4, 5], [-3, 3], 3), {
    alpha: { float: 1 / 6 },
    beta: { float: 0.5 },
  }),
  HardSwish: unary('HardSwish', offKinks([4, 5], [-3, 3], 3)),
  'Softmax, last axis': unary('Softmax', [3, 4]),
  'Softmax, axis 1': unary('Softmax', [2, 3, 4], { axis: 1 }),
  LogSoftmax: unary('LogSoftmax', [3, 4], { axis: -1 }),
  Neg: unary('Neg', [2, 3]),
  Exp: unary('Exp', [2, 3]),
  Sqrt: unary('Sqrt', positive),
  Reciprocal: unary('Reciprocal', positive),
  Identity: unary('Identity', [2, 3]),
  Flatten: unary('Flatten', [2, 3, 4]),
  Transpose: unary('Transpose', [2, 3, 4], { perm: [2, 0, 1] }),
  'Transpose, default': unary('Transpose', [2, 3, 4]),
  'Add, broadcast': { inputs: { p: [2, 3, 4], q: [3, 1] }, build: (b, v) => b.op('Add', [v.p, v.q]) },
  'Add of a value to itself': { inputs: { p: [2, 3] }, build: (b, v) => b.op('Add', [v.p, v.p]) },
  'Sub, broadcast both ways': {
    inputs: { p: [2, 1, 4], q: [3, 1] },
    build: (b, v) => b.op('Sub', [v.p, v.q]),
  },
  'Mul, broadcast': { inputs: { p: [2, 3, 4], q: [1, 3, 1] }, build: (b, v) => b.op('Mul', [v.p, v.q]) },
  'Mul by a scalar': { inputs: { p: [2, 3], q: [] }, build: (b, v) => b.op('Mul', [v.p, v.q]) },
  'Div, broadcast': {
    inputs: { p: [2, 3], q: { dims: [3], value: (n) => 1 + Math.abs(n()) } },
    build: (b, v) => b.op('Div', [v.p, v.q]),
  },
  Sum: { inputs: { p: [2, 3], q: [3], r: [2, 1] }, build: (b, v) => b.op('Sum', [v.p, v.q, v.r]) },
  Gemm: {
    inputs: { a: [2, 3], w: [4, 3], c: [4] },
    build: (b, v) => b.op('Gemm', [v.a, v.w, v.c], { transB: 1 }),
  },
  'Gemm, transA, alpha, beta': {
    inputs: { a: [3, 2], w: [3, 4], c: [2, 1] },
    build: (b, v) => b.op('Gemm', [v.a, v.w, v.c], { transA: 1, alpha: { float: 0.5 }, beta: { float: 2 } }),
  },
  'Gemm, both transposed': {
    inputs: { a: [3, 2], w: [4, 3] },
    build: (b, v) => b.op('Gemm', [v.a, v.w], { transA: 1, transB: 1 }),
  },
  MatMul: { inputs: { a: [2, 3], w: [3, 4] }, build: (b, v) => b.op('MatMul', [v.a, v.w]) },
  'MatMul, batched and broadcast': {
    inputs: { a: [2, 2, 3], w: [1, 3, 4] },
    build: (b, v) => b.op('MatMul', [v.a, v.w]),
  },
  'MatMul, one matrix for a batch': {
    inputs: { a: [2, 2, 3], w: [3, 4] },
    build: (b, v) => b.op('MatMul', [v.a, v.w]),
  },
  'MatMul, row': { inputs: { a: [3], w: [2, 3, 4] }, build: (b, v) => b.op('MatMul', [v.a, v.w]) },
  'MatMul, column': { inputs: { a: [2, 4, 3], w: [3] }, build: (b, v) => b.op('MatMul', [v.a, v.w]) },
  Concat: {
    inputs: { p: [2, 3, 2], q: [2, 1, 2] },
    build: (b, v) => b.op('Concat', [v.p, v.q], { axis: 1 }),
  },
  Slice: { inputs: { x: [4, 5] }, build: (b, v) => b.op('Slice', [v.x, b.i64([1, 0]), b.i64([3, 4])]) },
  'Slice with steps': {
    inputs: { x: [2, 3, 7, 6] },
    build: (b, v) => b.op('Slice', [v.x, b.i64([0, 1]), b.i64([7, 6]), b.i64([2, 3]), b.i64([2, 2])]),
  },
  'Slice from the end': {
    inputs: { x: [4, 5] },
    build: (b, v) => b.op('Slice', [v.x, b.i64([-3]), b.i64([9223372036854775807n]), b.i64([-1])]),
  },
  Pad: { inputs: { x: [2, 3, 2] }, build: (b, v) => b.op('Pad', [v.x, b.i64([0, 1, 2, 0, 1, 0])]) },
  'Pad with axes': {
    inputs: { x: [2, 3, 2] },
    build: (b, v) => b.op('Pad', [v.x, b.i64([1, 2]), undefined, b.i64([1])]),
  },
  'Pad, negative': { inputs: { x: [4, 3] }, build: (b, v) => b.op('Pad', [v.x, b.i64([-1, 1, 0, 0])]) },
  Reshape: { inputs: { x: [2, 6] }, build: (b, v) => b.op('Reshape', [v.x, b.i64([3, -1])]) },
  Squeeze: { inputs: { x: [2, 1, 3] }, build: (b, v) => b.op('Squeeze', [v.x, b.i64([1])]) },
  Unsqueeze: { inputs: { x: [2, 3] }, build: (b, v) => b.op('Unsqueeze', [v.x, b.i64([0])]) },
  Expand: { inputs: { x: [3, 1] }, build: (b, v) => b.op('Expand', [v.x, b.i64([2, 3, 4])]) },
  ReduceMean: { inputs: { x: [2, 3, 4] }, build: (b, v) => b.op('ReduceMean', [v.x, b.i64([1, -1])]) },
  'ReduceMean, no keepdims': {
    inputs: { x: [2, 3, 4] },
    build: (b, v) => b.op('ReduceMean', [v.x, b.i64([2])], { keepdims: 0 }),
  },
  ReduceSum: {
    inputs: { x: [2, 3, 4] },
    build: (b, v) => b.op('ReduceSum', [v.x, b.i64([0])], { keepdims: 0 }),
  },
  GlobalAveragePool: unary('GlobalAveragePool', [2, 3, 4, 5]),
  MaxPool: unary('MaxPool', [2, 2, 6, 6], { kernel_shape: [2, 2], strides: [2, 2] }),
  'MaxPool, overlapping and padded': unary('MaxPool', [1, 2, 7, 6], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  'MaxPool, ceil_mode': unary('MaxPool', [1, 2, 6, 7], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    ceil_mode: 1,
  }),
  AveragePool: unary('AveragePool', [1, 2, 6, 5], {
    kernel_shape: [3, 2],
    strides: [2, 2],
    pads: [1, 0, 1, 1],
  }),
  'AveragePool, count_include_pad': unary('AveragePool', [1, 2, 6, 5], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  'AveragePool, leaving a rest': unary('AveragePool', [1, 2, 7, 6], {
    kernel_shape: [2, 2],
    strides: [3, 4],
  }),
  'AveragePool, ceil_mode': unary('AveragePool', [1, 2, 6, 7], {
    kernel_shape: [3, 3],
    strides: [2, 2],
    ceil_mode: 1,
  }),
  'BatchNormalization, frozen': {
    inputs: { x: [2, 3, 4, 4], gamma: [3], beta: [3] },
    build: (b, v) =>
      b.op('BatchNormalization', [v.x, v.gamma, v.beta, b.f32([0.5, -1, 2]), b.f32([1.5, 0.5, 2])], {
        epsilon: { float: 1e-3 },
      }),
  },
  'BatchNormalization, training': {
    inputs: { x: [3, 2, 3, 3], gamma: [2], beta: [2] },
    build: (b, v) => trainNorm(b, v.x, v.gamma, v.beta),
  },
  'BatchNormalization, training, mean far from 0': {
    inputs: { x: { dims: [3, 2, 2, 2], value: (n) => 100 + n() }, gamma: [2], beta: [2] },
    build: (b, v) => trainNorm(b, v.x, v.gamma, v.beta),
    // The function itself is evaluated at x ≈ 100, where a step of 1e-5 loses two more digits.
    tolerance: 1e-5,
  },
  'BatchNormalization, training, rows': {
    inputs: { x: [5, 3], gamma: [3], beta: [3] },
    build: (b, v) => trainNorm(b, v.x, v.gamma, v.beta),
  },
  'a value with several readers': {
    inputs: { x: offKinks([2, 3], [0]), w: [3, 3] },
    build: (b, v) => {
      const h = b.op('MatMul', [v.x, v.w]);
      return b.op('Add', [b.op('Mul', [h, v.x]), b.op('Tanh', [h])]);
    },
  },
  'a weight that is computed': {
    inputs: { base: [3, 1, 3, 3], map: [3, 3, 3, 3], x: [2, 3, 4, 4] },
    build: (b, v) => {
      const view = b.op('Reshape', [v.base, b.i64([1, 3, 3, 3])]);
      const change = b.op('Conv', [view, v.map], { pads: [1, 1, 1, 1] });
      const w = b.op('Add', [v.base, b.op('Reshape', [change, b.i64([3, 1, 3, 3])])]);
      return b.op('Conv', [v.x, w], { pads: [1, 1, 1, 1], group: 3 });
    },
  },
};

function trainNorm(b: GraphBuilder, x: Value, gamma: Value, beta: Value): Value {
  const dims = x.shape ?? [];
  const like = [x.type, typeLike(gamma, [dims[1]]), typeLike(gamma, [dims[1]])];
  return emitInternal(b, 'BatchNormTrain', [x, gamma, beta], like, { epsilon: { float: 1e-3 } })[0];
}

describe('gradient rules agree with central differences', () => {
  for (const [name, c] of Object.entries(cases)) test(name, () => checkGradients(name, c));
});
