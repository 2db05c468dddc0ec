import { describe, expect, test } from 'vitest';
import { Tensor } from '../../src/onnx/index.js';
import { expand, logitsOf, trainables } from '../../src/reparam/index.js';
import { Net, smallNet } from './nets.js';

const names = (values: readonly { name: string }[]) => values.map((v) => v.name);

describe('what training may change', () => {
  test('of a plain model: kernels, biases, scales and shifts; running statistics are buffers', () => {
    const { trainable, frozen, buffers } = trainables(smallNet());
    expect(names(trainable)).toEqual([
      'stem.weight',
      'bn0.weight',
      'bn0.bias',
      'dw.weight',
      'bn1.weight',
      'bn1.bias',
      'pw.weight',
      'bn2.weight',
      'bn2.bias',
      'last.weight',
      'last.bias',
      'fc.weight',
      'fc.bias',
    ]);
    expect(frozen).toEqual([]);
    expect(names(buffers)).toEqual(
      ['bn0', 'bn1', 'bn2'].flatMap((b) => [`${b}.running_mean`, `${b}.running_var`]),
    );
  });

  test('of a training form: the maps instead of the bases', () => {
    const { trainable, frozen } = trainables(expand(smallNet()).model);
    expect(names(frozen)).toEqual(['stem/refconv/base', 'dw/refconv/base', 'last/refconv/base']);
    expect(names(trainable).filter((n) => n.includes('refconv'))).toEqual([
      'stem/refconv/map',
      'dw/refconv/map',
      'last/refconv/map',
    ]);
    expect(names(trainable)).toContain('pw.weight');
    expect(names(trainable)).not.toContain('stem.weight');
  });

  test('of an Einsum: its matrix', () => {
    const net = new Net();
    const x = net.conv(net.input([1, 3, 8, 8]), 'a', [4, 3, 3, 3]);
    const matrix = net.weight('matrix', [4, 5]);
    const model = net.output(net.op('Einsum', [x, matrix], { equation: 'nchw,ck->nkhw' }));
    expect(names(trainables(model).trainable)).toEqual(['a.weight', 'matrix']);
  });

  test('freeze goes by name', () => {
    const { trainable, frozen } = trainables(smallNet(), { freeze: ['bn*', 'fc.bias'] });
    expect(names(trainable).some((n) => n.startsWith('bn') || n === 'fc.bias')).toBe(false);
    expect(names(frozen)).toContain('bn1.weight');
    expect(names(frozen)).toContain('fc.bias');
  });

  test('constants of the function itself are not parameters', () => {
    const net = new Net();
    let x = net.op('Sub', [net.input([1, 3, 8, 8]), net.weight('image.mean', [3, 1, 1])]);
    x = net.conv(x, 'a', [4, 3, 3, 3]);
    x = net.op('Add', [x, net.weight('a.separate_bias', [1, 4, 1, 1])]);
    // hard-swish, spelled out
    const three = net.weight('three', [], [3]);
    const clipped = net.op('Clip', [
      net.op('Add', [x, three]),
      net.weight('low', [], [0]),
      net.weight('six', [], [6]),
    ]);
    x = net.op('Mul', [x, net.op('Div', [clipped, net.weight('six2', [], [6])])]);
    x = net.op('Mul', [x, net.weight('layer_scale', [4, 1, 1])]);
    x = net.conv(x, 'b', [2, 4, 1, 1]);
    x = net.op('Reshape', [x, net.graph.addInitializer('shape', Tensor.int64([3], [1, 2, 64]))]);
    const anchors = net.weight('anchors', [1, 2, 64]);
    const model = net.output(net.op('Add', [net.op('Sigmoid', [x]), anchors]));
    expect(names(trainables(model).trainable)).toEqual([
      'a.weight',
      'a.separate_bias',
      'layer_scale',
      'b.weight',
    ]);
  });

  test('weights behind a layout, a Constant node or weight normalization', () => {
    const net = new Net();
    const x = net.input([2, 4]);
    const transposed = net.op('Transpose', [net.weight('fc1', [5, 4])], { perm: [1, 0] });
    let y = net.op('Relu', [net.op('MatMul', [x, transposed])]);
    const v = net.weight('v', [5, 5]);
    const g = net.weight('g', [1, 5]);
    const eps = net.weight('eps', [], [1e-6]);
    const norm = net.op('Sqrt', [
      net.op('Add', [net.op('ReduceSumSquare', [v], { axes: [0], keepdims: 1 }), eps]),
    ]);
    y = net.op('MatMul', [y, net.op('Mul', [net.op('Div', [v, norm]), g])]);
    const node = net.op('Constant', [], { value: Tensor.float32([5, 2], new Float32Array(10).fill(1)) });
    y = net.op('Add', [net.op('MatMul', [y, node]), net.weight('fc.bias', [2])]);
    const { trainable } = trainables(net.output(y));
    expect(new Set(names(trainable))).toEqual(new Set(['fc1', 'v', 'g', node.name, 'fc.bias']));
  });
});

describe('as PyTorch exports them', () => {
  test('a slope that all channels share', () => {
    const net = new Net();
    const x = net.conv(net.input([1, 3, 8, 8]), 'a', [4, 3, 3, 3]);
    const axes = net.graph.addInitializer('axes', Tensor.int64([2], [1, 2]));
    const slope = net.op('Unsqueeze', [net.weight('slope', [1]), axes]);
    const model = net.output(net.op('PRelu', [x, slope]));
    expect(names(trainables(model).trainable)).toEqual(['a.weight', 'slope']);
  });

  /** Reshape, InstanceNormalization, Reshape, Mul, Add. */
  function groupNorm(scale: readonly number[]): string[] {
    const net = new Net();
    const x = net.conv(net.input([1, 3, 8, 8]), 'a', [4, 3, 3, 3]);
    const ints = (name: string, list: readonly number[]) =>
      net.graph.addInitializer(name, Tensor.int64([list.length], list));
    const grouped = net.op('Reshape', [x, ints('grouped', [0, 2, -1])]);
    const inner = net.op('InstanceNormalization', [
      grouped,
      net.weight('inner.scale', [2], scale),
      net.weight('inner.bias', [2], [0, 0]),
    ]);
    const back = net.op('Reshape', [inner, ints('back', [1, 4, 8, 8])]);
    const perChannel = (name: string) =>
      net.op('Unsqueeze', [net.weight(name, [4]), ints(`${name}.axes`, [1, 2])]);
    let y = net.op('Mul', [back, perChannel('gn.weight')]);
    y = net.op('Add', [y, perChannel('gn.bias')]);
    return names(trainables(net.output(net.conv(y, 'b', [2, 4, 1, 1]))).trainable);
  }

  test('group normalization: the factors and terms per channel, not the 1 and 0 per group', () => {
    expect(groupNorm([1, 1])).toEqual(['a.weight', 'gn.weight', 'gn.bias', 'b.weight']);
    expect(groupNorm([1, 2])).toContain('inner.scale');
  });
});

describe('where the scores are', () => {
  for (const [op, log] of [
    ['Softmax', false],
    ['LogSoftmax', true],
  ] as const)
    test(`before a trailing ${op}, through shape operators`, () => {
      const net = new Net();
      const scores = net.conv(net.input([1, 2, 4, 4]), 'c', [10, 2, 4, 4], { pads: [0, 0, 0, 0] });
      const flat = net.op('Flatten', [scores]);
      const shape = net.graph.addInitializer('shape', Tensor.int64([2], [1, 10]));
      const model = net.output(
        net.op('Identity', [net.op('Reshape', [net.op(op, [flat], { axis: 1 }), shape])]),
      );
      const found = logitsOf(model.graph);
      expect(found.value).toBe(flat);
      expect(found.activation?.node.opType).toBe(op);
      expect(found.activation?.log).toBe(log);
    });

  test('at the output where there is none', () => {
    const model = smallNet();
    const found = logitsOf(model.graph);
    expect(found.value).toBe(model.graph.outputs[0]);
    expect(found.activation).toBeUndefined();
  });
});
