import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, normal } from './against-ort.js';

type Attributes = Record<string, number | string | number[]>;
const GRID: readonly (readonly [number[], Attributes])[] = [
  [[2, 3, 8], { kernel_shape: [3], strides: [2], pads: [1, 0] }],
  [[1, 2, 7, 9], { kernel_shape: [3, 2], strides: [2, 2], pads: [1, 0, 1, 1] }],
  [[1, 2, 7, 9], { kernel_shape: [3, 3], strides: [2, 2], pads: [0, 1, 1, 1], ceil_mode: 1 }],
  [[1, 2, 6, 6], { kernel_shape: [2, 2], strides: [3, 3], ceil_mode: 1 }],
  [[1, 1, 5, 6, 7], { kernel_shape: [2, 3, 2], strides: [2, 1, 2], pads: [1, 1, 0, 0, 1, 1] }],
  [[1, 2, 8, 7], { kernel_shape: [3, 2], strides: [2, 3], auto_pad: 'SAME_UPPER' }],
  [[1, 2, 8, 7], { kernel_shape: [3, 2], strides: [2, 3], auto_pad: 'SAME_LOWER' }],
  [[1, 2, 8, 7], { kernel_shape: [3, 2], strides: [2, 3], auto_pad: 'VALID' }],
];

describe('pools against ONNX Runtime', () => {
  test('MaxPool, with dilations and Indices', async () => {
    const cases: (readonly [number[], Attributes])[] = [
      ...GRID,
      [[1, 2, 9, 9], { kernel_shape: [3, 3], dilations: [2, 3], pads: [1, 1, 1, 1] }],
    ];
    for (const [x, attributes] of cases) {
      await expectLikeOrt({ op: 'MaxPool', opset: 12, inputs: [normal(...x)], attributes });
      await expectLikeOrt({
        op: 'MaxPool',
        opset: 12,
        inputs: [normal(...x)],
        attributes,
        outputs: 2,
        types: ['float32', 'int64'],
      });
    }
    const attributes = { kernel_shape: [3, 2], pads: [1, 1, 1, 1], storage_order: 1 };
    await expectLikeOrt({
      op: 'MaxPool',
      opset: 12,
      inputs: [normal(2, 2, 5, 6)],
      attributes,
      outputs: 2,
      types: ['float32', 'int64'],
    });
  });
  test('AveragePool, with and without pads in the count', async () => {
    for (const [x, attributes] of GRID)
      for (const count_include_pad of [0, 1])
        await expectLikeOrt({
          op: 'AveragePool',
          opset: 19,
          inputs: [normal(...x)],
          attributes: { ...attributes, count_include_pad },
        });
    for (const count_include_pad of [0, 1])
      await expectLikeOrt({
        op: 'AveragePool',
        opset: 19,
        inputs: [normal(1, 2, 9, 9)],
        attributes: {
          kernel_shape: [3, 2],
          dilations: [2, 3],
          pads: [1, 1, 1, 1],
          strides: [2, 2],
          count_include_pad,
        },
      });
  });
  test('AveragePool: a window over the end counts input and pads only (PyTorch)', () => {
    const x = Tensor.float32([1, 1, 3], [1, 2, 4]);
    const run = (count_include_pad: number) =>
      evaluateOp({
        op: 'AveragePool',
        opset: 11,
        inputs: [x],
        attributes: { kernel_shape: [2], strides: [2], pads: [0, 0], ceil_mode: 1, count_include_pad },
      })[0];
    expect([...run(1).data]).toEqual([1.5, 4]);
    expect([...run(0).data]).toEqual([1.5, 4]);
    // torch.nn.AvgPool1d(3, 2, padding=1, ceil_mode=True): the pad on the right counts, what lies beyond does not.
    const [y] = evaluateOp({
      op: 'AveragePool',
      opset: 11,
      inputs: [Tensor.float32([1, 1, 4], [1, 2, 4, 8])],
      attributes: { kernel_shape: [3], strides: [2], pads: [1, 1], ceil_mode: 1, count_include_pad: 1 },
    });
    expect([...y.data]).toEqual([1, 14 / 3, 4]);
  });
  test('LpPool and the global pools', async () => {
    await expectLikeOrt({
      op: 'LpPool',
      opset: 18,
      inputs: [normal(1, 2, 6, 7)],
      attributes: { kernel_shape: [3, 2], strides: [2, 2] },
    });
    await expectLikeOrt({
      op: 'LpPool',
      opset: 18,
      inputs: [normal(1, 2, 6, 7)],
      attributes: { kernel_shape: [3, 2], p: 3 },
    });
    for (const op of ['GlobalAveragePool', 'GlobalMaxPool', 'GlobalLpPool'])
      for (const dims of [
        [2, 3, 5],
        [2, 3, 4, 5],
        [1, 2, 3, 4, 5],
      ])
        await expectLikeOrt({ op, opset: 17, inputs: [normal(...dims)] });
  });
});
