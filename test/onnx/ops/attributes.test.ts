import { describe, expect, test } from 'vitest';
import {
  type AttributeInit,
  alphaOf,
  axesOf,
  batchNormAttributes,
  castTo,
  clipRange,
  convAttributes,
  convTransposeAttributes,
  dropoutAttributes,
  Graph,
  GraphBuilder,
  geluIsTanh,
  gemmAttributes,
  groupNormAttributes,
  hardSigmoidAttributes,
  layerNormAttributes,
  lrnAttributes,
  Model,
  type Node,
  normalizeAxes,
  padAttributes,
  poolAttributes,
  resizeAttributes,
  resolvePads,
  resolveTransposePads,
  seluAttributes,
  sliceAxes,
  sliceRange,
  softmaxAxis,
  splitSizes,
  Tensor,
  transposePerm,
} from '../../../src/onnx/index.js';
import { singleNode, type TypedDims } from '../../support/op-case.js';
import { expectSameOutputs, feedsFor, run } from '../passes/run.js';

type Attributes = Readonly<Record<string, AttributeInit>>;

const f = (...dims: number[]): TypedDims => ['float32', dims];
const i64 = (...values: number[]): TypedDims => ['int64', [values.length], values];

function node(op: string, inputs: readonly (TypedDims | null)[] = [f(1)], attributes: Attributes = {}): Node {
  return singleNode(op, inputs, attributes);
}

describe('defaults of the specification', () => {
  test('windows', () => {
    expect(convAttributes(node('Conv', [f(1, 4, 8, 8), f(6, 2, 3, 5)], { group: 2 }))).toEqual({
      kernel: [3, 5],
      strides: [1, 1],
      dilations: [1, 1],
      pads: [0, 0, 0, 0],
      autoPad: 'NOTSET',
      groups: 2,
    });
    expect(convTransposeAttributes(node('ConvTranspose', [f(1, 4, 8), f(4, 2, 3)]))).toMatchObject({
      kernel: [3],
      groups: 1,
      outputPadding: [0],
      outputShape: undefined,
    });
    expect(poolAttributes(node('AveragePool', [f(1, 4, 8)], { kernel_shape: [2] }))).toMatchObject({
      kernel: [2],
      ceilMode: false,
      countIncludePad: false,
      columnMajor: false,
      p: 2,
    });
    expect(() => convAttributes(node('Conv', [f(1, 4, 8, 8), ['float32', [6, 2, 'k', 'k']]]))).toThrow(
      /Conv 'n': kernel; expected kernel_shape or a weight of known shape/,
    );
  });

  test('activations', () => {
    expect(alphaOf(node('LeakyRelu'))).toBe(Math.fround(0.01));
    expect(alphaOf(node('Elu'))).toBe(1);
    expect(alphaOf(node('LeakyRelu', [f(1)], { alpha: { float: 0.5 } }))).toBe(0.5);
    expect(hardSigmoidAttributes(node('HardSigmoid'))).toEqual({ alpha: Math.fround(0.2), beta: 0.5 });
    expect(seluAttributes(node('Selu')).gamma).toBeCloseTo(1.0507009873554805, 6);
    expect(geluIsTanh(node('Gelu'))).toBe(false);
    expect(geluIsTanh(node('Gelu', [f(1)], { approximate: 'tanh' }))).toBe(true);
    expect(() => geluIsTanh(node('Gelu', [f(1)], { approximate: 'x' }))).toThrow(/none or tanh; found 'x'/);
    expect([softmaxAxis(node('Softmax'), 12), softmaxAxis(node('Softmax'), 13)]).toEqual([1, -1]);
    expect(gemmAttributes(node('Gemm'))).toEqual({ alpha: 1, beta: 1, transA: false, transB: false });
  });

  test('normalizations', () => {
    expect(batchNormAttributes(node('BatchNormalization'), 20)).toEqual({
      epsilon: Math.fround(1e-5),
      momentum: Math.fround(0.9),
      training: false,
      spatial: true,
    });
    const old = singleNode('BatchNormalization', [f(1, 1)], { spatial: 0 }, ['y', 'm', 'v']);
    expect(batchNormAttributes(old, 7)).toMatchObject({ training: true, spatial: false });
    expect(batchNormAttributes(old, 9)).toMatchObject({ training: true, spatial: true });
    expect(batchNormAttributes(old, 14).training).toBe(false);
    expect(layerNormAttributes(node('LayerNormalization'))).toEqual({ axis: -1, epsilon: Math.fround(1e-5) });
    expect(lrnAttributes(node('LRN', [f(1)], { size: 3 }))).toEqual({
      size: 3,
      alpha: Math.fround(1e-4),
      beta: 0.75,
      bias: 1,
    });
    expect(() => groupNormAttributes(node('GroupNormalization'))).toThrow(/num_groups; expected at least 1/);
  });
});

describe('attributes that became inputs', () => {
  test('axes', () => {
    expect(axesOf(node('ReduceMean', [f(2, 3)], { axes: [-1] }))).toEqual([-1]);
    expect(axesOf(node('ReduceMean', [f(2, 3), i64(0, 1)]))).toEqual([0, 1]);
    expect(axesOf(node('ReduceMean', [f(2, 3)]))).toBe('absent');
    expect(axesOf(node('ReduceMean', [f(2, 3), ['int64', [1]]]))).toBeUndefined();
    expect(normalizeAxes(node('ReduceMean'), [-1, 0], 3)).toEqual([2, 0]);
  });

  test('a Constant node counts as known', () => {
    const graph = new Graph('g');
    const b = new GraphBuilder(graph, 20);
    const axes = b.op('Constant', [], { value_ints: [2] });
    const x = graph.addInput('x');
    expect(axesOf(b.node('ReduceMean', [x, axes]))).toEqual([2]);
  });

  test('Clip', () => {
    const attributes = { min: { float: 0 }, max: { float: 6 } };
    expect(clipRange(node('Clip', [f(2)], attributes))).toEqual({ min: 0, max: 6 });
    expect(clipRange(node('Clip', [f(2), null, ['float32', [], [6]]]))).toEqual({ min: -Infinity, max: 6 });
    expect(clipRange(node('Clip', [f(2), f()]))).toBeUndefined();
  });

  test('bounds of 16-bit floats are read as numbers', () => {
    const n = node('Clip', [['float16', [2]]]);
    const bits = (dataType: 'float16' | 'bfloat16', word: number): Tensor =>
      Tensor.raw(dataType, [], new Uint8Array(Uint16Array.of(word).buffer));
    const { graph } = n;
    n.setInput(1, graph?.addInitializer('low', bits('float16', 0xc000)));
    n.setInput(2, graph?.addInitializer('high', bits('bfloat16', 0x40c0)));
    expect(clipRange(n)).toEqual({ min: -2, max: 6 });
    n.setInput(2, graph?.addInitializer('odd', Tensor.raw('int4', [3], new Uint8Array(2))));
    expect(() => clipRange(n)).toThrow(/a constant of type int4/);
  });

  test('Dropout', () => {
    expect(dropoutAttributes(node('Dropout', [f(2)], { ratio: { float: 0.25 } }))).toEqual({
      ratio: 0.25,
      training: false,
    });
    expect(dropoutAttributes(node('Dropout', [f(2), ['float32', [], [0.75]], ['bool', [], [1]]]))).toEqual({
      ratio: 0.75,
      training: true,
    });
    expect(dropoutAttributes(node('Dropout', [f(2), null, ['bool', []]]))).toEqual({
      ratio: 0.5,
      training: undefined,
    });
  });

  test('Slice', () => {
    const attributes = { starts: [1, -2], ends: [9, 5], axes: [-1, 0] };
    const cuts = [
      { axis: 1, start: 1, end: 9, step: 1 },
      { axis: 0, start: -2, end: 5, step: 1 },
    ];
    expect(sliceAxes(node('Slice', [f(4, 6)], attributes), 2)).toEqual(cuts);
    expect(sliceAxes(node('Slice', [f(4, 6), i64(1, -2), i64(9, 5), i64(-1, 0)]), 2)).toEqual(cuts);
    expect(cuts.map((s, i) => sliceRange(s, [6, 4][i]))).toEqual([
      { start: 1, count: 5 },
      { start: 2, count: 2 },
    ]);
    const back = { axis: 0, start: -1, end: -100, step: -2 };
    expect(sliceRange(back, 5)).toEqual({ start: 4, count: 3 });
    expect(sliceRange({ ...back, start: 3, end: 3 }, 5).count).toBe(0);
    expect(sliceRange({ ...back, step: 1, start: 9, end: 12 }, 5)).toEqual({ start: 5, count: 0 });
  });

  test('Pad', () => {
    expect(padAttributes(node('Pad', [f(2, 3)], { pads: [0, 1, 0, 2], value: { float: 4 } }), 2)).toEqual({
      mode: 'constant',
      pads: [0, 1, 0, 2],
      value: 4,
    });
    const axes = node('Pad', [f(2, 3, 4), i64(1, 2, 3, 4), null, i64(-1, 0)], { mode: 'edge' });
    expect(padAttributes(axes, 3)).toEqual({ mode: 'edge', pads: [2, 0, 1, 4, 0, 3], value: 0 });
  });

  test('Split', () => {
    const split = (inputs: readonly TypedDims[], attributes: Attributes, outputs: number): Node =>
      singleNode(
        'Split',
        inputs,
        attributes,
        Array.from({ length: outputs }, (_, i) => `y${i}`),
      );
    expect(splitSizes(split([f(6)], { split: [2, 4] }, 2), 6)).toEqual([2, 4]);
    expect(splitSizes(split([f(6), i64(1, 5)], {}, 2), 6)).toEqual([1, 5]);
    expect(splitSizes(split([f(6)], {}, 3), 6)).toEqual([2, 2, 2]);
    expect(splitSizes(split([f(7)], { num_outputs: 3 }, 3), 7)).toEqual([3, 3, 1]);
    expect(() => splitSizes(split([f(7)], {}, 3), 7)).toThrow(/a multiple of 3; found 7/);
    expect(() => splitSizes(split([f(7)], { num_outputs: 2 }, 3), 7)).toThrow(
      /num_outputs; expected 3.*found 2/,
    );
  });

  test('Transpose, Cast', () => {
    expect(transposePerm(node('Transpose'), 3)).toEqual([2, 1, 0]);
    expect(castTo(node('Cast', [f(1)], { to: 10 }))).toBe('float16');
    expect(() => castTo(node('Cast'))).toThrow(/attribute to.*found 0/);
  });

  test('Resize of every generation', () => {
    const scales: TypedDims = ['float32', [4], [1, 1, 2, 2]];
    const x = f(1, 1, 2, 2);
    const upsample = node('Upsample', [x], { scales: { floats: [1, 1, 2, 2] } });
    for (const [n, opset] of [
      [upsample, 7],
      [node('Upsample', [x, scales]), 9],
      [node('Resize', [x, scales]), 10],
    ] as const)
      expect(resizeAttributes(n, 4, opset)).toMatchObject({
        coordinates: 'asymmetric',
        nearest: 'floor',
        scales: [1, 1, 2, 2],
        sizes: undefined,
      });
    expect(resizeAttributes(node('Resize', [x, null, scales]), 4, 13)).toMatchObject({
      mode: 'nearest',
      coordinates: 'half_pixel',
      nearest: 'round_prefer_floor',
      cubicCoefficient: -0.75,
      antialias: false,
      axes: [0, 1, 2, 3],
    });
    const some = node('Resize', [x, null, null, i64(3, 5)], { axes: [-2, 3] });
    expect(resizeAttributes(some, 4, 18)).toMatchObject({ axes: [2, 3], sizes: [3, 5], scales: undefined });
  });
});

describe('explicit pads do what auto_pad does, as ONNX Runtime runs it', () => {
  const sizes = [
    [7, 8],
    [8, 12],
    [9, 9],
  ];
  // The runtime refuses Conv with a dilation and SAME_*.
  const dilates = (op: string, autoPad: string): boolean => op === 'ConvTranspose' || autoPad === 'VALID';
  for (const autoPad of ['SAME_UPPER', 'SAME_LOWER', 'VALID'])
    for (const op of ['Conv', 'MaxPool', 'AveragePool', 'ConvTranspose'])
      test(`${op} ${autoPad}`, async () => {
        for (const size of sizes)
          for (const strides of [
            [1, 1],
            [2, 2],
          ])
            for (const dilations of op.startsWith('Conv') && dilates(op, autoPad)
              ? [
                  [1, 1],
                  [1, 2],
                ]
              : [[1, 1]]) {
              const window = { strides, ...(op.endsWith('Pool') ? { kernel_shape: [3, 2] } : { dilations }) };
              const weight: readonly TypedDims[] = op.startsWith('Conv') ? [f(2, 2, 3, 4)] : [];
              const model = (attributes: Attributes): Model => {
                const n = singleNode(op, [f(1, 2, ...size), ...weight], { ...window, ...attributes });
                const { graph } = n;
                if (!graph) throw new Error('no graph');
                n.output().type = { kind: 'tensor', dataType: 'float32', shape: undefined };
                graph.addOutput(n.output());
                return new Model(graph, 17, 8);
              };
              const auto = model({ auto_pad: autoPad });
              const n = auto.graph.nodes[0];
              const pads =
                op === 'ConvTranspose'
                  ? resolveTransposePads(convTransposeAttributes(n), size)
                  : resolvePads(op === 'Conv' ? convAttributes(n) : poolAttributes(n), size);
              const explicit = model({ pads });
              const feeds = feedsFor(auto);
              expectSameOutputs(
                await run(explicit, feeds),
                await run(auto, feeds),
                `${op} ${size} ${strides}`,
              );
            }
      });
});

test('a tensor passed by the caller is used before the graph is asked', () => {
  const n = node('ReduceMean', [f(2, 3), ['int64', [1]]]);
  expect(axesOf(n, (v) => (v === n.inputs[1] ? Tensor.int64([1], [1]) : undefined))).toEqual([1]);
});
