import { describe, expect, test } from 'vitest';
import { Tensor } from '../../../src/onnx/index.js';
import { evaluateOp, expectLikeOrt, normal } from './against-ort.js';

describe('products against ONNX Runtime', () => {
  test('MatMul: batches broadcast, vectors', async () => {
    for (const [a, b] of [
      [
        [3, 4],
        [4, 5],
      ],
      [
        [2, 3, 4],
        [4, 5],
      ],
      [
        [2, 1, 3, 4],
        [5, 4, 2],
      ],
      [[4], [4, 3]],
      [[2, 3, 4], [4]],
      [[4], [4]],
      [[4], [2, 4, 3]],
    ])
      await expectLikeOrt({ op: 'MatMul', opset: 13, inputs: [normal(...a), normal(...b)] });
    expect(() => evaluateOp({ op: 'MatMul', opset: 13, inputs: [normal(2, 3), normal(2, 3)] })).toThrow(
      /MatMul 'node': shapes/,
    );
  });
  test('Gemm: transposed, scaled, with every C', async () => {
    for (const transA of [0, 1])
      for (const transB of [0, 1])
        for (const c of [[], [1], [5], [1, 5], [3, 1], [3, 5]])
          await expectLikeOrt({
            op: 'Gemm',
            opset: 13,
            inputs: [
              transA ? normal(4, 3) : normal(3, 4),
              transB ? normal(5, 4) : normal(4, 5),
              normal(...c),
            ],
            attributes: { transA, transB, alpha: { float: 0.5 }, beta: { float: -2 } },
          });
    await expectLikeOrt({ op: 'Gemm', opset: 13, inputs: [normal(3, 4), normal(4, 5)] });
    expect(() =>
      evaluateOp({ op: 'Gemm', opset: 13, inputs: [normal(3, 4), normal(4, 5), normal(4)] }),
    ).toThrow(/broadcasts to \[3,5\]/);
  });
  test('Einsum', async () => {
    const cases: [string, number[][]][] = [
      [
        'ij,jk->ik',
        [
          [2, 3],
          [3, 4],
        ],
      ],
      [
        'ij,jk',
        [
          [2, 3],
          [3, 4],
        ],
      ],
      [
        'bij,bjk->bik',
        [
          [2, 2, 3],
          [2, 3, 4],
        ],
      ],
      [
        '...ij,...jk->...ik',
        [
          [2, 2, 3],
          [2, 3, 2],
        ],
      ],
      ['ij->ji', [[2, 3]]],
      ['ii->i', [[3, 3]]],
      ['ij->', [[2, 3]]],
      [
        'bhwc,hkc->bhwk',
        [
          [1, 2, 3, 4],
          [2, 5, 4],
        ],
      ],
      ['a,b,ab->ab', [[2], [3], [2, 3]]],
    ];
    for (const [equation, dims] of cases)
      await expectLikeOrt({
        op: 'Einsum',
        opset: 12,
        inputs: dims.map((d) => normal(...d)),
        attributes: { equation },
      });
    const [trace] = evaluateOp({
      op: 'Einsum',
      opset: 12,
      inputs: [Tensor.float32([2, 2], [1, 2, 3, 4])],
      attributes: { equation: 'ii' },
    });
    expect([...trace.data]).toEqual([5]);
    // Axes of `...` that broadcast, which ONNX Runtime refuses: the same as MatMul.
    const inputs = [normal(2, 1, 2, 3), normal(4, 3, 2)];
    const [product] = evaluateOp({ op: 'MatMul', opset: 13, inputs });
    const [same] = evaluateOp({
      op: 'Einsum',
      opset: 12,
      inputs,
      attributes: { equation: '...ij,...jk->...ik' },
    });
    expect(same).toEqual(product);
    const bad = {
      op: 'Einsum',
      opset: 12,
      inputs: [normal(2, 3), normal(4, 5)],
      attributes: { equation: 'ij,jk->ik' },
    };
    expect(() => evaluateOp(bad)).toThrow(/label j; expected 3; found 4/);
  });
});
