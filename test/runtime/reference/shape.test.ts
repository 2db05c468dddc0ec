import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, f32, i64, integers, normal, type OpCase } from './against-ort.js';

const all = async (cases: readonly OpCase[]): Promise<void> => {
  for (const c of cases) await expectLikeOrt(c);
};
const MAX = 9223372036854775807n;

describe('dims, against ONNX Runtime', () => {
  test('Reshape, Flatten, Squeeze, Unsqueeze, Shape, Size', async () => {
    const x = normal(2, 3, 4);
    await all([
      { op: 'Reshape', opset: 14, inputs: [x, i64(0, -1)] },
      { op: 'Reshape', opset: 14, inputs: [x, i64(4, 0, 2)] },
      { op: 'Reshape', opset: 14, inputs: [normal(0, 3), i64(3, 0)], attributes: { allowzero: 1 } },
      { op: 'Reshape', opset: 7, inputs: [x, i64(-1)] },
      ...[0, 1, 2, 3, -1].map(
        (axis): OpCase => ({ op: 'Flatten', opset: 13, inputs: [x], attributes: { axis } }),
      ),
      { op: 'Squeeze', opset: 11, inputs: [normal(1, 3, 1, 4)] },
      { op: 'Squeeze', opset: 11, inputs: [normal(1, 3, 1, 4)], attributes: { axes: [2] } },
      { op: 'Squeeze', opset: 13, inputs: [normal(1, 3, 1, 4), i64(-2, 0)] },
      { op: 'Unsqueeze', opset: 11, inputs: [x], attributes: { axes: [0, 4] } },
      { op: 'Unsqueeze', opset: 13, inputs: [x, i64(-1, 1)] },
      { op: 'Shape', opset: 13, inputs: [x], types: ['int64'] },
      { op: 'Shape', opset: 15, inputs: [x], types: ['int64'], attributes: { start: 1 } },
      { op: 'Shape', opset: 15, inputs: [x], types: ['int64'], attributes: { start: -3, end: -1 } },
      { op: 'Size', opset: 13, inputs: [x], types: ['int64'] },
    ]);
    expect(() => evaluateOp({ op: 'Reshape', opset: 14, inputs: [x, i64(5, -1)] })).toThrow(
      /Reshape 'node': shape; expected 24 elements/,
    );
  });
  test('Transpose, Expand, Tile, Concat, Split', async () => {
    const x = normal(2, 3, 4);
    await all([
      { op: 'Transpose', opset: 13, inputs: [x] },
      { op: 'Transpose', opset: 13, inputs: [x], attributes: { perm: [1, 2, 0] } },
      { op: 'Transpose', opset: 13, inputs: [integers(0, 9, 2, 3)], attributes: { perm: [1, 0] } },
      { op: 'Expand', opset: 13, inputs: [normal(3, 1), i64(2, 1, 4)] },
      { op: 'Expand', opset: 13, inputs: [normal(3, 4), i64(1)] },
      { op: 'Tile', opset: 13, inputs: [x, i64(2, 1, 3)] },
      ...[0, 1, -1].map(
        (axis): OpCase => ({ op: 'Concat', opset: 13, inputs: [x, x, x], attributes: { axis } }),
      ),
      {
        op: 'Concat',
        opset: 13,
        inputs: [normal(2, 1), normal(2, 0), normal(2, 3)],
        attributes: { axis: 1 },
      },
      { op: 'Concat', opset: 13, inputs: [i64(1, 2), i64(3)], attributes: { axis: 0 } },
      {
        op: 'Split',
        opset: 11,
        inputs: [x],
        outputs: 2,
        types: ['float32', 'float32'],
        attributes: { axis: 2 },
      },
      {
        op: 'Split',
        opset: 11,
        inputs: [x],
        outputs: 2,
        types: ['float32', 'float32'],
        attributes: { axis: 1, split: [1, 2] },
      },
      {
        op: 'Split',
        opset: 13,
        inputs: [x, i64(3, 1)],
        outputs: 2,
        types: ['float32', 'float32'],
        attributes: { axis: -1 },
      },
      {
        op: 'Split',
        opset: 18,
        inputs: [normal(7, 2)],
        outputs: 3,
        types: ['float32', 'float32', 'float32'],
        attributes: { num_outputs: 3 },
      },
    ]);
    expect(() => evaluateOp({ op: 'Expand', opset: 13, inputs: [normal(3), i64(2)] })).toThrow(/broadcasts/);
    expect(() =>
      evaluateOp({ op: 'Concat', opset: 13, inputs: [normal(2, 3), normal(3, 3)], attributes: { axis: 1 } }),
    ).toThrow(/input 1/);
  });
  test('Slice as attributes and inputs, forward and backward', async () => {
    const x = normal(5, 6, 7);
    await all([
      { op: 'Slice', opset: 9, inputs: [x], attributes: { starts: [1, -3], ends: [3, 100], axes: [0, 2] } },
      { op: 'Slice', opset: 13, inputs: [x, i64(1, 2), i64(4, -1)] },
      { op: 'Slice', opset: 13, inputs: [x, i64(-2), i64(0), i64(-1), i64(-2)] },
      {
        op: 'Slice',
        opset: 13,
        inputs: [x, i64(4, 1), Tensor.int64([2], BigInt64Array.of(-MAX - 1n, MAX)), i64(0, 2), i64(-1, 3)],
      },
      { op: 'Slice', opset: 13, inputs: [x, i64(3), i64(2), i64(1)] },
      { op: 'Slice', opset: 13, inputs: [i64(5, 6, 7), i64(-1), i64(9)] },
    ]);
  });
  test('Pad in every mode, with negative pads and axes', async () => {
    const x = normal(4, 5);
    for (const mode of ['constant', 'reflect', 'edge', 'wrap'])
      await expectLikeOrt({ op: 'Pad', opset: 19, inputs: [x, i64(1, 2, 3, 0)], attributes: { mode } });
    await all([
      { op: 'Pad', opset: 10, inputs: [x], attributes: { pads: [1, 0, 0, 2], value: { float: 3 } } },
      { op: 'Pad', opset: 13, inputs: [x, i64(0, 2, 1, 0), Tensor.float32([], [7])] },
      { op: 'Pad', opset: 13, inputs: [x, i64(-1, 1, 2, -2), Tensor.float32([], [7])] },
      { op: 'Pad', opset: 18, inputs: [x, i64(2, 1), undefined, i64(-1)] },
      { op: 'Pad', opset: 13, inputs: [integers(0, 9, 3), i64(1, 1), Tensor.int64([], [-1])] },
    ]);
    const [y] = evaluateOp({
      op: 'Pad',
      opset: 13,
      inputs: [f32(1, 2, 3, 4, 5), i64(-1, 2)],
      attributes: { mode: 'edge' },
    });
    expect([...y.data]).toEqual([2, 3, 4, 5, 5, 5]);
  });
  test('DepthToSpace, SpaceToDepth, Trilu, EyeLike', async () => {
    await all([
      { op: 'DepthToSpace', opset: 13, inputs: [normal(2, 8, 3, 2)], attributes: { blocksize: 2 } },
      {
        op: 'DepthToSpace',
        opset: 13,
        inputs: [normal(2, 18, 2, 2)],
        attributes: { blocksize: 3, mode: 'CRD' },
      },
      { op: 'SpaceToDepth', opset: 13, inputs: [normal(2, 3, 4, 6)], attributes: { blocksize: 2 } },
      { op: 'Trilu', opset: 14, inputs: [normal(2, 4, 5)] },
      { op: 'Trilu', opset: 14, inputs: [normal(4, 5), Tensor.int64([], [-1])], attributes: { upper: 0 } },
      { op: 'Trilu', opset: 14, inputs: [normal(4, 5), Tensor.int64([], [2])] },
      { op: 'EyeLike', opset: 9, inputs: [normal(3, 4)], attributes: { k: 1 } },
      { op: 'EyeLike', opset: 9, inputs: [normal(4, 3)], attributes: { k: -2, dtype: 7 }, types: ['int64'] },
    ]);
  });
});

describe('making tensors, against ONNX Runtime', () => {
  test('ConstantOfShape, Range, OneHot, CumSum', async () => {
    await all([
      { op: 'ConstantOfShape', opset: 9, inputs: [i64(2, 3)], types: ['float32'] },
      {
        op: 'ConstantOfShape',
        opset: 9,
        inputs: [i64(2)],
        attributes: { value: Tensor.int64([1], [5]) },
        types: ['int64'],
      },
      { op: 'Range', opset: 11, inputs: [1, 10, 3].map((v) => Tensor.int64([], [v])) },
      { op: 'Range', opset: 11, inputs: [2, -1, -0.5].map((v) => Tensor.float32([], [v])) },
      {
        op: 'OneHot',
        opset: 11,
        inputs: [i64(0, 2, -1, 7), Tensor.int64([], [4]), f32(-1, 3)],
        types: ['float32'],
      },
      {
        op: 'OneHot',
        opset: 11,
        inputs: [integers(0, 3, 2, 2), Tensor.int64([], [3]), f32(0, 1)],
        attributes: { axis: 1 },
        types: ['float32'],
      },
      ...[0, 1].flatMap((exclusive) =>
        [0, 1].map(
          (reverse): OpCase => ({
            op: 'CumSum',
            opset: 14,
            inputs: [normal(3, 4, 2), Tensor.int64([], [1])],
            attributes: { exclusive, reverse },
          }),
        ),
      ),
      { op: 'CumSum', opset: 14, inputs: [i64(1, 2, 3), Tensor.int64([], [-1])] },
    ]);
  });
  test('Constant in its forms', () => {
    const of = (attributes: OpCase['attributes']) =>
      evaluateOp({ op: 'Constant', opset: 13, inputs: [], attributes: attributes ?? {} })[0];
    expect(of({ value: Tensor.float32([2], [1, 2]) })).toMatchObject({ dataType: 'float32', dims: [2] });
    expect(of({ value_float: { float: 0.5 } })).toMatchObject({ dims: [], data: Float64Array.of(0.5) });
    expect(of({ value_ints: [3, 4] })).toMatchObject({ dataType: 'int64', data: BigInt64Array.of(3n, 4n) });
    expect(() => of({ value_string: 'x' })).toThrow(/string/);
  });
  test('a shape too large is refused before memory is taken', () => {
    for (const shape of [[1e9, 1e9], [2 ** 40], [65536, 65536]])
      expect(() => evaluateOp({ op: 'ConstantOfShape', opset: 9, inputs: [i64(...shape)] })).toThrow(
        /ConstantOfShape 'node': a tensor of .* more than the reference interpreter takes/,
      );
    expect(() => evaluateOp({ op: 'Expand', opset: 13, inputs: [f32(1), i64(1e6, 1e6)] })).toThrow(
      /more than/,
    );
    expect(() => evaluateOp({ op: 'Tile', opset: 13, inputs: [f32(1), i64(1e12)] })).toThrow(/more than/);
    expect(() =>
      evaluateOp({ op: 'Range', opset: 11, inputs: [0, 1e15, 1].map((v) => Tensor.int64([], [v])) }),
    ).toThrow(/more than/);
    expect(() => evaluateOp({ op: 'Pad', opset: 13, inputs: [f32(1), i64(0, 1e12)] })).toThrow(/more than/);
    expect(() =>
      evaluateOp({ op: 'OneHot', opset: 11, inputs: [i64(0), Tensor.int64([], [1e12]), f32(0, 1)] }),
    ).toThrow(/more than/);
    expect(() =>
      evaluateOp({ op: 'Resize', opset: 13, inputs: [normal(1, 1, 2), undefined, f32(1, 1, 1e12)] }),
    ).toThrow(/more than/);
  });
});
