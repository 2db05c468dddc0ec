import { test } from 'vitest';
import type { GraphBuilder, Value } from '../../src/onnx/index.js';
import { blockedCheck } from '../support/blocked-engine.js';
import { inside, type LoweringCase } from '../support/lowering-cases.js';

const check = blockedCheck();

const conv3 = (b: GraphBuilder, x: Value, w: Value): Value =>
  b.op('Conv', [x, w], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] });

const SIX = (b: GraphBuilder, v: Value): Value => b.op('Clip', [v, b.f32(0), b.f32(6)]);

const ACTIVATIONS: Readonly<Record<string, (b: GraphBuilder, v: Value) => Value>> = {
  relu: (b, v) => b.op('Relu', [v]),
  relu6: SIX,
  'clip from -1 to 1': (b, v) => b.op('Clip', [v, b.f32(-1), b.f32(1)]),
  'clip from 0': (b, v) => b.op('Clip', [v, b.f32(0)]),
  'clip to 2': (b, v) => b.op('Clip', [v, undefined, b.f32(2)]),
  'clip without 0': (b, v) => b.op('Clip', [v, b.f32(0.5), b.f32(2)]),
  'clip to nothing': (b, v) => b.op('Clip', [v]),
  'hard swish': (b, v) => b.op('HardSwish', [v]),
  'hard sigmoid': (b, v) => b.op('HardSigmoid', [v], { alpha: { float: 1 / 6 }, beta: { float: 0.5 } }),
  sigmoid: (b, v) => b.op('Sigmoid', [v]),
  tanh: (b, v) => b.op('Tanh', [v]),
  swish: (b, v) => b.op('Mul', [v, b.op('Sigmoid', [v])]),
  'hard swish in parts': (b, v) =>
    b.op('Mul', [v, b.op('Div', [SIX(b, b.op('Add', [v, b.f32(3)])), b.f32(6)])]),
  leaky: (b, v) => b.op('LeakyRelu', [v], { alpha: { float: 0.1 } }),
  elu: (b, v) => b.op('Elu', [v]),
  softplus: (b, v) => b.op('Softplus', [v]),
  mish: (b, v) => b.op('Mish', [v]),
  gelu: (b, v) => b.op('Gelu', [v]),
  'gelu in parts': (b, v) =>
    b.op('Mul', [
      b.op('Mul', [v, b.f32(0.5)]),
      b.op('Add', [b.op('Erf', [b.op('Div', [v, b.f32(Math.SQRT2)])]), b.f32(1)]),
    ]),
  exp: (b, v) => b.op('Exp', [b.op('Mul', [v, b.f32(0.25)])]),
  abs: (b, v) => b.op('Abs', [v]),
  'square root': (b, v) => b.op('Sqrt', [b.op('Add', [b.op('Mul', [v, v]), b.f32(1)])]),
  logarithm: (b, v) => b.op('Log', [b.op('Add', [b.op('Mul', [v, v]), b.f32(1)])]),
  power: (b, v) => b.op('Pow', [b.op('Abs', [v]), b.f32(1.5)]),
  reciprocal: (b, v) => b.op('Reciprocal', [b.op('Add', [b.op('Abs', [v]), b.f32(1)])]),
  'none of it': (_, v) => v,
};

test.each([6, 16])('activations, fused and not, %i channels', (c) =>
  check(
    Object.entries(ACTIVATIONS).flatMap(([name, activate]): LoweringCase[] => [
      {
        name: `${name}, fused`,
        inputs: { x: [2, c, 5, 6] },
        weights: { w: [c, c, 3, 3] },
        build: (b, v) => inside(b, activate(b, conv3(b, inside(b, v.x), v.w))),
      },
      {
        name: `${name}, beside another reader`,
        inputs: { x: [2, c, 5, 6] },
        weights: { w: [c, c, 3, 3] },
        build: (b, v) => {
          const u = conv3(b, inside(b, v.x), v.w);
          return inside(b, b.op('Mul', [activate(b, u), u]));
        },
      },
      {
        name: `${name}, last`,
        inputs: { x: [2, c, 5, 6] },
        build: (b, v) => activate(b, inside(b, v.x)),
      },
    ]),
  ),
);

/** Values at the ends of a clip, next to them and far from them. */
function edges(high: number): () => number {
  const top = new Float32Array([high]);
  const bits = new Uint32Array(top.buffer);
  bits[0] -= 1;
  const below = top[0];
  const list = [
    0,
    -1,
    high,
    below,
    2 * high,
    2 ** -126,
    1e-30,
    -1e-30,
    high / 2,
    high / 3,
    below / 2,
    high / 1e6,
  ];
  let at = 0;
  return () => list[at++ % list.length];
}

test.each([6, 1, 8, 0.1, 20, 255])('gradients next to the ends of a clip from 0 to %d', (high) => {
  const next = edges(Math.fround(high));
  return check([
    {
      name: `clip to ${high}`,
      inputs: { x: { dims: [2, 16, 5, 6], value: () => next() } },
      // Into blocks by a convolution that rounds nothing.
      build: (b, v) => {
        const same = b.f32(new Float32Array(16).fill(1), [16, 1, 1, 1]);
        const x = b.op('Conv', [v.x, same], { group: 16, kernel_shape: [1, 1] });
        return b.op('Clip', [x, b.f32(0), b.f32(high)]);
      },
    },
  ]);
});

test('a rectifier of values far below 1', () =>
  check([
    {
      name: 'tiny',
      inputs: { x: { dims: [2, 16, 5, 6], value: (normal) => 1e-30 * normal() } },
      build: (b, v) => inside(b, b.op('Relu', [inside(b, v.x)])),
    },
  ]));
