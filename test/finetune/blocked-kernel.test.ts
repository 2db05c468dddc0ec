import { describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { emitInternal } from '../../src/finetune/autodiff/internal.js';
import {
  type KernelLayout,
  packedDims,
  packInGraph,
  packKernel,
  unpackInGraph,
  unpackKernel,
} from '../../src/finetune/lowering/blocked/kernel.js';
import { Graph, GraphBuilder, Model, sizeOf, tensorType, type Value } from '../../src/onnx/index.js';
import { evaluate } from '../../src/runtime/reference/index.js';
import { blockedCheck } from '../support/blocked-engine.js';
import { inside, type LoweringCase } from '../support/lowering-cases.js';

const check = blockedCheck();

describe.each([4, 8, 16])('kernels packed for %i channels to a block', (block) => {
  const layouts: KernelLayout[] = [
    ...[
      [1, 1, 3, 3],
      [3, 5, 1, 1],
      [16, 16, 3, 3],
      [17, 24, 2, 3],
      [40, 6, 5, 5],
    ].flatMap((dims) => (['dense', 'map'] as const).map((kind) => ({ kind, block, dims }))),
    ...[
      [6, 1, 3, 3],
      [32, 1, 5, 1],
    ].map((dims) => ({ kind: 'depthwise' as const, block, dims })),
    ...[
      [6, 3, 7, 7],
      [32, 1, 3, 3],
    ].map((dims) => ({ kind: 'stem' as const, block, dims })),
  ];

  test.each(layouts)('$kind $dims: there and back, by the host and by the graph', (layout) => {
    const random = randomFor('kernel', block, `${layout.dims}`);
    const plain = Float32Array.from({ length: sizeOf(layout.dims) }, () => random.normal());
    const packed = packKernel(layout, plain);
    expect(packed.length).toBe(sizeOf(packedDims(layout)));
    expect(unpackKernel(layout, packed)).toEqual(plain);
    // What is no element of the kernel is 0.
    expect(packed.filter((v) => v !== 0).length).toBe(plain.length);

    const graph = new Graph('kernel');
    const b = new GraphBuilder(graph, 20);
    const [p, q] = [
      graph.addInput('plain', tensorType('float32', layout.dims)),
      graph.addInput('packed', tensorType('float32', packedDims(layout))),
    ];
    for (const v of [packInGraph(b, layout, p), unpackInGraph(b, layout, q)]) graph.addOutput(v);
    const real = (dims: readonly number[], data: Float32Array) => ({
      dataType: 'float64' as const,
      dims,
      data: Float64Array.from(data),
    });
    const [there, back] = evaluate(
      new Model(graph, 20, 9),
      new Map([
        ['plain', real(layout.dims, plain)],
        ['packed', real(packedDims(layout), packed)],
      ]),
    ).values();
    expect(there.dims).toEqual(packedDims(layout));
    expect(Float32Array.from(there.data, Number)).toEqual(packed);
    expect(back.dims).toEqual(layout.dims);
    expect(Float32Array.from(back.data, Number)).toEqual(plain);
  });
});

test('where the places of a dense and a depthwise kernel are', () => {
  const dense = packKernel(
    { kind: 'dense', block: 4, dims: [5, 2, 1, 2] },
    Float32Array.from({ length: 20 }, (_, i) => i + 1),
  );
  // [O/B, I/B, 1, 2, B of I, B of O]: o = 4 opens the second block.
  expect([...dense.slice(0, 8)]).toEqual([1, 5, 9, 13, 3, 7, 11, 15]);
  expect([...dense.slice(32, 40)]).toEqual([17, 0, 0, 0, 19, 0, 0, 0]);
  const depthwise = packKernel(
    { kind: 'depthwise', block: 4, dims: [3, 1, 1, 2] },
    Float32Array.of(1, 2, 3, 4, 5, 6),
  );
  expect([...depthwise]).toEqual([1, 3, 5, 0, 2, 4, 6, 0]);
});

type Inputs = Readonly<Record<string, Value>>;

function conv(b: GraphBuilder, x: Value, w: Value, change: Parameters<GraphBuilder['op']>[2] = {}): Value {
  const kernel = w.shape?.slice(2) ?? [];
  const around = kernel.map((k) => k >> 1);
  return b.op('Conv', [x, w], { kernel_shape: kernel, pads: [...around, ...around], ...change });
}

function constant(b: GraphBuilder, name: string, dims: readonly number[]): Value {
  const random = randomFor('constant', name);
  return b.f32(
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
    dims,
  );
}

function kernelCase(
  name: string,
  x: readonly number[],
  weights: Readonly<Record<string, readonly number[]>>,
  build: (b: GraphBuilder, v: Inputs) => Value,
): LoweringCase {
  return { name, inputs: { x }, weights, build: (b, v) => inside(b, build(b, v)) };
}

test.each([16, 6])('kernels that are shared, frozen or computed, %i channels', (c) => {
  const x = [2, c, 6, 5];
  const w = { w: [c, c, 3, 3] };
  const of = (
    name: string,
    weights: typeof w & Record<string, readonly number[]>,
    build: (b: GraphBuilder, v: Inputs) => Value,
  ): LoweringCase => kernelCase(name, x, weights, (b, v) => build(b, { ...v, x: inside(b, v.x) }));
  return check([
    of('shared by two', w, (b, v) => conv(b, b.op('Relu', [conv(b, v.x, v.w)]), v.w)),
    of('shared by three, one with a stride', w, (b, v) =>
      conv(b, conv(b, conv(b, v.x, v.w), v.w), v.w, { strides: [2, 2] }),
    ),
    of('shared by a convolution and its adjoint', w, (b, v) =>
      b.op('ConvTranspose', [conv(b, v.x, v.w), v.w], { pads: [1, 1, 1, 1] }),
    ),
    of('shared with a dilated one', w, (b, v) =>
      b.op('Add', [conv(b, v.x, v.w), conv(b, v.x, v.w, { dilations: [2, 2], pads: [2, 2, 2, 2] })]),
    ),
    of('shared with one that has no blocked gradient', w, (b, v) =>
      conv(b, conv(b, v.x, v.w), v.w, { dilations: [2, 2], strides: [2, 2], pads: [2, 2, 2, 2] }),
    ),
    kernelCase('shared by the first and an inner one', x, w, (b, v) =>
      b.op('Add', [conv(b, v.x, v.w), conv(b, conv(b, v.x, v.w), v.w)]),
    ),
    of('read by something else as well', w, (b, v) =>
      b.op('Mul', [conv(b, v.x, v.w), b.op('ReduceMean', [b.op('Mul', [v.w, v.w])])]),
    ),
    of('frozen', w, (b, v) => conv(b, b.op('Relu', [conv(b, v.x, constant(b, 'k', [c, c, 3, 3]))]), v.w)),
    of('frozen, and the first', w, (b, v) =>
      conv(b, conv(b, v.x, constant(b, 'k', [c, c, 5, 5])), v.w, { strides: [2, 2] }),
    ),
    of('frozen and depthwise, with a stride', w, (b, v) =>
      conv(b, conv(b, v.x, constant(b, 'd', [c, 1, 3, 3]), { group: c, strides: [2, 2] }), v.w),
    ),
    of('of a given length', { ...w, g: [c, 1, 1, 1] }, (b, v) => {
      const squares = b.op('ReduceSum', [b.op('Mul', [v.w, v.w]), b.i64([1, 2, 3])]);
      return conv(b, v.x, b.op('Mul', [v.w, b.op('Div', [v.g, b.op('Sqrt', [squares])])]));
    }),
    of('a sum of two', { ...w, p: [c, c, 1, 1] }, (b, v) =>
      conv(b, v.x, b.op('Add', [v.w, b.op('Pad', [v.p, b.i64([0, 0, 1, 1, 0, 0, 1, 1])])])),
    ),
    of('a sum of two of one size', { ...w, p: [c, c, 3, 3] }, (b, v) =>
      conv(b, v.x, b.op('Add', [v.w, v.p])),
    ),
    of('scaled, and read twice', w, (b, v) => {
      const k = b.op('Mul', [v.w, b.f32(0.5)]);
      return conv(b, conv(b, v.x, k), k);
    }),
    of('under another name', w, (b, v) => conv(b, conv(b, v.x, b.op('Identity', [v.w])), v.w)),
    of('turned', w, (b, v) => conv(b, v.x, b.op('Transpose', [v.w], { perm: [1, 0, 2, 3] }))),
    of('computed and depthwise', { ...w, d: [c, 1, 3, 3] }, (b, v) =>
      conv(b, conv(b, v.x, b.op('Tanh', [v.d]), { group: c }), v.w),
    ),
    of('trained and depthwise, shared', { ...w, d: [c, 1, 3, 3] }, (b, v) =>
      conv(b, conv(b, conv(b, v.x, v.d, { group: c }), v.d, { group: c }), v.w),
    ),
    of('one image', w, (b, v) => conv(b, b.op('Slice', [v.x, b.i64([0]), b.i64([1]), b.i64([0])]), v.w)),
  ]);
});

test('refocused kernels', () => {
  /** n = O·C/g kernels, one to a group but for depthwise ones. */
  const refocused = (
    name: string,
    {
      x,
      w,
      m,
      first = false,
      s = 1,
      twice = false,
    }: { x: number[]; w: number[]; m: number[]; first?: boolean; s?: number; twice?: boolean },
  ): LoweringCase => {
    const n = w[0] * w[1];
    const group = x[1] / w[1];
    const groups = n / group ** 2 < 1 ? 1 : (w[0] * x[1]) / group ** 2;
    const map = [n, n / groups, ...m];
    return kernelCase(name, x, { map }, (b, v) => {
      const base = constant(b, name, w);
      const [kernel] = emitInternal(b, 'RefocusKernel', [base, v.map], [base.type], {
        group: groups,
        channels: n / groups,
      });
      const y = b.op('Relu', [conv(b, first ? v.x : inside(b, v.x), kernel, { group, strides: [s, s] })]);
      return twice ? conv(b, y, kernel, { group }) : y;
    });
  };
  return check([
    refocused('dense', { x: [2, 16, 6, 5], w: [16, 16, 3, 3], m: [3, 3] }),
    refocused('dense off the block', { x: [2, 6, 6, 5], w: [20, 6, 3, 3], m: [3, 3], s: 2 }),
    refocused('dense 5×5, map of 3', { x: [2, 16, 6, 5], w: [16, 16, 5, 5], m: [3, 3] }),
    refocused('dense 3×3, map of 5', { x: [2, 16, 6, 5], w: [8, 16, 3, 3], m: [5, 5] }),
    refocused('dense 1×1', { x: [2, 16, 6, 5], w: [32, 16, 1, 1], m: [1, 1] }),
    refocused('dense, larger than its maps', { x: [4, 16, 3, 3], w: [32, 16, 3, 3], m: [3, 3] }),
    refocused('dense, of two convolutions', { x: [2, 16, 6, 5], w: [16, 16, 3, 3], m: [3, 3], twice: true }),
    refocused('dense 1×3', { x: [2, 16, 6, 5], w: [16, 16, 1, 3], m: [1, 3] }),
    refocused('the first', { x: [2, 3, 8, 9], w: [16, 3, 3, 3], m: [3, 3], first: true, s: 2 }),
    refocused('depthwise', { x: [2, 12, 6, 5], w: [12, 1, 3, 3], m: [3, 3] }),
    refocused('grouped', { x: [2, 8, 6, 5], w: [12, 2, 3, 3], m: [3, 3] }),
  ]);
});
