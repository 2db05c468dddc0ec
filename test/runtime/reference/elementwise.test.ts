import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { erf } from '../../../src/runtime/reference/ops/erf.js';
import {
  bools,
  evaluateOp,
  expectLikeOrt,
  f32,
  integers,
  normal,
  type OpCase,
  uniform,
} from './against-ort.js';

const all = async (cases: readonly OpCase[]): Promise<void> => {
  for (const c of cases) await expectLikeOrt(c);
};
const scalar = (v: number): Tensor => Tensor.float32([], [v]);

describe('one input, against ONNX Runtime', () => {
  test('plain functions', async () => {
    for (const op of [
      'Relu',
      'Sigmoid',
      'Tanh',
      'Softplus',
      'Softsign',
      'Erf',
      'Exp',
      'Abs',
      'Neg',
      'Sign',
      'Floor',
      'Ceil',
      'Round',
      'Sin',
      'Cos',
      'Atan',
      'Sinh',
      'Cosh',
      'Asinh',
      'Identity',
      'Reciprocal',
      'Mish',
      'HardSwish',
    ])
      await expectLikeOrt({ op, opset: 20, inputs: [normal(3, 5)] });
    for (const op of ['Log', 'Sqrt']) await expectLikeOrt({ op, opset: 17, inputs: [uniform(0.01, 5, 20)] });
    for (const op of ['Asin', 'Acos', 'Atanh', 'Tan'])
      await expectLikeOrt({ op, opset: 17, inputs: [uniform(-0.9, 0.9, 20)] });
    await expectLikeOrt({ op: 'Acosh', opset: 17, inputs: [uniform(1.1, 3, 20)] });
  });
  test('with attributes, and their defaults', async () => {
    const x = [uniform(-4, 4, 40)];
    for (const op of ['LeakyRelu', 'Elu', 'ThresholdedRelu']) {
      await expectLikeOrt({ op, opset: 16, inputs: x });
      await expectLikeOrt({ op, opset: 16, inputs: x, attributes: { alpha: { float: 0.3 } } });
    }
    await all([
      { op: 'Celu', opset: 12, inputs: x },
      { op: 'Celu', opset: 12, inputs: x, attributes: { alpha: { float: 0.7 } } },
      { op: 'Selu', opset: 6 + 1, inputs: x },
      { op: 'Selu', opset: 7, inputs: x, attributes: { alpha: { float: 1.2 }, gamma: { float: 0.9 } } },
      { op: 'HardSigmoid', opset: 17, inputs: x },
      {
        op: 'HardSigmoid',
        opset: 17,
        inputs: x,
        attributes: { alpha: { float: 1 / 6 }, beta: { float: 0.4 } },
      },
      { op: 'Gelu', opset: 20, inputs: x },
      { op: 'Gelu', opset: 20, inputs: x, attributes: { approximate: 'tanh' } },
      { op: 'Shrink', opset: 9, inputs: x, attributes: { lambd: { float: 1 }, bias: { float: 0.5 } } },
      { op: 'PRelu', opset: 16, inputs: [normal(2, 3, 4), normal(3, 1)] },
      { op: 'PRelu', opset: 9, inputs: [normal(2, 3, 4), normal(1)] },
    ]);
  });
  test('Clip as attributes and inputs', async () => {
    const x = normal(30);
    await all([
      { op: 'Clip', opset: 7, inputs: [x], attributes: { min: { float: -0.5 }, max: { float: 0.25 } } },
      { op: 'Clip', opset: 10, inputs: [x], attributes: { max: { float: 0.25 } } },
      { op: 'Clip', opset: 13, inputs: [x, scalar(-0.5), scalar(0.25)] },
      { op: 'Clip', opset: 13, inputs: [x, undefined, scalar(0.25)] },
      { op: 'Clip', opset: 13, inputs: [x, scalar(0.5), scalar(0.25)] },
      { op: 'Clip', opset: 13, inputs: [integers(-9, 9, 20), Tensor.int64([], [-3]), Tensor.int64([], [4])] },
    ]);
  });
  test('kinks, zeros, infinities and NaN', async () => {
    const x = f32(
      0,
      -0,
      0.5,
      -0.5,
      1.5,
      2.5,
      -1.5,
      Number.POSITIVE_INFINITY,
      Number.NEGATIVE_INFINITY,
      Number.NaN,
      3,
      -3,
      1e30,
    );
    for (const op of ['Sigmoid', 'Tanh', 'Round', 'Sign', 'HardSigmoid', 'Erf', 'Abs'])
      await expectLikeOrt({ op, opset: 17, inputs: [x] });
    await all([
      { op: 'IsNaN', opset: 13, inputs: [x], types: ['bool'] },
      { op: 'IsInf', opset: 10, inputs: [x], types: ['bool'] },
      { op: 'IsInf', opset: 10, inputs: [x], types: ['bool'], attributes: { detect_negative: 0 } },
      { op: 'Not', opset: 17, inputs: [bools(9)] },
    ]);
  });
  test('integers', async () => {
    const x = integers(-9, 9, 12);
    for (const op of ['Abs', 'Neg', 'Sign']) await expectLikeOrt({ op, opset: 17, inputs: [x] });
    await expectLikeOrt({ op: 'BitwiseNot', opset: 18, inputs: [x] });
    const [y] = evaluateOp({ op: 'Relu', opset: 14, inputs: [Tensor.int64([3], [-2, 0, 5])] });
    expect(y.data).toEqual(BigInt64Array.of(0n, 0n, 5n));
  });
  test('erf to 1e-15', () => {
    // Python's math.erf (the C library's, within 1 ulp).
    const known: [number, number][] = [
      [1e-10, 1.1283791670955126e-10],
      [0.1, 0.1124629160182849],
      [0.5, 0.5204998778130465],
      [1, 0.8427007929497149],
      [1.75, 0.9866716712191824],
      [2.5, 0.999593047982555],
      [2.999, 0.9999777698314002],
      [3.001, 0.9999780483390822],
      [4, 0.9999999845827421],
      [5.5, 0.9999999999999927],
    ];
    for (const [x, y] of known) {
      expect(Math.abs(erf(x) / y - 1), `erf(${x})`).toBeLessThan(1e-15);
      expect(erf(-x)).toBe(-erf(x));
    }
    expect(erf(3 - 1e-12)).toBeLessThan(erf(3 + 1e-12));
    expect([erf(0), erf(7), erf(Number.NEGATIVE_INFINITY), erf(Number.NaN)]).toEqual([0, 1, -1, Number.NaN]);
  });
});

describe('several inputs, against ONNX Runtime', () => {
  test('arithmetic broadcasts', async () => {
    for (const op of ['Add', 'Sub', 'Mul', 'Div'])
      for (const [a, b] of [
        [
          [2, 3, 4],
          [2, 3, 4],
        ],
        [
          [2, 3, 4],
          [3, 1],
        ],
        [[4], [2, 1, 1]],
        [[], [2, 2]],
        [[0, 3], [3]],
      ])
        await expectLikeOrt({ op, opset: 14, inputs: [normal(...a), normal(...b)] });
  });
  test('integers: exact, truncating, wrapping', async () => {
    const a = Tensor.int64([5], [-7, 7, -8, 8, 3]);
    const b = Tensor.int64([5], [2, -2, 3, -3, 5]);
    for (const op of ['Add', 'Sub', 'Mul', 'Div']) await expectLikeOrt({ op, opset: 14, inputs: [a, b] });
    await all([
      { op: 'Mod', opset: 13, inputs: [a, b] },
      { op: 'Mod', opset: 13, inputs: [a, b], attributes: { fmod: 1 } },
      { op: 'Mod', opset: 13, inputs: [f32(-7.5, 7.5, 5), f32(2, -2, 3)], attributes: { fmod: 1 } },
      {
        op: 'Mul',
        opset: 14,
        inputs: [Tensor.int32([2], [123456789, -7]), Tensor.int32([2], [987654321, 2])],
      },
      { op: 'Add', opset: 14, inputs: [Tensor.int32([1], [2147483647]), Tensor.int32([1], [1])] },
      {
        op: 'Mul',
        opset: 14,
        inputs: [Tensor.int64([1], new BigInt64Array([4611686018427387905n])), Tensor.int64([1], [4])],
      },
    ]);
    expect(() => evaluateOp({ op: 'Div', opset: 14, inputs: [a, Tensor.int64([1], [0])] })).toThrow(
      /division by zero/,
    );
  });
  test('Pow', async () => {
    await all([
      { op: 'Pow', opset: 15, inputs: [uniform(0.1, 3, 3, 4), normal(4)] },
      { op: 'Pow', opset: 15, inputs: [normal(3, 4), Tensor.int64([], [3])] },
      { op: 'Pow', opset: 15, inputs: [Tensor.int64([3], [2, 3, -4]), Tensor.int64([], [3])] },
      { op: 'Pow', opset: 15, inputs: [f32(1, 0, -2), f32(Number.NaN, 0, 3)] },
    ]);
  });
  test('Min, Max, Sum, Mean of any number', async () => {
    for (const op of ['Min', 'Max', 'Sum', 'Mean'])
      for (const n of [1, 2, 3])
        await expectLikeOrt({ op, opset: 13, inputs: [normal(2, 3), normal(3), normal(2, 1)].slice(0, n) });
    for (const op of ['Min', 'Max'])
      await expectLikeOrt({ op, opset: 13, inputs: [integers(-9, 9, 6), integers(-9, 9, 6)] });
  });
  test('comparisons and logic', async () => {
    const a = f32(1, 2, 3, Number.NaN);
    const b = f32(1, 3, 2, Number.NaN);
    const types = ['bool'] as const;
    for (const op of ['Equal', 'Greater', 'GreaterOrEqual', 'Less', 'LessOrEqual']) {
      await expectLikeOrt({ op, opset: 19, inputs: [a, b], types });
      await expectLikeOrt({ op, opset: 19, inputs: [integers(0, 3, 4, 2), integers(0, 3, 2)], types });
    }
    for (const op of ['And', 'Or', 'Xor'])
      await expectLikeOrt({ op, opset: 17, inputs: [bools(4, 3), bools(3)] });
    await expectLikeOrt({
      op: 'Where',
      opset: 17,
      inputs: [bools(2, 1, 3), normal(4, 1), normal(1)],
      types: ['float32'],
    });
    await expectLikeOrt({
      op: 'Where',
      opset: 17,
      inputs: [bools(3), integers(0, 9, 3), integers(0, 9, 1)],
      types: ['int64'],
    });
  });
  test('bits', async () => {
    const a = Tensor.raw('uint32', [3], new Uint8Array(new Uint32Array([0xffffffff, 5, 1]).buffer));
    const b = Tensor.raw('uint32', [3], new Uint8Array(new Uint32Array([4, 31, 3]).buffer));
    for (const op of ['BitwiseAnd', 'BitwiseOr', 'BitwiseXor']) {
      await expectLikeOrt({ op, opset: 18, inputs: [a, b] });
      await expectLikeOrt({ op, opset: 18, inputs: [integers(-99, 99, 5), integers(-99, 99, 5)] });
    }
    for (const direction of ['LEFT', 'RIGHT'])
      await expectLikeOrt({ op: 'BitShift', opset: 11, inputs: [a, b], attributes: { direction } });
  });
  test('refuses shapes and types that do not meet', () => {
    const run = (a: Tensor, b: Tensor) => () => evaluateOp({ op: 'Add', opset: 14, inputs: [a, b] });
    expect(run(normal(2, 3), normal(2))).toThrow(
      /Add 'node': shapes; expected ones that broadcast; found \[2,3\] and \[2\]/,
    );
    expect(run(normal(2), integers(0, 2, 2))).toThrow(/float32 and int64/);
  });
});

describe('Cast', () => {
  test('against ONNX Runtime', async () => {
    const x = f32(-1.7, 1.7, 0, -0.3, 3e9, 65519, 1e-8, 100.5);
    await all([
      { op: 'Cast', opset: 13, inputs: [x], attributes: { to: 7 }, types: ['int64'] },
      { op: 'Cast', opset: 13, inputs: [x], attributes: { to: 9 }, types: ['bool'] },
      { op: 'Cast', opset: 13, inputs: [f32(-1.7, 100.2)], attributes: { to: 6 }, types: ['int32'] },
      { op: 'Cast', opset: 13, inputs: [integers(-9, 9, 5)], attributes: { to: 1 }, types: ['float32'] },
      {
        op: 'Cast',
        opset: 13,
        inputs: [Tensor.int64([3], [300, -1, 255])],
        attributes: { to: 2 },
        types: ['uint8'],
      },
      { op: 'Cast', opset: 13, inputs: [bools(4)], attributes: { to: 1 }, types: ['float32'] },
      { op: 'CastLike', opset: 15, inputs: [x, integers(0, 1, 1)], types: ['int64'] },
    ]);
  });
  test('rounds to float16, not to float32', () => {
    const x = Tensor.float64([4], [1 + 2 ** -11, 1 + 3 * 2 ** -11, 65520, 1 + 2 ** -40]);
    const [half] = evaluateOp({
      op: 'Cast',
      opset: 13,
      inputs: [x],
      attributes: { to: 10 },
      types: ['float16'],
    });
    expect([...half.data]).toEqual([1, 1 + 2 ** -9, Number.POSITIVE_INFINITY, 1]);
    const [single] = evaluateOp({
      op: 'Cast',
      opset: 13,
      inputs: [x],
      attributes: { to: 1 },
      types: ['float32'],
    });
    expect(single.data[3]).toBe(1 + 2 ** -40);
  });
});
