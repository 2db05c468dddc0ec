import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, f32, i64, normal } from './against-ort.js';

const MODES = ['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'];
const none = f32();

describe('Resize and Upsample against ONNX Runtime', () => {
  test('linear and cubic in every coordinate mode, up and down', async () => {
    for (const mode of ['linear', 'cubic'])
      for (const coordinate_transformation_mode of MODES)
        for (const sizes of [
          [1, 2, 7, 9],
          [1, 2, 3, 4],
          [1, 2, 1, 12],
        ])
          await expectLikeOrt({
            op: 'Resize',
            opset: 13,
            inputs: [normal(1, 2, 5, 6), none, undefined, i64(...sizes)],
            attributes: { mode, coordinate_transformation_mode },
            tolerance: 2e-6,
          });
  });
  test('nearest in every rounding', async () => {
    for (const nearest_mode of ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'])
      for (const coordinate_transformation_mode of MODES)
        for (const scales of [
          [1, 1, 2, 2],
          [1, 1, 1.5, 0.5],
        ])
          await expectLikeOrt({
            op: 'Resize',
            opset: 13,
            inputs: [normal(1, 2, 4, 6), none, f32(...scales)],
            attributes: { nearest_mode, coordinate_transformation_mode },
          });
    await expectLikeOrt({
      op: 'Resize',
      opset: 11,
      inputs: [normal(1, 1, 4, 4), none, f32(1, 1, 1.5, 2)],
      attributes: { coordinate_transformation_mode: 'tf_half_pixel_for_nn' },
    });
  });
  test('nearest where coordinates fall on a tie but for the rounding of float32', async () => {
    for (const nearest_mode of ['round_prefer_floor', 'round_prefer_ceil', 'floor', 'ceil'])
      for (const coordinate_transformation_mode of [...MODES, 'half_pixel_symmetric']) {
        const attributes = { nearest_mode, coordinate_transformation_mode };
        for (const scale of [0.3, 0.6, 0.7, 1.1, 1.2, 1.3, 2.2, 2.6])
          for (const length of [8, 20])
            await expectLikeOrt({
              op: 'Resize',
              opset: 19,
              inputs: [normal(1, 1, length, 2), none, f32(1, 1, scale, 1)],
              attributes,
            });
        for (const [length, size] of [
          [7, 9],
          [10, 6],
          [10, 12],
          [7, 2],
        ])
          await expectLikeOrt({
            op: 'Resize',
            opset: 19,
            inputs: [normal(1, 1, length, 2), none, undefined, i64(1, 1, size, 2)],
            attributes,
          });
      }
  });
  test('a scale that changes no dim changes nothing', async () => {
    await expectLikeOrt({
      op: 'Resize',
      opset: 19,
      inputs: [normal(1, 1, 5, 2), none, f32(1, 1, 1.1, 1)],
      attributes: { mode: 'linear' },
    });
  });
  test('scales, axes, aspect, crop', async () => {
    const x = normal(1, 2, 5, 6);
    for (const coordinate_transformation_mode of MODES)
      await expectLikeOrt({
        op: 'Resize',
        opset: 13,
        inputs: [x, none, f32(1, 1, 1.7, 2.3)],
        attributes: { mode: 'linear', coordinate_transformation_mode },
        tolerance: 2e-6,
      });
    await expectLikeOrt({
      op: 'Resize',
      opset: 18,
      inputs: [x, none, undefined, i64(10, 3)],
      attributes: { mode: 'linear', axes: [2, 3] },
    });
    for (const keep_aspect_ratio_policy of ['not_larger', 'not_smaller'])
      await expectLikeOrt({
        op: 'Resize',
        opset: 18,
        inputs: [x, none, undefined, i64(10, 9)],
        attributes: { axes: [2, 3], keep_aspect_ratio_policy },
      });
    await expectLikeOrt({
      op: 'Resize',
      opset: 19,
      inputs: [x, none, f32(1, 1, 1.7, 0.6)],
      attributes: { mode: 'linear', coordinate_transformation_mode: 'half_pixel_symmetric' },
      tolerance: 2e-6,
    });
    await expectLikeOrt({
      op: 'Resize',
      opset: 13,
      inputs: [x, f32(0, 0, 0.2, -0.3, 1, 1, 0.7, 1.1), undefined, i64(1, 2, 4, 7)],
      attributes: {
        mode: 'linear',
        coordinate_transformation_mode: 'tf_crop_and_resize',
        extrapolation_value: { float: 9 },
      },
      tolerance: 3e-6,
    });
    await expectLikeOrt({
      op: 'Resize',
      opset: 13,
      inputs: [x, none, f32(1, 1, 2, 2)],
      attributes: { mode: 'cubic', exclude_outside: 1, cubic_coeff_a: { float: -0.5 } },
    });
  });
  test('opset 10 and Upsample', async () => {
    const x = normal(1, 2, 3, 4);
    for (const mode of ['nearest', 'linear']) {
      await expectLikeOrt({ op: 'Resize', opset: 10, inputs: [x, f32(1, 1, 2, 1.5)], attributes: { mode } });
      await expectLikeOrt({ op: 'Upsample', opset: 9, inputs: [x, f32(1, 1, 2, 3)], attributes: { mode } });
      await expectLikeOrt({
        op: 'Upsample',
        opset: 7,
        inputs: [x],
        attributes: { mode, scales: { floats: [1, 1, 2, 1.5] } },
      });
    }
  });
  test('computed by hand: linear, aligned corners and half pixels', () => {
    const x = Tensor.float32([1, 1, 2], [0, 4]);
    const run = (coordinate_transformation_mode: string) => [
      ...evaluateOp({
        op: 'Resize',
        opset: 13,
        inputs: [x, none, undefined, i64(1, 1, 4)],
        attributes: { mode: 'linear', coordinate_transformation_mode },
      })[0].data,
    ];
    expect(run('align_corners')).toEqual([0, 4 / 3, 8 / 3, 4].map((v) => expect.closeTo(v, 14)));
    expect(run('half_pixel')).toEqual([0, 1, 3, 4]);
    expect(run('asymmetric')).toEqual([0, 2, 4, 4]);
  });
});
