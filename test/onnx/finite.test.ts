import { describe, expect, test } from 'vitest';
import {
  type DataType,
  Graph,
  GraphBuilder,
  Model,
  nonFiniteWeights,
  Tensor,
  tensorType,
} from '../../src/onnx/index.js';
import { nonFiniteText } from '../../src/report/finite-text.js';

/** A model with one weight, as an initializer or a Constant node. */
function modelWith(tensor: Tensor, as: 'initializer' | 'node' = 'initializer'): Model {
  const graph = new Graph('g');
  const x = graph.addInput('x', tensorType(tensor.dataType, ['n']));
  const b = new GraphBuilder(graph, 17);
  const w = as === 'node' ? b.op('Constant', [], { value: tensor }) : b.constant(tensor, 'w');
  graph.addOutput(b.op('Mul', [x, w]));
  return new Model(graph, 17, 8);
}

function half(type: DataType, ...bits: number[]): Tensor {
  return Tensor.raw(type, [bits.length], new Uint8Array(Uint16Array.from(bits).buffer));
}

describe('nonFiniteWeights', () => {
  const three = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  test.each([
    ['float32', Tensor.float32([5], [1, ...three, 1e-45]), 1, 2],
    ['float64', Tensor.float64([5], [1, ...three, Number.MAX_VALUE]), 1, 2],
    // 65504 is the largest float16; a significand of 0 with all exponent bits is infinity.
    ['float16', half('float16', 0x7bff, 0x7c00, 0xfc00, 0x7c01, 0xfe00), 2, 2],
    ['bfloat16', half('bfloat16', 0x7f7f, 0x7f80, 0xff80, 0x7fc0), 1, 2],
  ])('%s', (_, tensor, nan, infinite) => {
    expect(nonFiniteWeights(modelWith(tensor))).toEqual([{ name: 'w', dims: tensor.dims, nan, infinite }]);
    expect(nonFiniteWeights(modelWith(tensor, 'node'))).toMatchObject([{ nan, infinite }]);
  });

  test('finite weights, integers and scalars are none', () => {
    expect(nonFiniteWeights(modelWith(Tensor.float32([2], [-3.4e38, 1e-40])))).toEqual([]);
    expect(nonFiniteWeights(modelWith(Tensor.int32([1], [0x7f800000])))).toEqual([]);
    expect(nonFiniteWeights(modelWith(Tensor.float32([], [Number.POSITIVE_INFINITY])))).toEqual([]);
  });

  test('said in one line, the first few by name', () => {
    const weights = ['a', 'b', 'c', 'd', 'e'].map((name) => ({ name, dims: [2, 3], nan: 1, infinite: 2 }));
    expect(nonFiniteText('f.onnx', weights)).toBe(
      "warning: f.onnx: weights that are no finite numbers: 'a' [2, 3]: 1 NaN and 2 infinite; " +
        "'b' [2, 3]: 1 NaN and 2 infinite; 'c' [2, 3]: 1 NaN and 2 infinite; and 2 more",
    );
    expect(nonFiniteText('f.onnx', [])).toBeUndefined();
  });
});
