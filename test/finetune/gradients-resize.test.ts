import { describe, expect, test } from 'vitest';
import type { AttributeInit, GraphBuilder, Value } from '../../src/onnx/index.js';
import { checkGradients } from '../support/gradcheck.js';
import { gradientOf } from '../support/gradient-of.js';

/** Resize: every interpolation, coordinate and rounding, up and down, by scales and by sizes. */

const COORDINATES = [
  'half_pixel',
  'half_pixel_symmetric',
  'pytorch_half_pixel',
  'align_corners',
  'asymmetric',
  'tf_half_pixel_for_nn',
];
const X = [2, 2, 4, 5];

interface How {
  readonly scales?: readonly number[];
  readonly sizes?: readonly number[];
}

const TO: Readonly<Record<string, How>> = {
  'up by scales': { scales: [1, 1, 2, 2] },
  'up by fractions': { scales: [1, 1, 1.5, 2.6] },
  'down by scales': { scales: [1, 1, 0.5, 0.6] },
  'up by sizes': { sizes: [2, 2, 7, 13] },
  'down by sizes': { sizes: [2, 2, 3, 2] },
  'one up, one down': { sizes: [2, 2, 9, 3] },
  'to a single pixel': { sizes: [2, 2, 1, 1] },
};

function resize(
  b: GraphBuilder,
  x: Value,
  { scales, sizes }: How,
  attributes: Record<string, AttributeInit>,
): Value {
  return b.op('Resize', [x, undefined, scales && b.f32(scales), sizes && b.i64(sizes)], attributes);
}

function check(
  name: string,
  dims: readonly number[],
  how: How,
  attributes: Record<string, AttributeInit>,
): Promise<void> {
  return checkGradients(`Resize ${name}`, {
    inputs: { x: dims },
    build: (b, v) => resize(b, v.x, how, attributes),
    // The weights stand in the graph as float32 constants, the function itself computes them in float64.
    tolerance: attributes.mode === 'nearest' ? 1e-7 : 1e-6,
  });
}

for (const mode of ['nearest', 'linear', 'cubic'])
  for (const coordinate_transformation_mode of COORDINATES)
    describe(`${mode}, ${coordinate_transformation_mode}`, () => {
      const roundings =
        mode === 'nearest' ? ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'] : ['floor'];
      for (const [where, how] of Object.entries(TO))
        test(where, async () => {
          for (const nearest_mode of roundings)
            await check(`${mode} ${coordinate_transformation_mode} ${where} ${nearest_mode}`, X, how, {
              mode,
              nearest_mode,
              coordinate_transformation_mode,
            });
        });
    });

describe('other forms', () => {
  const linear = { mode: 'linear' };
  test('one axis', () => check('1-D', [2, 3, 5], { sizes: [2, 3, 8] }, linear));
  test('three axes', () => check('3-D', [1, 2, 2, 3, 2], { scales: [1, 1, 2, 1.5, 3] }, linear));
  test('channels', () => check('channels', [1, 3, 2, 2], { scales: [1, 2, 1, 2] }, { mode: 'nearest' }));
  test('batch and channels', () => check('batch', [2, 3, 2], { sizes: [3, 2, 2] }, linear));
  test('named axes', () => check('axes', X, { sizes: [6, 3] }, { ...linear, axes: [3, 2] }));
  test('the aspect ratio kept', () =>
    check(
      'aspect',
      X,
      { sizes: [7, 7] },
      { ...linear, axes: [2, 3], keep_aspect_ratio_policy: 'not_larger' },
    ));
  test('cubic, another coefficient, the outside excluded', () =>
    check(
      'cubic',
      X,
      { sizes: [2, 2, 7, 3] },
      { mode: 'cubic', cubic_coeff_a: { float: -0.5 }, exclude_outside: 1 },
    ));
  test('to the same size', () => check('same', X, { scales: [1, 1, 1, 1] }, linear));
  test('a cut-out, partly outside', () => {
    const attributes = {
      mode: 'linear',
      coordinate_transformation_mode: 'tf_crop_and_resize',
      extrapolation_value: { float: 3 },
    };
    return checkGradients('Resize crop', {
      inputs: { x: X },
      build: (b, v) => {
        const roi = b.f32([0, 0, 0.2, -0.3, 1, 1, 0.9, 0.8]);
        return b.op('Resize', [v.x, roi, undefined, b.i64([2, 2, 5, 6])], attributes);
      },
    });
  });
  test('Upsample of opset 9', () =>
    checkGradients('Upsample 9', {
      inputs: { x: X },
      opset: 9,
      build: (b, v) => b.op('Upsample', [v.x, b.f32([1, 1, 2, 3])], { mode: 'linear' }),
    }));
  test('Upsample of opset 7', () =>
    checkGradients('Upsample 7', {
      inputs: { x: X },
      opset: 7,
      build: (b, v) => b.op('Upsample', [v.x], { mode: 'nearest', scales: { floats: [1, 1, 2, 2] } }),
    }));
});

describe('what is emitted', () => {
  const ops = (how: How, attributes: Record<string, AttributeInit>): string[] => {
    const data = new Array<number>(80).fill(1);
    const { graph } = gradientOf(
      X,
      data,
      (b, x) => resize(b, x, how, attributes),
      () => 1,
    );
    return graph.nodes.map((n) => n.opType);
  };
  const doubled = { scales: [1, 1, 2, 3] };

  test('repeated pixels are summed by a pool', () => {
    for (const attributes of [
      { mode: 'nearest' },
      { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' },
    ])
      expect(ops(doubled, attributes)).toEqual(['Resize', 'AveragePool', 'Mul', 'Identity']);
  });
  test('others are two products', () => {
    expect(ops(doubled, { mode: 'linear' })).toEqual(['Resize', 'MatMul', 'MatMul', 'Identity']);
  });
});
