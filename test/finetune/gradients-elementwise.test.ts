import { describe, test } from 'vitest';
import type { AttributeInit, GraphBuilder, Value } from '../../src/onnx/index.js';
import { expectClose } from '../support/close.js';
import { checkGradients, type Draw, type GradientCase, offKinks } from '../support/gradcheck.js';
import { gradientOf } from '../support/gradient-of.js';

type Shape = readonly number[];
const SHAPES: Record<string, Shape> = {
  scalar: [],
  row: [7],
  'batch of rows': [2, 5],
  images: [2, 3, 3, 2],
  sequence: [2, 3, 5],
};

interface Activation {
  readonly attributes?: Readonly<Record<string, Readonly<Record<string, AttributeInit>>>>;
  readonly kinks?: readonly number[];
  /** The first opset that has it. */
  readonly since: number;
  readonly draw?: (normal: () => number) => number;
  readonly tolerance?: number;
}

const float = (v: number): AttributeInit => ({ float: v });
const positive = (normal: () => number): number => 0.3 + Math.abs(normal());
/** The gradient holds the formula's constants as float32, the reference as float64. */
const ROUNDED = 3e-7;

/** Attributes away from their defaults, and none: the specification's defaults. */
const activations: Readonly<Record<string, Activation>> = {
  Abs: { since: 7, kinks: [0] },
  Celu: { since: 12, attributes: { 'alpha 0.5': { alpha: float(0.5) }, 'alpha 2': { alpha: float(2) } } },
  Cos: { since: 7 },
  Elu: { since: 7, kinks: [0], attributes: { 'alpha 0.7': { alpha: float(0.7) } }, tolerance: ROUNDED },
  Erf: { since: 9, tolerance: ROUNDED },
  Gelu: { since: 20, attributes: { tanh: { approximate: 'tanh' } }, tolerance: ROUNDED },
  LeakyRelu: {
    since: 7,
    kinks: [0],
    attributes: {
      'alpha 0.2': { alpha: float(0.2) },
      'alpha 0': { alpha: float(0) },
      'alpha -0.5': { alpha: float(-0.5) },
      'alpha 2': { alpha: float(2) },
    },
    tolerance: ROUNDED,
  },
  Log: { since: 7, draw: positive },
  Mish: { since: 18 },
  Selu: {
    since: 7,
    kinks: [0],
    attributes: { 'alpha 1.2, gamma 0.8': { alpha: float(1.2), gamma: float(0.8) } },
    tolerance: ROUNDED,
  },
  Sin: { since: 7 },
  Softplus: { since: 7 },
  Softsign: { since: 7 },
  ThresholdedRelu: {
    since: 10,
    kinks: [1, -0.5],
    attributes: { 'alpha -0.5': { alpha: float(-0.5) } },
  },
};

/** Opsets that changed operators, from the oldest to the newest that the runtime has. */
const OPSETS = [7, 9, 10, 12, 13, 17, 18, 20, 21, 23, 26];

describe('activations', () => {
  for (const [op, { attributes = {}, kinks = [], since, draw, tolerance }] of Object.entries(activations)) {
    const of = (dims: Shape, given: Readonly<Record<string, AttributeInit>>): GradientCase => ({
      inputs: { x: draw ? { dims, value: draw } : offKinks(dims, kinks) },
      build: (b, v) => b.op(op, [v.x], given),
      ...(tolerance === undefined ? {} : { tolerance }),
    });
    for (const [shape, dims] of Object.entries(SHAPES))
      test(`${op}, ${shape}`, () => checkGradients(`${op} ${shape}`, of(dims, {})));
    for (const [name, given] of Object.entries(attributes))
      test(`${op}, ${name}`, () => checkGradients(`${op} ${name}`, of([3, 11], given)));
    for (const opset of OPSETS.filter((o) => o >= since))
      test(`${op}, defaults of opset ${opset}`, () =>
        checkGradients(`${op} opset ${opset}`, { ...of([3, 5], {}), opset }));
  }
});

describe('far from 0, where formulas overflow or cancel', () => {
  const far: Draw = { dims: [8], value: (_, i) => [-90, -30, -12, -5, 5, 12, 30, 90][i] };
  for (const op of ['Celu', 'Elu', 'Erf', 'Gelu', 'Mish', 'Selu', 'Sigmoid', 'Softplus', 'Softsign', 'Tanh'])
    test(op, () =>
      checkGradients(`far ${op}`, {
        inputs: { x: far },
        build: (b, v) => b.op(op, [v.x]),
        // A central difference at 90 has lost two digits.
        tolerance: 1e-5,
      }),
    );
});

/** Two operands, all ways to broadcast. */
const PAIRS: Record<string, readonly [Shape, Shape]> = {
  'equal shapes': [
    [2, 3, 4],
    [2, 3, 4],
  ],
  'a row': [[2, 3, 4], [4]],
  'a channel': [
    [2, 3, 2, 2],
    [3, 1, 1],
  ],
  'the first smaller': [
    [3, 1],
    [2, 3, 4],
  ],
  'both ways': [
    [2, 1, 4],
    [3, 1],
  ],
  'a scalar': [[2, 3], []],
};

describe('Pow', () => {
  const base = (dims: Shape): Draw => ({ dims, value: positive });
  for (const [name, [p, q]] of Object.entries(PAIRS))
    test(`computed exponent, ${name}`, () =>
      checkGradients(`Pow ${name}`, {
        inputs: { x: base(p), e: q },
        build: (b, v) => b.op('Pow', [v.x, v.e]),
        tolerance: ROUNDED,
      }));
  for (const exponent of [2, 3, 1, 0, -1, -2])
    test(`exponent ${exponent}, of either sign of X`, () =>
      checkGradients(`Pow ${exponent}`, {
        inputs: { x: offKinks([3, 4], [0]) },
        build: (b, v) => b.op('Pow', [v.x, b.f32(exponent)]),
        // 1/x² has large derivatives near 0.
        tolerance: 1e-5,
      }));
  for (const exponent of [0.5, -0.75])
    test(`exponent ${exponent}`, () =>
      checkGradients(`Pow ${exponent}`, {
        inputs: { x: base([3, 4]) },
        build: (b, v) => b.op('Pow', [v.x, b.f32(exponent)]),
      }));
  test('an integer exponent, one per channel', () =>
    checkGradients('Pow int', {
      inputs: { x: offKinks([2, 3, 2], [0]) },
      build: (b, v) => b.op('Pow', [v.x, b.i64([1, 2, 3], [3, 1])]),
    }));
  test('opset 7', () =>
    checkGradients('Pow opset 7', {
      inputs: { x: base([2, 3]), e: [3] },
      build: (b, v) => b.op('Pow', [v.x, v.e]),
      tolerance: ROUNDED,
      opset: 7,
    }));
});

describe('PRelu', () => {
  for (const [name, dims] of Object.entries<Shape>({
    'per channel': [3, 1, 1],
    shared: [1],
    scalar: [],
    'per element': [3, 2, 2],
    'with a batch axis': [1, 3, 1, 1],
  }))
    test(name, () =>
      checkGradients(`PRelu ${name}`, {
        inputs: { x: offKinks([2, 3, 2, 2], [0]), slope: dims },
        build: (b, v) => b.op('PRelu', [v.x, v.slope]),
      }),
    );
  for (const opset of [7, 9, 16, 21])
    test(`opset ${opset}`, () =>
      checkGradients(`PRelu opset ${opset}`, {
        inputs: { x: offKinks([2, 3, 4], [0]), slope: [3, 1] },
        build: (b, v) => b.op('PRelu', [v.x, v.slope]),
        opset,
      }));
});

/** Distinct multiples of 0.1 plus a small offset per operand: no two operands meet. */
function apart(operand: number): (normal: () => number, index: number) => number {
  return (normal) => Math.round(normal() * 10) / 10 + 0.02 * operand;
}

describe('Min and Max', () => {
  for (const op of ['Min', 'Max']) {
    for (const [name, [p, q]] of Object.entries(PAIRS))
      test(`${op}, ${name}`, () =>
        checkGradients(`${op} ${name}`, {
          inputs: { p: { dims: p, value: apart(0) }, q: { dims: q, value: apart(1) } },
          build: (b, v) => b.op(op, [v.p, v.q]),
        }));
    test(`${op} of one`, () =>
      checkGradients(`${op} 1`, { inputs: { p: [2, 3] }, build: (b, v) => b.op(op, [v.p]) }));
    test(`${op} of four`, () =>
      checkGradients(`${op} 4`, {
        inputs: {
          p: { dims: [2, 3], value: apart(0) },
          q: { dims: [3], value: apart(1) },
          r: { dims: [2, 1], value: apart(2) },
          s: { dims: [], value: apart(3) },
        },
        build: (b, v) => b.op(op, [v.p, v.q, v.r, v.s]),
      }));
    for (const opset of [8, 12, 13, 21])
      test(`${op}, opset ${opset}`, () =>
        checkGradients(`${op} opset ${opset}`, {
          inputs: { p: { dims: [2, 3], value: apart(0) }, q: { dims: [3], value: apart(1) } },
          build: (b, v) => b.op(op, [v.p, v.q]),
          opset,
        }));
  }
});

describe('Where', () => {
  for (const [name, [p, q]] of Object.entries(PAIRS))
    test(name, () =>
      checkGradients(`Where ${name}`, {
        inputs: { c: offKinks([1, 1], [0]), p, q },
        build: (b, v) => {
          const chosen = b.op('Where', [b.op('Greater', [v.c, b.f32(0)]), v.p, v.q]);
          // The condition gets no gradient of its own, but must be on the path to be checked.
          return b.op('Add', [chosen, b.op('Mul', [v.c, v.c])]);
        },
      }),
    );
  test('one branch constant, as masks are written', () =>
    checkGradients('Where mask', {
      inputs: { x: [3, 4] },
      build: (b, v) => b.op('Where', [evenMask(b), v.x, b.f32(-1e4)]),
      opset: 9,
    }));
});

function evenMask(b: GraphBuilder): Value {
  const pattern = b.f32([1, 0, 1, 0]);
  return b.op('Cast', [pattern], { to: 9 });
}

describe("exporters' patterns", () => {
  const patterns: Record<string, (b: GraphBuilder, x: Value) => Value> = {
    'SiLU: x·σ(x)': (b, x) => b.op('Mul', [x, b.op('Sigmoid', [x])]),
    'Gelu by Erf': (b, x) => {
      const erf = b.op('Erf', [b.op('Div', [x, b.f32(Math.SQRT2)])]);
      return b.op('Mul', [b.op('Mul', [x, b.op('Add', [erf, b.f32(1)])]), b.f32(0.5)]);
    },
    'Gelu by Pow and Tanh': (b, x) => {
      const cube = b.op('Mul', [b.op('Pow', [x, b.f32(3)]), b.f32(0.044715)]);
      const u = b.op('Mul', [b.op('Add', [x, cube]), b.f32(Math.sqrt(2 / Math.PI))]);
      const t = b.op('Add', [b.op('Tanh', [u]), b.f32(1)]);
      return b.op('Mul', [b.op('Mul', [x, b.f32(0.5)]), t]);
    },
    'Mish: x·tanh(softplus(x))': (b, x) => b.op('Mul', [x, b.op('Tanh', [b.op('Softplus', [x])])]),
    'HardSwish by HardSigmoid': (b, x) =>
      b.op('Mul', [x, b.op('HardSigmoid', [x], { alpha: float(1 / 6), beta: float(0.5) })]),
    'HardSwish by Clip': (b, x) => {
      const gate = b.op('Clip', [b.op('Add', [x, b.f32(3)]), b.f32(0), b.f32(6)]);
      return b.op('Div', [b.op('Mul', [x, gate]), b.f32(6)]);
    },
    'LeakyReLU by Max (TensorFlow)': (b, x) => b.op('Max', [x, b.op('Mul', [x, b.f32(0.3)])]),
    'ReLU6 by Min and Max': (b, x) => b.op('Min', [b.op('Max', [x, b.f32(0)]), b.f32(6)]),
    'PReLU by Relu and Abs (Keras)': (b, x) => {
      const below = b.op('Mul', [b.op('Sub', [x, b.op('Abs', [x])]), b.f32(0.125)]);
      return b.op('Add', [b.op('Relu', [x]), below]);
    },
    'L2 normalization': (b, x) => {
      const square = b.op('ReduceSum', [b.op('Pow', [x, b.f32(2)]), b.i64([1])]);
      return b.op('Div', [x, b.op('Max', [b.op('Sqrt', [square]), b.f32(1e-12)])]);
    },
    'Swish of opset 24': (b, x) => b.op('Swish', [x], { alpha: float(1.5) }),
  };
  for (const [name, build] of Object.entries(patterns))
    test(name, () =>
      checkGradients(name, {
        inputs: { x: offKinks([3, 9], [0, -3, 3, 6], 3) },
        build: (b, v) => build(b, v.x),
        tolerance: ROUNDED,
        ...(name.startsWith('Swish') ? { opset: 24 } : {}),
      }),
    );
});

describe("on a kink, PyTorch 2.13's choice", () => {
  const kinks: Record<
    string,
    readonly [build: (b: GraphBuilder, x: Value) => Value, x: readonly number[], dx: readonly number[]]
  > = {
    Abs: [(b, x) => b.op('Abs', [x]), [-1, 0, 1], [-1, 0, 1]],
    LeakyRelu: [(b, x) => b.op('LeakyRelu', [x], { alpha: { float: 0.25 } }), [-1, 0, 1], [0.25, 0.25, 1]],
    PRelu: [(b, x) => b.op('PRelu', [x, b.f32([0.25])]), [-1, 0, 1], [0.25, 0.25, 1]],
    Elu: [(b, x) => b.op('Elu', [x], { alpha: { float: 0.75 } }), [0, 1], [0.75, 1]],
    Selu: [(b, x) => b.op('Selu', [x]), [0], [1.7580993175506592]],
    Celu: [(b, x) => b.op('Celu', [x], { alpha: { float: 0.5 } }), [0, 1], [1, 1]],
    ThresholdedRelu: [(b, x) => b.op('ThresholdedRelu', [x]), [0, 1, 2], [0, 0, 1]],
    Max: [(b, x) => b.op('Max', [x, b.f32(0)]), [-1, 0, 1], [0, 0.5, 1]],
    Min: [(b, x) => b.op('Min', [x, b.f32(0)]), [-1, 0, 1], [1, 0.5, 0]],
    'Pow 2': [(b, x) => b.op('Pow', [x, b.f32(2)]), [0], [0]],
    'Pow 1': [(b, x) => b.op('Pow', [x, b.f32(1)]), [0], [1]],
    'Pow 0': [(b, x) => b.op('Pow', [x, b.f32(0)]), [0], [0]],
    'exponents of 0': [(b, x) => b.op('Pow', [b.f32(0), x]), [0, 1, 2], [0, 0, 0]],
  };
  for (const [name, [build, x, dx]] of Object.entries(kinks))
    test(name, () => {
      const { gradient } = gradientOf([x.length], x, build, () => 1);
      // A float32 constant of the formula may be off by half its last bit.
      expectClose(gradient, dx, { absolute: 0, relative: 1e-7 }, name);
    });
});
