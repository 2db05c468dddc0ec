import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { countModel, UNUSED_PARAMETERS_KEY } from '../../src/onnx/count.js';
import { Graph, Model, Tensor, tensorType, type Value } from '../../src/onnx/index.js';

/** A model of one path through `body`; constants hold zeros. */
function model(
  shape: readonly (number | string)[],
  body: (b: GraphBuilder, x: Value, w: (name: string, ...dims: number[]) => Value) => Value,
  opset = 17,
): Model {
  const graph = new Graph('g');
  const b = new GraphBuilder(graph, opset);
  const x = graph.addInput('x', tensorType('float32', shape));
  const w = (name: string, ...dims: number[]): Value =>
    b.constant(Tensor.float32(dims, new Float32Array(dims.reduce((a, d) => a * d, 1))), name);
  graph.addOutput(body(b, x, w));
  return new Model(graph, opset);
}

describe('mult-adds by operator, from their definitions', () => {
  test('Conv: each output element takes (in / groups) x kernel products; strides and padding show in the output', () => {
    const m = model(['N', 4, 9, 10], (b, x, w) =>
      b.op('Conv', [x, w('w', 6, 2, 3, 5), w('b', 6)], { group: 2, strides: [2, 1], pads: [1, 2, 1, 2] }),
    );
    const count = countModel(m);
    expect(count.layers[0].outputShape).toEqual([1, 6, 5, 10]);
    expect(count.multAdds).toBe(6 * 5 * 10 * (2 * 3 * 5));
    expect(count.parameters).toBe(6 * 2 * 3 * 5 + 6);
  });

  test('ConvTranspose: each input element meets (out / groups) x kernel weights', () => {
    const m = model([1, 4, 5, 7], (b, x, w) =>
      b.op('ConvTranspose', [x, w('w', 4, 3, 2, 2)], { group: 2, strides: [2, 2] }),
    );
    const count = countModel(m);
    expect(count.layers[0].outputShape).toEqual([1, 6, 10, 14]);
    expect(count.multAdds).toBe(4 * 5 * 7 * (3 * 2 * 2));
  });

  test.each([
    [0, [7, 5]],
    [1, [5, 7]],
  ])('Gemm with transB %i', (transB, dims) => {
    const m = model(['N', 7], (b, x, w) => b.op('Gemm', [x, w('w', ...dims), w('b', 5)], { transB }));
    expect(countModel(m, { batch: 3 })).toMatchObject({ multAdds: 3 * 7 * 5, parameters: 40 });
  });

  test('MatMul of a batch of matrices; the product of two data values counts and has no parameters', () => {
    const m = model([2, 8, 3, 5], (b, x) =>
      b.op('MatMul', [x, b.op('Transpose', [x], { perm: [0, 1, 3, 2] })]),
    );
    const count = countModel(m, { batch: 2 });
    expect(count.multAdds).toBe(2 * 8 * 3 * 5 * 3);
    expect(count.parameters).toBe(0);
    expect(count.layers.map((l) => l.reads)).toEqual([['x'], ['x', 'Transpose']]);
  });

  test('an operator with products but no rule is named, not taken for 0', () => {
    const m = model(['N', 4], (b, x, w) => b.op('Einsum', [x, w('w', 4, 4)], { equation: 'ni,ij->nj' }));
    const count = countModel(m);
    expect(count.uncounted).toEqual(['Einsum']);
    expect(count.layers[0].multAdds).toBeNull();
  });

  test('an operator of another domain with weights is named; one without counts 0', () => {
    const m = model(['N', 4], (b, x, w) => {
      const y = b.op('Scale', [x, w('w', 4)], {}, { domain: 'my' });
      return b.op('Fast', [y], {}, { domain: 'my' });
    });
    const count = countModel(m);
    expect(count.uncounted).toEqual(['Scale']);
    expect(count.parameters).toBe(4);
  });
});

describe('batch', () => {
  const conv = (n: number | string): Model =>
    model([n, 2, 6, 6], (b, x, w) => b.op('Conv', [x, w('w', 3, 2, 3, 3)]));

  test('an open batch is counted as 1, or as the caller says', () => {
    expect(countModel(conv('N')).multAdds).toBe(3 * 16 * 18);
    expect(countModel(conv('N'), { batch: 5 }).multAdds).toBe(5 * 3 * 16 * 18);
  });

  test('a fixed batch is brought to one image', () => {
    expect(countModel(conv(4)).multAdds).toBe(3 * 16 * 18);
    expect(countModel(conv(4), { batch: 4 }).multAdds).toBe(4 * 3 * 16 * 18);
    expect(countModel(conv(4)).memory.activations).toBe(countModel(conv('N')).memory.activations);
  });

  test('other open dims need a shape; without one the layer is named', () => {
    const m = model(['N', 2, 'H', 'W'], (b, x, w) => b.op('Conv', [x, w('w', 3, 2, 3, 3)]));
    expect(countModel(m).uncounted).toEqual(['Conv']);
    expect(countModel(m, { inputShapes: { x: [1, 2, 6, 6] } }).multAdds).toBe(3 * 16 * 18);
  });

  test('a wrong batch or input name is refused', () => {
    expect(() => countModel(conv('N'), { batch: 0 })).toThrow(/at least 1/);
    expect(() => countModel(conv('N'), { inputShapes: { y: [1] } })).toThrow(/no input 'y'.*expected x/);
  });
});

describe('parameters', () => {
  test('BatchNormalization: scale and bias learn, statistics are buffers', () => {
    const m = model(['N', 8, 2, 2], (b, x, w) =>
      b.op('BatchNormalization', [x, w('g', 8), w('b', 8), w('m', 8), w('v', 8)]),
    );
    expect(countModel(m)).toMatchObject({ parameters: 16, buffers: 16, multAdds: 0 });
  });

  test('a shared weight counts once, for its first layer, and multiplies in each', () => {
    const m = model(['N', 4, 6, 6], (b, x, w) => {
      const weight = w('w', 4, 4, 1, 1);
      return b.op('Conv', [b.op('Conv', [x, weight]), weight]);
    });
    const count = countModel(m);
    expect(count.parameters).toBe(16);
    expect(count.layers.map((l) => l.parameters)).toEqual([16, 0]);
    expect(count.multAdds).toBe(2 * 36 * 16);
  });

  test('weights in Constant nodes and in inputs with defaults count; clip limits, shapes and scalars do not', () => {
    const m = model(['N', 4, 2, 2], (b, x, w) => {
      const inner = b.op('Constant', [], { value: Tensor.float32([4, 4, 1, 1], new Float32Array(16)) });
      let y = b.op('Conv', [x, inner]);
      const second = w('w2', 3, 4, 1, 1);
      b.graph.addInput(second);
      y = b.op('Clip', [b.op('Conv', [y, second]), b.f32(0), b.f32(6)]);
      y = b.op('Mul', [y, b.f32([0.5])]);
      return b.op('Reshape', [y, b.i64([0, -1])]);
    });
    expect(countModel(m).parameters).toBe(16 + 12);
  });

  test('written-out affine layers count', () => {
    const m = model(['N', 4, 2, 2], (b, x, w) =>
      b.op('Add', [b.op('Mul', [x, w('g', 4, 1, 1)]), w('b', 4, 1, 1)]),
    );
    expect(countModel(m).parameters).toBe(8);
  });

  test('int8 weights behind DequantizeLinear count, their scales do not', () => {
    const m = model(['N', 4, 2, 2], (b, x) => {
      const q = b.constant(Tensor.raw('int8', [4, 4, 1, 1], new Uint8Array(16)), 'q');
      return b.op('Conv', [x, b.op('DequantizeLinear', [q, b.f32([1, 1, 1, 1])], { axis: 0 })]);
    });
    expect(countModel(m).parameters).toBe(16);
  });
});

describe('computed weights', () => {
  /** W_t = W_b + conv2d(W_b viewed as [1, n, k, k], W_r), RefConv of a depthwise 3x3 convolution of 8 channels. */
  const refconv = model(['N', 8, 6, 6], (b, x, w) => {
    const base = w('base', 8, 1, 3, 3);
    const image = b.op('Reshape', [base, b.i64([1, 8, 3, 3])]);
    const moved = b.op('Conv', [image, w('map', 8, 8, 3, 3)], { pads: [1, 1, 1, 1] }, { name: 'refocus' });
    const weight = b.op('Add', [base, b.op('Reshape', [moved, b.i64([8, 1, 3, 3])])]);
    return b.op('Conv', [x, weight], { group: 8, pads: [1, 1, 1, 1] }, { name: 'dw' });
  });

  test('belong to the layer that uses them; their mult-adds do not grow with the batch', () => {
    for (const batch of [1, 32]) {
      const count = countModel(refconv, { batch });
      expect(count.multAdds).toBe(batch * 8 * 36 * 9);
      expect(count.weightMultAdds).toBe(8 * 9 * (8 * 9));
      expect(count.layers).toHaveLength(1);
      expect(count.layers[0]).toMatchObject({
        name: 'dw',
        parameters: 8 * 9 + 8 * 8 * 9,
        reads: ['x'],
      });
    }
  });

  test('a base that the caller calls frozen is counted apart', () => {
    const count = countModel(refconv, { role: (v) => (v.name === 'base' ? 'frozen' : undefined) });
    expect(count).toMatchObject({ parameters: 8 * 8 * 9, frozen: 72 });
  });

  test('one computed weight in two layers is computed once', () => {
    const m = model(['N', 4, 6, 6], (b, x, w) => {
      const weight = b.op('Reshape', [b.op('MatMul', [w('u', 4, 2), w('v', 2, 4)]), b.i64([4, 4, 1, 1])]);
      return b.op('Conv', [b.op('Conv', [x, weight]), weight]);
    });
    expect(countModel(m)).toMatchObject({ weightMultAdds: 4 * 4 * 2, parameters: 16, multAdds: 2 * 36 * 16 });
  });

  test('a shape computed from the data is on no path', () => {
    const m = model(['N', 4, 6, 6], (b, x) => {
      const n = b.op('Gather', [b.op('Shape', [x]), b.i64([0])], { axis: 0 });
      return b.op('Reshape', [x, b.op('Concat', [n, b.i64([-1])], { axis: 0 })]);
    });
    const count = countModel(m);
    expect(count.layers.map((l) => [l.op, l.outputShape])).toEqual([['Reshape', [1, 144]]]);
    expect(count).toMatchObject({ parameters: 0, multAdds: 0 });
  });
});

test('no weight is read: its bytes would not come', () => {
  const refuse = (): never => {
    throw new Error('read');
  };
  const m = model(['N', 4, 2, 2], (b, x) => {
    const storage = { kind: 'external', entries: new Map(), read: refuse } as const;
    const w = b.constant(new Tensor({ dataType: 'float32', dims: [4, 4, 1, 1], storage }), 'w');
    return b.op('Conv', [x, w]);
  });
  expect(countModel(m)).toMatchObject({ parameters: 16, memory: { constants: 64 } });
});

test('memory: constants, all activations, and the most that is alive at once', () => {
  const m = model(['N', 2, 4, 4], (b, x, w) => {
    const y = b.op('Conv', [x, w('w', 8, 2, 1, 1)]);
    return b.op('Relu', [b.op('Conv', [y, w('w2', 1, 8, 1, 1)])]);
  });
  const bytes = (channels: number): number => channels * 16 * 4;
  expect(countModel(m, { batch: 3 }).memory).toEqual({
    constants: (16 + 8) * 4,
    activations: 3 * bytes(8 + 1 + 1),
    peak: 3 * bytes(2 + 8),
  });
});

test('a constant with one value per image is no parameter', () => {
  const m = model([2, 4, 3, 3], (b, x, w) => b.op('Mul', [x, w('keep', 2, 1, 1, 1)]));
  expect(countModel(m).parameters).toBe(0);
});

describe('connections', () => {
  /** Krizhevsky et al. 2012: output pixels × (k²·C_in/g + 1) × C_out, with two groups in conv2, conv4 and conv5. */
  test.each([
    [55, 11, 3, 96, 1, 105_705_600],
    [27, 5, 96, 256, 2, 224_135_424],
    [13, 3, 256, 384, 1, 149_585_280],
    [13, 3, 384, 384, 2, 112_205_184],
    [13, 3, 384, 256, 2, 74_803_456],
  ])(
    'AlexNet: %i² pixels, kernel %i, %i to %i channels, %i groups: %i',
    (side, kernel, from, to, group, expected) => {
      const m = model(['N', from, side + kernel - 1, side + kernel - 1], (b, x, w) =>
        b.op('Conv', [x, w('w', to, from / group, kernel, kernel), w('b', to)], { group }),
      );
      // For one image, whatever the batch.
      for (const batch of [1, 7]) expect(countModel(m, { batch }).connections).toBe(expected);
    },
  );

  test('groups divide the inputs; a layer without bias has none to it; what has no weights has none', () => {
    const m = model([2, 6, 5, 5], (b, x, w) => {
      const y = b.op('Conv', [x, w('w', 6, 2, 3, 3)], { group: 3 });
      return b.op('Gemm', [b.op('Flatten', [b.op('Relu', [y])]), w('f', 54, 10), w('c', 10)]);
    });
    expect(countModel(m).layers.map((l) => l.connections)).toEqual([54 * 18, 0, 0, 10 * 55]);
  });

  test('what a product of two data values connects is no weight', () => {
    const m = model(['N', 4, 4], (b, x) => b.op('MatMul', [x, x]));
    expect(countModel(m)).toMatchObject({ multAdds: 64, connections: 0 });
  });
});

describe('a part of a model', () => {
  const m = model(['N', 2, 4, 4], (b, x, w) => {
    const y = b.op('Conv', [x, w('stem.w', 8, 2, 1, 1)], {}, { name: 'stem' });
    const z = b.op('Conv', [y, w('head.w', 3, 8, 1, 1)], {}, { name: 'head' });
    w('head.spare', 5, 5);
    w('spare', 7);
    return b.op('Relu', [z], {}, { name: 'last' });
  });
  m.metadata.set(UNUSED_PARAMETERS_KEY, JSON.stringify(['head.spare', 'spare']));

  test('counts its layers, what enters it, and what it reads', () => {
    const part = countModel(m, { layers: (name) => name.startsWith('head') });
    expect(part.layers.map((l) => l.name)).toEqual(['head']);
    expect(part).toMatchObject({
      parameters: 24,
      unusedParameters: 25,
      multAdds: 16 * 24,
      memory: { constants: 4 * 24, activations: 4 * 3 * 16, peak: 4 * 16 * (8 + 3) },
    });
    expect(part.torchinfo).toMatchObject({ parameters: 24 + 25, inputBytes: 4 * 8 * 16 });
  });

  test('the parts sum to the whole', () => {
    const whole = countModel(m);
    const parts = ['stem', 'head', 'last'].map((p) =>
      countModel(m, { layers: (name) => name.startsWith(p) }),
    );
    for (const key of ['parameters', 'multAdds', 'connections'] as const)
      expect(parts.reduce((sum, p) => sum + p[key], 0)).toBe(whole[key]);
    expect(whole.unusedParameters).toBe(25 + 7);
  });

  test('without a layer is refused', () => {
    expect(() => countModel(m, { layers: () => false })).toThrow(/no layer has a name/);
  });
});

test('an inception branch: a 1x1 reduction to 16 channels before a 5x5 saves nine tenths of its products', () => {
  const branch = (reduced: boolean): Model =>
    model([1, 192, 28, 28], (b, x, w) => {
      const y = reduced ? b.op('Conv', [x, w('r', 16, 192, 1, 1)]) : x;
      return b.op('Conv', [y, w('w', 32, reduced ? 16 : 192, 5, 5)], { pads: [2, 2, 2, 2] });
    });
  expect(countModel(branch(false)).multAdds).toBe(120_422_400);
  expect(countModel(branch(true)).multAdds).toBe(12_443_648);
});
