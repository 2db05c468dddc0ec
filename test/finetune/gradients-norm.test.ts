import { describe, test } from 'vitest';
import type { AttributeInit } from '../../src/onnx/index.js';
import { checkGradients } from '../support/gradcheck.js';

type Shape = readonly number[];
const epsilon = (v: number): Record<string, AttributeInit> => ({ epsilon: { float: v } });
/** 1/σ is steep where a run is short. */
const STEEP = 1e-6;

describe('LayerNormalization', () => {
  interface Case {
    readonly x: Shape;
    readonly axis?: number;
    readonly scale: Shape;
    readonly bias?: Shape;
    readonly epsilon?: number;
  }
  const cases: Record<string, Case> = {
    'rows, defaults': { x: [3, 5], scale: [5], bias: [5] },
    'channels last': { x: [2, 2, 3, 4], scale: [4], bias: [4], epsilon: 1e-6 },
    'no bias': { x: [2, 3, 4], scale: [4] },
    'axis 1': { x: [2, 3, 4], axis: 1, scale: [3, 4], bias: [3, 4] },
    'axis -2': { x: [2, 3, 4], axis: -2, scale: [3, 4], bias: [3, 4], epsilon: 1e-2 },
    'axis 0': { x: [3, 4], axis: 0, scale: [3, 4] },
    'broadcast parameters': { x: [2, 3, 4], axis: 1, scale: [3, 1], bias: [4] },
    'a scalar scale': { x: [4, 3], scale: [], bias: [1] },
  };
  for (const [name, c] of Object.entries(cases))
    for (const opset of [17, 20, 21, 26])
      test(`${name}, opset ${opset}`, () =>
        checkGradients(`LayerNormalization ${name}`, {
          inputs: c.bias ? { x: c.x, scale: c.scale, bias: c.bias } : { x: c.x, scale: c.scale },
          build: (b, v) =>
            b.op('LayerNormalization', c.bias ? [v.x, v.scale, v.bias] : [v.x, v.scale], {
              ...(c.axis === undefined ? {} : { axis: c.axis }),
              ...(c.epsilon === undefined ? {} : epsilon(c.epsilon)),
            }),
          tolerance: STEEP,
          opset,
        }));
  test('mean far from 0', () =>
    checkGradients('LayerNormalization far', {
      inputs: { x: { dims: [3, 8], value: (n) => 100 + n() }, scale: [8], bias: [8] },
      build: (b, v) => b.op('LayerNormalization', [v.x, v.scale, v.bias]),
      // The function itself is evaluated at x ≈ 100, where a step of 1e-5 loses two more digits.
      tolerance: 1e-5,
    }));
});

describe('InstanceNormalization', () => {
  const shapes: Record<string, Shape> = {
    images: [2, 3, 3, 4],
    sequence: [2, 2, 7],
    volume: [1, 2, 2, 3, 2],
    'one channel': [3, 1, 4, 2],
  };
  for (const [name, x] of Object.entries(shapes))
    for (const opset of [7, 20, 22, 26])
      test(`${name}, opset ${opset}`, () =>
        checkGradients(`InstanceNormalization ${name}`, {
          inputs: { x, scale: [x[1]], bias: [x[1]] },
          build: (b, v) => b.op('InstanceNormalization', [v.x, v.scale, v.bias]),
          tolerance: STEEP,
          opset,
        }));
  test('epsilon', () =>
    checkGradients('InstanceNormalization epsilon', {
      inputs: { x: [2, 2, 3, 3], scale: [2], bias: [2] },
      build: (b, v) => b.op('InstanceNormalization', [v.x, v.scale, v.bias], epsilon(0.1)),
    }));
});

describe('GroupNormalization', () => {
  const cases: Record<string, { readonly x: Shape; readonly groups: number; readonly epsilon?: number }> = {
    'two groups': { x: [2, 6, 3, 2], groups: 2 },
    'one group': { x: [2, 4, 2, 2], groups: 1, epsilon: 1e-3 },
    'a group per channel': { x: [2, 3, 5], groups: 3 },
  };
  for (const [name, { x, groups, epsilon: e }] of Object.entries(cases)) {
    const attributes = { num_groups: groups, ...(e === undefined ? {} : epsilon(e)) };
    test(`${name}, scale per group (opset 18)`, () =>
      checkGradients(`GroupNormalization 18 ${name}`, {
        inputs: { x, scale: [groups], bias: [groups] },
        build: (b, v) => b.op('GroupNormalization', [v.x, v.scale, v.bias], attributes),
        tolerance: STEEP,
        opset: 18,
      }));
    test(`${name}, scale per channel (opset 21)`, () =>
      checkGradients(`GroupNormalization 21 ${name}`, {
        inputs: { x, scale: [x[1]], bias: [x[1]] },
        build: (b, v) => b.op('GroupNormalization', [v.x, v.scale, v.bias], attributes),
        tolerance: STEEP,
        opset: 21,
      }));
  }
});

describe('RMSNormalization', () => {
  for (const axis of [-1, 1])
    test(`opset 23, axis ${axis}`, () =>
      checkGradients(`RMSNormalization ${axis}`, {
        inputs: { x: [2, 3, 4], scale: axis === 1 ? [3, 4] : [4] },
        build: (b, v) => b.op('RMSNormalization', [v.x, v.scale], { axis }),
        opset: 23,
        tolerance: STEEP,
      }));
});

describe('LRN', () => {
  const cases: Record<string, { readonly x: Shape; readonly attributes: Record<string, AttributeInit> }> = {
    'defaults, size 5': { x: [2, 7, 2, 3], attributes: { size: 5 } },
    'size 3': {
      x: [2, 4, 3, 2],
      attributes: { size: 3, alpha: { float: 0.5 }, beta: { float: 0.6 }, bias: { float: 2 } },
    },
    'an even size': { x: [1, 6, 2, 2], attributes: { size: 4, alpha: { float: 0.8 } } },
    'wider than the channels': { x: [1, 3, 2, 2], attributes: { size: 7, alpha: { float: 0.8 } } },
    'size 1': { x: [1, 3, 2, 2], attributes: { size: 1, alpha: { float: 0.8 }, beta: { float: 0.5 } } },
    'one channel': { x: [2, 1, 2, 2], attributes: { size: 3, alpha: { float: 0.8 } } },
  };
  for (const [name, { x, attributes }] of Object.entries(cases))
    for (const opset of [7, 13, 20, 26])
      test(`${name}, opset ${opset}`, () =>
        checkGradients(`LRN ${name}`, {
          inputs: { x },
          build: (b, v) => b.op('LRN', [v.x], attributes),
          opset,
          // The CPU provider's LRN takes odd sizes only.
          ...(name === 'an even size' ? { runs: false } : {}),
        }));
});
