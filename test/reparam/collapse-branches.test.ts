import { describe, expect, test } from 'vitest';
import { encodeModel, loadModel, type Model, type Value, verifyModel } from '../../src/onnx/index.js';
import { constantOf, fuse } from '../../src/reparam/index.js';
import { evaluate, realTensor } from '../../src/runtime/reference/index.js';
import { readSafetensors } from '../support/arrays.js';
import { expectClose } from '../support/close.js';
import { golden, goldenTest } from '../support/goldens.js';
import { Net, normals } from './nets.js';

function output(model: Model, dims: readonly number[]): Float64Array {
  const size = dims.reduce((a, b) => a * b, 1);
  const x = realTensor(dims, Float64Array.from(normals(size, 'x')));
  const [y] = evaluate(model, new Map([['x', x]])).values();
  return Float64Array.from(y.data, Number);
}

const ops = (model: Model) => model.graph.nodes.map((n) => n.opType);

const BLOCKS = [
  'acb_k3',
  'acb_k3_s2_g2',
  'acb_k5_dw',
  'acb_k3_pad2',
  'acb_k7_dw_s2',
  'repvgg_identity',
  'repvgg_s2',
  'repvgg_g2_identity',
  'repvgg_dw_identity',
  'repvgg_k5_dw_s2',
  'mobileone_dw',
  'mobileone_dw_s2',
  'mobileone_pw_skip',
  'large7_small3_dw',
  'large9_small5_dw_s2',
];

describe('blocks that PyTorch exported, with the kernels it fuses them to in float64', () => {
  for (const name of BLOCKS)
    goldenTest(name, async () => {
      const model = await loadModel(`${golden('branches', name)}.onnx`);
      const { model: fused, branches } = fuse(model);
      expect(ops(fused)).toEqual(['Conv']);
      expect(branches).toHaveLength(1);
      expect([...fused.graph.initializers]).toHaveLength(2);
      const expected = readSafetensors(`${golden('branches', name)}.fused64.safetensors`);
      const [conv] = fused.graph.nodes;
      for (const [input, key] of [
        [conv.input(1), 'kernel'],
        [conv.input(2), 'bias'],
      ] as const) {
        const { dims, data } = expected.get(key) ?? { dims: [], data: [] };
        expect(constantOf(input)?.dims, key).toEqual(dims);
        // Sums in float64, rounded once to float32.
        expectClose(numbers(input), Float64Array.from(data, Number), { relative: 1e-7, absolute: 1e-8 }, key);
      }
    });

  goldenTest('strips that read a cropped input stay', async () => {
    const model = await loadModel(`${golden('branches', 'acb_k3_pad0')}.onnx`);
    expect(fuse(model).branches).toEqual([]);
  });
});

function numbers(value: Value): Float64Array {
  return Float64Array.from(constantOf(value)?.typed() ?? [], Number);
}

describe('the sum is the convolution', () => {
  const cases: Record<
    string,
    { build: (net: Net, x: Value) => Value; dims: number[]; kernel: number[]; groups?: number }
  > = {
    'without BatchNormalization, with biases, and the input itself': {
      dims: [2, 4, 5, 6],
      kernel: [4, 4, 3, 3],
      build: (net, x) => {
        const a = net.conv(x, 'a', [4, 4, 3, 3], { bias: true });
        const b = net.conv(x, 'b', [4, 4, 1, 1], { bias: true });
        return net.op('Add', [net.op('Add', [x, a]), b]);
      },
    },
    'of a Sum of three': {
      dims: [2, 4, 5, 6],
      kernel: [4, 4, 3, 3],
      build: (net, x) =>
        net.op('Sum', [
          net.conv(x, 'a', [4, 4, 3, 3]),
          net.batchNorm(x, 'n', 4),
          net.conv(x, 'b', [4, 4, 1, 1]),
        ]),
    },
    'of other dilations and pads: a dilated 3x3 within a 5x5': {
      dims: [1, 2, 9, 8],
      kernel: [3, 2, 5, 5],
      build: (net, x) =>
        net.op('Add', [
          net.conv(x, 'a', [3, 2, 5, 5], { stride: 2 }),
          net.conv(x, 'b', [3, 2, 3, 3], { stride: 2, dilation: 2 }),
        ]),
    },
    'of two dilated kernels: the dilation stays': {
      dims: [1, 2, 9, 8],
      kernel: [3, 2, 5, 5],
      build: (net, x) =>
        net.op('Add', [
          net.conv(x, 'a', [3, 2, 5, 5], { dilation: 2 }),
          net.conv(x, 'b', [3, 2, 3, 3], { dilation: 2 }),
        ]),
    },
    'of uneven pads': {
      dims: [1, 2, 7, 6],
      kernel: [3, 2, 3, 3],
      build: (net, x) =>
        net.op('Add', [
          net.conv(x, 'a', [3, 2, 3, 3], { pads: [2, 0, 0, 2] }),
          net.conv(x, 'b', [3, 2, 2, 2], { pads: [1, 0, 0, 1] }),
        ]),
    },
    'of other numbers of groups': {
      dims: [2, 8, 5, 5],
      kernel: [8, 4, 3, 3],
      groups: 2,
      build: (net, x) =>
        net.op('Add', [
          net.conv(x, 'a', [8, 2, 3, 3], { groups: 4 }),
          net.op('Add', [net.conv(x, 'b', [8, 4, 3, 3], { groups: 2 }), net.batchNorm(x, 'n', 8)]),
        ]),
    },
    'along one axis': {
      dims: [2, 3, 9],
      kernel: [4, 3, 5],
      build: (net, x) => net.op('Add', [net.conv(x, 'a', [4, 3, 5]), net.conv(x, 'b', [4, 3, 1])]),
    },
  };
  for (const [name, { build, dims, kernel, groups = 1 }] of Object.entries(cases))
    test(name, () => {
      const net = new Net();
      const model = net.output(net.op('Relu', [build(net, net.input(dims))]));
      const fused = fuse(model);
      expect(ops(fused.model)).toEqual(['Conv', 'Relu']);
      const [conv] = fused.model.graph.nodes;
      expect(constantOf(conv.input(1))?.dims).toEqual(kernel);
      expect(conv.int('group', 1)).toBe(groups);
      verifyModel(fused.model);
      expectClose(output(fused.model, dims), output(model, dims), { absolute: 3e-6, relative: 1e-6 }, 'y');
      expect(fuse(fused.model).modified).toBe(false);
    });

  test('the part of a sum whose branches are parallel', () => {
    const net = new Net();
    const x = net.input([1, 3, 6, 6]);
    const before = net.op('Relu', [x]);
    const block = net.op('Add', [net.conv(before, 'a', [3, 3, 3, 3]), net.conv(before, 'b', [3, 3, 1, 1])]);
    const model = net.output(net.op('Add', [x, block]));
    const fused = fuse(model);
    expect(ops(fused.model)).toEqual(['Relu', 'Conv', 'Add']);
    expect(fused.branches).toEqual([{ into: 'a/Conv', removed: expect.any(Array), branches: 2 }]);
    expectClose(output(fused.model, [1, 3, 6, 6]), output(model, [1, 3, 6, 6]), { absolute: 3e-6 }, 'y');
  });
});

describe('what stays', () => {
  function stays(build: (net: Net, x: Value) => Value, dims = [1, 4, 6, 6]): string[] {
    const net = new Net();
    const model = net.output(net.op('Relu', [build(net, net.input(dims))]));
    const before = Buffer.from(encodeModel(model));
    const fused = fuse(model);
    expect(fused.modified).toBe(false);
    expect(Buffer.from(encodeModel(fused.model)).equals(before)).toBe(true);
    return fused.kept.map((k) => k.reason);
  }

  test('a residual around more than one convolution, as in ResNet', () => {
    const reasons = stays((net, x) => {
      const inner = net.op('Relu', [net.conv(x, 'a', [4, 4, 3, 3])]);
      return net.op('Add', [x, net.batchNorm(net.conv(inner, 'b', [4, 4, 3, 3]), 'n', 4)]);
    });
    expect(reasons).toEqual([]);
  });

  test('a branch that something else reads', () => {
    const reasons = stays((net, x) => {
      const a = net.conv(x, 'a', [4, 4, 3, 3]);
      return net.op('Mul', [net.op('Add', [a, net.conv(x, 'b', [4, 4, 1, 1])]), a]);
    });
    expect(reasons).toEqual([]);
  });

  test('kernels that would be larger together', () => {
    const reasons = stays((net, x) =>
      net.op('Add', [net.conv(x, 'a', [4, 4, 1, 3]), net.conv(x, 'b', [4, 4, 3, 1])]),
    );
    expect(reasons).toEqual(['as one convolution they would grow from 96 to 144 weights']);
  });

  test('a depthwise and a dense one', () => {
    const reasons = stays((net, x) =>
      net.op('Add', [net.conv(x, 'a', [4, 1, 3, 3], { groups: 4 }), net.conv(x, 'b', [4, 4, 1, 1])]),
    );
    expect(reasons).toEqual(['as one convolution they would grow from 52 to 144 weights']);
  });

  test('maps of other sizes that the sum spreads', () => {
    const reasons = stays((net, x) =>
      net.op('Add', [net.conv(x, 'a', [4, 4, 3, 3]), net.conv(x, 'b', [4, 4, 6, 6], { pads: [0, 0, 0, 0] })]),
    );
    expect(reasons).toEqual(['their output maps have different sizes']);
  });

  test('other strides', () => {
    const reasons = stays(
      (net, x) =>
        net.op('Add', [net.conv(x, 'a', [4, 4, 1, 1]), net.conv(x, 'b', [4, 4, 1, 1], { stride: 2 })]),
      [1, 4, 1, 1],
    );
    expect(reasons).toEqual(['their channels or strides differ']);
  });

  test('BatchNormalization in training form', () => {
    const reasons = stays((net, x) => {
      const y = net.batchNorm(net.conv(x, 'a', [4, 4, 3, 3]), 'n', 4);
      y.producer?.setAttribute('training_mode', 1);
      return net.op('Add', [y, net.conv(x, 'b', [4, 4, 1, 1])]);
    });
    expect(reasons).toEqual([expect.stringContaining('is not in inference form')]);
  });

  test('parameters that a caller may set', () => {
    const net = new Net();
    const x = net.input([1, 4, 6, 6]);
    const a = net.conv(x, 'a', [4, 4, 3, 3]);
    const model = net.output(net.op('Add', [a, net.conv(x, 'b', [4, 4, 1, 1])]));
    const weight = model.graph.find('b.weight');
    if (weight) model.graph.addInput(weight);
    expect(fuse(model).kept).toEqual([
      { name: expect.any(String), reason: "'b.weight' is an input of the graph that a caller may set" },
    ]);
    const fused = fuse(model, { overridable: true }).model;
    expect(ops(fused)).toEqual(['Conv']);
    expect(fused.graph.inputs.map((v) => v.name)).toEqual(['x']);
  });
});
