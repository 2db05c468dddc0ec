import { describe, expect, test } from 'vitest';
import { emitInternal } from '../../src/finetune/autodiff/internal.js';
import { blockedLowering } from '../../src/finetune/lowering/blocked/index.js';
import { type GraphBuilder, tensorType, type Value } from '../../src/onnx/index.js';
import { blockedCheck } from '../support/blocked-engine.js';
import { inside, type LoweringCase, lowerCases } from '../support/lowering-cases.js';

const check = blockedCheck();

type Inputs = Readonly<Record<string, Value>>;

/** In training mode; `guess` as the running mean of a step graph. */
function norm(b: GraphBuilder, x: Value, gamma: Value, beta: Value, guess?: Value): readonly Value[] {
  const channels = tensorType('float32', gamma.shape);
  return emitInternal(b, 'BatchNormTrain', [x, gamma, beta, guess], [x.type, channels, channels], {
    epsilon: { float: 1e-5 },
  });
}

const zeros = (b: GraphBuilder, channels: number): Value => b.f32(new Float32Array(channels));

function conv3(b: GraphBuilder, x: Value, w: Value, strides = [1, 1], bias?: Value): Value {
  return b.op('Conv', [x, w, bias], { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides });
}

/** A convolution, its BatchNormalization, and what `then` makes of it; also the batch statistics. */
function afterConv(
  name: string,
  [n, c, o, side]: readonly number[],
  then: (b: GraphBuilder, y: Value, v: Inputs) => Value,
  guess: 'zero' | 'none' = 'zero',
): LoweringCase {
  return {
    name,
    inputs: { x: [n, c, side, side + 1] },
    weights: { w: [o, c, 3, 3], gamma: [o], beta: [o] },
    build: (b, v) => {
      const u = conv3(b, inside(b, v.x), v.w);
      const [y, mean, variance] = norm(b, u, v.gamma, v.beta, guess === 'zero' ? zeros(b, o) : undefined);
      return [inside(b, then(b, y, v)), mean, variance];
    },
  };
}

const SIX = (b: GraphBuilder, v: Value): Value => b.op('Clip', [v, b.f32(0), b.f32(6)]);

test('after a convolution, with and without activation, on and off the block, with and without a guess', () =>
  check(
    [6, 16, 24].flatMap((o) => [
      afterConv(`${o} bare`, [2, 16, o, 6], (_, y) => y),
      afterConv(`${o} bare, no guess`, [2, 16, o, 6], (_, y) => y, 'none'),
      afterConv(`${o} relu`, [2, 8, o, 5], (b, y) => b.op('Relu', [y])),
      afterConv(`${o} relu6`, [1, 20, o, 7], SIX),
      afterConv(`${o} small map`, [2, 24, o, 1], (b, y) => b.op('Relu', [y])),
      afterConv(`${o} sigmoid`, [2, 8, o, 4], (b, y) => b.op('Sigmoid', [y])),
    ]),
  ));

test('the result, or the input, read several times', () =>
  check([
    afterConv('result twice', [2, 16, 24, 5], (b, y) => b.op('Add', [b.op('Relu', [y]), b.op('Tanh', [y])])),
    afterConv('result by convolutions', [2, 16, 16, 9], (b, y) =>
      b.op('Add', [
        inside(b, y),
        conv3(b, y, b.f32(new Float32Array(16 * 16 * 9).fill(0.1), [16, 16, 3, 3])),
      ]),
    ),
    {
      name: 'input by two layers',
      inputs: { x: [2, 8, 5, 6] },
      weights: { w: [24, 8, 3, 3], gamma: [24], beta: [24], gamma2: [24] },
      build: (b, v) => {
        const u = conv3(b, inside(b, v.x), v.w);
        const [p] = norm(b, u, v.gamma, v.beta, zeros(b, 24));
        const [q] = norm(b, u, v.gamma2, v.beta, zeros(b, 24));
        return inside(b, b.op('Mul', [b.op('Relu', [p]), b.op('Sigmoid', [q])]));
      },
    },
    {
      name: 'input also by an activation, and as a result',
      inputs: { x: [2, 8, 5, 6] },
      weights: { w: [24, 8, 3, 3], gamma: [24], beta: [24] },
      build: (b, v) => {
        const u = conv3(b, inside(b, v.x), v.w);
        const [y] = norm(b, u, v.gamma, v.beta, zeros(b, 24));
        return [inside(b, b.op('Add', [y, b.op('Relu', [u])])), u];
      },
    },
    {
      name: 'one layer applied twice',
      inputs: { x: [2, 16, 5, 6] },
      weights: { w: [16, 16, 3, 3], gamma: [16], beta: [16] },
      build: (b, v) => {
        const [p] = norm(b, conv3(b, inside(b, v.x), v.w), v.gamma, v.beta, zeros(b, 16));
        const [q] = norm(b, conv3(b, b.op('Relu', [p]), v.w), v.gamma, v.beta, zeros(b, 16));
        return inside(b, q);
      },
    },
  ]));

describe('before a max pooling', () => {
  const AROUND = { kernel_shape: [3, 3], strides: [2, 2], pads: [1, 1, 1, 1] };
  const POOLS = {
    '3 by 2, 1 around': AROUND,
    '3 by 2, up': { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 },
    '3 by 1, 1 around': { kernel_shape: [3, 3], pads: [1, 1, 1, 1] },
    '2 by 2': { kernel_shape: [2, 2], strides: [2, 2] },
    '3 by 2, dilated': { kernel_shape: [3, 3], strides: [2, 2], dilations: [2, 2] },
  };
  const pooled =
    (attributes: Parameters<GraphBuilder['op']>[2], rectify?: (b: GraphBuilder, y: Value) => Value) =>
    (b: GraphBuilder, y: Value): Value =>
      b.op('MaxPool', [rectify ? rectify(b, y) : y], attributes);
  const RELU = (b: GraphBuilder, v: Value): Value => b.op('Relu', [v]);

  // Half of the scales are negative, and most of the convolution's results far below zero, which padding is not.
  test('scales of both signs, with and without a rectifier, on and off the block', () =>
    check(
      Object.entries(POOLS).flatMap(([name, attributes]) =>
        [6, 16, 24].flatMap((o) => [
          afterConv(`${name}: ${o} relu`, [2, 16, o, 7], pooled(attributes, RELU)),
          afterConv(`${name}: ${o} relu6`, [2, 8, o, 8], pooled(attributes, SIX)),
          afterConv(`${name}: ${o} bare`, [2, 16, o, 7], pooled(attributes)),
          afterConv(`${name}: ${o} no guess`, [2, 16, o, 7], pooled(attributes, RELU), 'none'),
        ]),
      ),
    ));

  test('after a stem, after no convolution, and of a result that others read too', () =>
    check([
      ...[16, 24].map((o) => ({
        name: `stem of ${o}`,
        inputs: { x: [2, 3, 13, 14] },
        weights: { w: [o, 3, 7, 7], gamma: [o], beta: [o] },
        build: (b: GraphBuilder, v: Inputs) => {
          const bias = b.f32(Float32Array.from({ length: o }, (_, i) => i - 30));
          const u = b.op('Conv', [v.x, v.w, bias], {
            kernel_shape: [7, 7],
            pads: [3, 3, 3, 3],
            strides: [2, 2],
          });
          const [y, mean, variance] = norm(b, u, v.gamma, v.beta, b.f32(new Float32Array(o).fill(-25)));
          return [inside(b, pooled(AROUND, RELU)(b, y)), mean, variance];
        },
      })),
      {
        name: 'of a sum',
        inputs: { x: [2, 24, 6, 7] },
        weights: { gamma: [24], beta: [24] },
        build: (b, v) => {
          const x = inside(b, v.x);
          const [y] = norm(b, b.op('Add', [x, b.op('Sigmoid', [x])]), v.gamma, v.beta, zeros(b, 24));
          return inside(b, pooled(AROUND, RELU)(b, y));
        },
      },
      afterConv('rectified read too', [2, 16, 24, 6], (b, y) => {
        const r = b.op('Relu', [y]);
        return b.op('Add', [r, b.op('MaxPool', [r], { kernel_shape: [3, 3], pads: [1, 1, 1, 1] })]);
      }),
      afterConv('pooled twice', [2, 16, 16, 8], (b, y) => {
        const r = b.op('Relu', [y]);
        const wide = { kernel_shape: [5, 5], strides: [2, 2], pads: [2, 2, 2, 2] };
        return b.op('Sub', [pooled(wide)(b, r), pooled(AROUND)(b, r)]);
      }),
    ]));

  test('scales of 0', () =>
    check([
      {
        name: 'every third',
        inputs: { x: [2, 16, 7, 8] },
        weights: { w: [24, 16, 3, 3], beta: [24] },
        build: (b, v) => {
          const gamma = b.f32(Float32Array.from({ length: 24 }, (_, i) => (i % 3 === 0 ? 0 : i - 11)));
          const [y] = norm(b, conv3(b, inside(b, v.x), v.w), gamma, v.beta, zeros(b, 24));
          return inside(b, pooled(AROUND, RELU)(b, y));
        },
      },
    ]));

  test('the pooling comes first: no map of its input is normalized', () => {
    const { model } = lowerCases(
      [afterConv('one', [2, 16, 16, 32], pooled(AROUND, RELU))],
      blockedLowering(16),
    );
    const maps = model.graph.nodes.filter((n) => n.opType === 'MaxPool').map((n) => n.input(0).producer);
    // Of rows, over the convolution; then of columns, over those.
    expect(maps.map((n) => n?.opType)).toEqual(['Conv', 'MaxPool']);
    expect(maps[0]?.input(1).shape).toEqual([16, 16, 3, 3]);
  });
});

test('after other operators, and first of all', () => {
  const after = (
    name: string,
    channels: number,
    make: (b: GraphBuilder, x: Value) => Value,
    rank3 = false,
  ): LoweringCase => ({
    name: `${name} ${channels}`,
    inputs: { x: rank3 ? [3, channels, 7] : [2, channels, 6, 7] },
    weights: { gamma: [channels], beta: [channels] },
    build: (b, v) => {
      const [y, mean, variance] = norm(b, make(b, v.x), v.gamma, v.beta, zeros(b, channels));
      return [inside(b, b.op('Relu', [y])), mean, variance];
    },
  });
  return check(
    [3, 16, 24].flatMap((c) => [
      after('the input', c, (_, x) => x),
      after('relu', c, (b, x) => b.op('Relu', [inside(b, x)])),
      after('sum', c, (b, x) => b.op('Add', [inside(b, x), b.op('Sigmoid', [inside(b, x)])])),
      after('max pool', c, (b, x) =>
        b.op('MaxPool', [inside(b, x)], { kernel_shape: [2, 2], strides: [2, 2] }),
      ),
      after(
        'another one',
        c,
        (b, x) => norm(b, inside(b, x), b.f32(new Float32Array(c).fill(2)), zeros(b, c))[0],
      ),
      after('one axis', c, (_, x) => x, true),
    ]),
  );
});

// 128 values to a channel: the graphs' 1/128 is exact, and the float64 reference no less.
test('means far from zero', () => {
  const far = (mean: number, channels: number): LoweringCase[] => {
    const weights = { gamma: [channels], beta: [channels] };
    const about = { dims: [2, channels, 8, 8], value: (normal: () => number) => mean + normal() };
    return [
      {
        name: `${mean} in the input of ${channels}`,
        inputs: { x: about },
        weights,
        build: (b, v) => {
          const [y, m, variance] = norm(b, v.x, v.gamma, v.beta, zeros(b, channels));
          return [inside(b, b.op('Relu', [y])), m, variance];
        },
      },
      {
        name: `${mean} after a sum of ${channels}`,
        inputs: { x: about },
        weights,
        build: (b, v) => {
          const u = b.op('Add', [inside(b, v.x), b.op('Relu', [inside(b, v.x)])]);
          const [y, m, variance] = norm(b, u, v.gamma, v.beta);
          return [inside(b, y), m, variance];
        },
      },
      {
        name: `${mean} after a convolution of ${channels}, the running mean near`,
        inputs: { x: [2, 16, 8, 8] },
        weights: { ...weights, w: [channels, 16, 3, 3] },
        build: (b, v) => {
          const bias = b.f32(new Float32Array(channels).fill(mean));
          const guess = b.f32(Float32Array.from({ length: channels }, (_, c) => mean + ((c % 5) - 2) * 5));
          const u = conv3(b, inside(b, v.x), v.w, [1, 1], bias);
          const [y, m, variance] = norm(b, u, v.gamma, v.beta, guess);
          return [inside(b, y), m, variance];
        },
      },
    ];
  };
  return check([...far(30, 16), ...far(1000, 24), ...far(-300, 6)]);
});

/**
 * What `shifted` costs where the running mean is no guess at all: the variance loses the digits that the mean, less the
 * guess, has before the deviation, as E[u²] − m² does. (A guess some deviations off, as after a few steps, costs nothing.)
 */
test('a running mean that is far off costs digits, and no more than the ratio says', () =>
  check(
    [3, 30, 100].map((off) => ({
      name: `${off} deviations`,
      floor: 5e-7 * off ** 2,
      inputs: { x: [2, 16, 8, 8] },
      weights: { w: [24, 16, 3, 3], gamma: [24], beta: [24] },
      build: (b, v) => {
        const bias = b.f32(new Float32Array(24).fill(off * 12));
        const [y, m, variance] = norm(
          b,
          conv3(b, inside(b, v.x), v.w, [1, 1], bias),
          v.gamma,
          v.beta,
          zeros(b, 24),
        );
        return [inside(b, y), m, variance];
      },
    })),
  ));

test('scales of 0 and dead channels', () => {
  const dead = (channels: number): LoweringCase => ({
    name: `${channels}`,
    inputs: { x: [2, 16, 5, 6] },
    weights: {
      // Every third kernel is zero: a variance of 0.
      w: {
        dims: [channels, 16, 3, 3],
        value: (normal, i) => (Math.floor(i / 144) % 3 === 0 ? 0 : normal()),
      },
      gamma: { dims: [channels], value: (normal, i) => (i % 4 === 1 ? 0 : normal()) },
      beta: [channels],
    },
    build: (b, v) => {
      const u = conv3(b, inside(b, v.x), v.w);
      const [y, mean, variance] = norm(b, u, v.gamma, v.beta, zeros(b, channels));
      return [inside(b, b.op('Relu', [y])), mean, variance];
    },
  });
  return check([dead(16), dead(24), dead(5)]);
});

test('frozen statistics', () =>
  check(
    [6, 16, 24].flatMap((c) =>
      ['Relu', 'Identity', 'Sigmoid'].map((then) => ({
        name: `${then} ${c}`,
        inputs: { x: [2, c, 5, 6] },
        weights: { w: [c, c, 3, 3], gamma: [c], beta: [c] },
        build: (b, v) => {
          const per = (f: (i: number) => number): Value =>
            b.f32(Float32Array.from({ length: c }, (_, i) => f(i)));
          const u = conv3(b, inside(b, v.x), v.w);
          const y = b.op('BatchNormalization', [
            u,
            v.gamma,
            v.beta,
            per((i) => i / 7 - 1),
            per((i) => 0.5 + i),
          ]);
          return inside(b, b.op(then, [y]));
        },
      })),
    ),
  ));
