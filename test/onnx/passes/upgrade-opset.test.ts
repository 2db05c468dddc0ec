/** Each change between opsets, old and new form run by ONNX Runtime; then whole exported networks. */
import { describe, expect, test } from 'vitest';
import {
  type AttributeInit,
  checkModel,
  cloneModel,
  eliminateDeadNodes,
  Graph,
  loadModel,
  Model,
  type Node,
  Tensor,
  upgradeOpset,
  verifyModel,
} from '../../../src/onnx/index.js';
import { golden, goldenTest, sharedFile } from '../../support/goldens.js';
import { singleNode, type TypedDims } from '../../support/op-case.js';
import { expectSameOutputs, feedsFor, run } from './run.js';

type Attributes = Readonly<Record<string, AttributeInit>>;

const f = (...dims: number[]): TypedDims => ['float32', dims];
const c = (dims: readonly number[], ...values: number[]): TypedDims => ['float32', dims, values];
const i64 = (...values: number[]): TypedDims => ['int64', [values.length], values];

function model(
  op: string,
  opset: number,
  inputs: readonly (TypedDims | null)[],
  attributes: Attributes = {},
  outputs: readonly string[] = ['y0'],
  types: readonly ('float32' | 'int64' | 'bool')[] = [],
): Model {
  const node = singleNode(op, inputs, attributes, outputs);
  const { graph } = node;
  if (!graph) throw new Error('no graph');
  node.outputs.forEach((o, i) => {
    o.type = { kind: 'tensor', dataType: types[i] ?? 'float32', shape: undefined };
    if (o.name !== '') graph.addOutput(o);
  });
  return new Model(graph, opset, 8);
}

function upgraded(m: Model, target = 20): Model {
  const copy = cloneModel(m);
  upgradeOpset(copy, target);
  verifyModel(copy);
  checkModel(copy);
  expect(copy.opset).toBe(target);
  return copy;
}

function only(m: Model): Node {
  expect(m.graph.nodes).toHaveLength(1);
  return m.graph.nodes[0];
}

interface Row {
  readonly op: string;
  readonly opset: number;
  readonly in: readonly (TypedDims | null)[];
  readonly attrs?: Attributes;
  readonly out?: number;
  readonly types?: readonly ('float32' | 'int64' | 'bool')[];
  /** What the upgraded graph consists of; default: the same single operator. */
  readonly becomes?: readonly string[];
}

const x = f(2, 3, 4, 5);
const positive = c([3], 0.5, 1, 2);
const rows: readonly Row[] = [
  { op: 'BatchNormalization', opset: 7, in: [x, positive, f(3), f(3), positive], attrs: { spatial: 1 } },
  {
    op: 'BatchNormalization',
    opset: 9,
    in: [x, positive, f(3), f(3), positive],
    attrs: { epsilon: { float: 0.1 } },
  },
  { op: 'Clip', opset: 7, in: [x], attrs: { min: { float: -0.5 }, max: { float: 0.75 } } },
  { op: 'Clip', opset: 10, in: [x], attrs: { max: { float: 0.1 } } },
  { op: 'Clip', opset: 7, in: [x] },
  { op: 'Pad', opset: 10, in: [x], attrs: { pads: [0, 1, 2, 0, 0, 0, 3, 1], value: { float: 1.5 } } },
  { op: 'Pad', opset: 7, in: [x], attrs: { pads: [0, 0, 1, 2, 0, 0, 1, -1], mode: 'reflect' } },
  { op: 'Slice', opset: 9, in: [x], attrs: { axes: [1, 3], starts: [1, -2], ends: [2 ** 31, 5] } },
  { op: 'Slice', opset: 7, in: [x], attrs: { starts: [1, 0], ends: [2, -1] } },
  {
    op: 'Slice',
    opset: 9,
    in: [x],
    attrs: { axes: [2], starts: [1], ends: { type: 'ints', value: [2n ** 63n - 1n] } },
  },
  { op: 'Squeeze', opset: 11, in: [f(1, 3, 1, 5)], attrs: { axes: [0, -2] } },
  { op: 'Squeeze', opset: 7, in: [f(1, 3, 1, 5)] },
  { op: 'Unsqueeze', opset: 12, in: [f(3, 5)], attrs: { axes: [-1, 0] } },
  { op: 'Split', opset: 11, in: [x], attrs: { axis: 1, split: [1, 2] }, out: 2 },
  { op: 'Split', opset: 13, in: [f(2, 6)], attrs: { axis: 1 }, out: 3 },
  ...[
    'ReduceMean',
    'ReduceMax',
    'ReduceMin',
    'ReduceSum',
    'ReduceProd',
    'ReduceL1',
    'ReduceL2',
    'ReduceSumSquare',
    'ReduceLogSumExp',
  ].map((op): Row => ({ op, opset: 11, in: [x], attrs: { axes: [1, -1], keepdims: 0 } })),
  { op: 'ReduceMean', opset: 17, in: [x] },
  { op: 'ReduceLogSum', opset: 13, in: [c([1, 3], 1, 2, 3)], attrs: { axes: [1] } },
  { op: 'ReduceSum', opset: 13, in: [x, i64(2)] },
  { op: 'TopK', opset: 9, in: [x], attrs: { axis: 1, k: 2 }, out: 2, types: ['float32', 'int64'] },
  { op: 'Dropout', opset: 7, in: [x], attrs: { ratio: { float: 0.4 } } },
  { op: 'Dropout', opset: 10, in: [x] },
  { op: 'Upsample', opset: 7, in: [x], attrs: { scales: { floats: [1, 1, 2, 3] } }, becomes: ['Resize'] },
  { op: 'Upsample', opset: 9, in: [x, c([4], 1, 1, 2, 2.5)], attrs: { mode: 'linear' }, becomes: ['Resize'] },
  { op: 'Upsample', opset: 9, in: [x, c([4], 1, 1, 1.5, 2.5)], becomes: ['Resize'] },
  { op: 'Resize', opset: 10, in: [x, c([4], 1, 1, 1.5, 2)] },
  { op: 'Resize', opset: 10, in: [x, c([4], 1, 1, 0.6, 0.7)] },
  { op: 'Resize', opset: 10, in: [x, c([4], 1, 1, 0.6, 1.7)], attrs: { mode: 'linear' } },
  ...(['half_pixel', 'pytorch_half_pixel', 'align_corners', 'asymmetric'] as const).flatMap((how): Row[] => [
    {
      op: 'Resize',
      opset: 11,
      in: [x, c([0]), c([4], 1, 1, 1.6, 0.7)],
      attrs: { mode: 'linear', coordinate_transformation_mode: how },
    },
    {
      op: 'Resize',
      opset: 11,
      in: [x, c([0]), c([0]), i64(2, 3, 7, 3)],
      attrs: { mode: 'nearest', coordinate_transformation_mode: how, nearest_mode: 'ceil' },
    },
  ]),
  { op: 'Resize', opset: 13, in: [x, null, c([4], 1, 1, 2, 2)], attrs: { mode: 'cubic' } },
  { op: 'Scatter', opset: 9, in: [f(3), i64(1), c([1], 5)], becomes: ['ScatterElements'] },
  ...['Softmax', 'LogSoftmax', 'Hardmax'].flatMap((op): Row[] => [
    { op, opset: 7, in: [f(2, 5)] },
    { op, opset: 11, in: [x], attrs: { axis: 3 } },
    { op, opset: 12, in: [x], attrs: { axis: -1 } },
    { op, opset: 11, in: [f(2, 5, 1, 1)] },
    { op, opset: 11, in: [f(2, 1, 1)] },
    { op, opset: 11, in: [x], becomes: ['Flatten', op, 'Reshape'] },
    { op, opset: 11, in: [x], attrs: { axis: -2 }, becomes: ['Flatten', op, 'Reshape'] },
    { op, opset: 7, in: [x], attrs: { axis: 0 }, becomes: ['Flatten', op, 'Reshape'] },
    { op, opset: 13, in: [x], attrs: { axis: 1 } },
  ]),
  { op: 'Constant', opset: 9, in: [], attrs: { value: Tensor.float32([2], [1, 2]) } },
  {
    op: 'AveragePool',
    opset: 7,
    in: [x],
    attrs: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], count_include_pad: 1 },
  },
  { op: 'AveragePool', opset: 10, in: [x], attrs: { kernel_shape: [2, 2], strides: [2, 2], ceil_mode: 1 } },
  { op: 'MaxPool', opset: 8, in: [x], attrs: { kernel_shape: [3, 3], strides: [2, 2] } },
  { op: 'Gemm', opset: 7, in: [f(3, 4), f(5, 4), f(5)], attrs: { transB: 1, alpha: { float: 0.5 } } },
  { op: 'Conv', opset: 7, in: [x, f(4, 3, 3, 3), f(4)], attrs: { pads: [1, 1, 1, 1] } },
  { op: 'Flatten', opset: 9, in: [x], attrs: { axis: 2 } },
  { op: 'PRelu', opset: 7, in: [x, c([3, 1, 1], 0.1, 0.2, 0.3)] },
  { op: 'Sum', opset: 8, in: [x, x, f(5)] },
  { op: 'DepthToSpace', opset: 9, in: [f(1, 8, 2, 3)], attrs: { blocksize: 2 } },
  { op: 'Reshape', opset: 21, in: [x, i64(0, -1)] },
  { op: 'Conv', opset: 22, in: [x, f(4, 3, 3, 3), f(4)], attrs: { strides: [2, 1] } },
  { op: 'ReduceMean', opset: 23, in: [x, i64(1)] },
  {
    op: 'RMSNormalization',
    opset: 23,
    in: [x, f(5)],
    becomes: ['Mul', 'ReduceMean', 'Add', 'Sqrt', 'Div', 'Mul'],
  },
  {
    op: 'RMSNormalization',
    opset: 23,
    in: [x, f(4, 5)],
    attrs: { axis: 2, epsilon: { float: 0.1 } },
    becomes: ['Mul', 'ReduceMean', 'Add', 'Sqrt', 'Div', 'Mul'],
  },
  { op: 'Swish', opset: 24, in: [x], becomes: ['Sigmoid', 'Mul'] },
  { op: 'Swish', opset: 24, in: [x], attrs: { alpha: { float: 1.7 } }, becomes: ['Mul', 'Sigmoid', 'Mul'] },
  {
    op: 'GroupNormalization',
    opset: 21,
    in: [f(2, 4, 3, 3), c([4], 1, 2, 3, 4), c([4], 0, 1, 0, -1)],
    attrs: { num_groups: 2 },
    becomes: ['Reshape', 'InstanceNormalization', 'Reshape', 'Reshape', 'Reshape', 'Mul', 'Add'],
  },
  {
    op: 'GroupNormalization',
    opset: 18,
    in: [f(2, 4, 3, 3), c([2], 1, 2), c([2], 0, -1)],
    attrs: { num_groups: 2 },
  },
];

describe('one operator means the same at opset 20', () => {
  for (const r of rows) {
    const attrs = JSON.stringify(r.attrs ?? {}, (_, v) => (typeof v === 'bigint' ? Number(v) : v));
    test(`${r.op} ${r.opset} of ${JSON.stringify(r.in)} ${attrs}`, async () => {
      const names = Array.from({ length: r.out ?? 1 }, (_, i) => `y${i}`);
      const old = model(r.op, r.opset, r.in, r.attrs, names, r.types);
      const next = upgraded(old);
      expect(next.graph.nodes.map((n) => n.opType)).toEqual(r.becomes ?? [r.op]);
      expect(next.graph.outputs.map((o) => o.name)).toEqual(names);
      const feeds = feedsFor(old);
      expectSameOutputs(await run(next, feeds), await run(old, feeds), r.op);
    });
  }
});

describe('structure', () => {
  test('BatchNormalization with running statistics becomes the training form', () => {
    const inputs = [x, f(3), f(3), f(3), f(3)];
    const node = only(
      upgraded(model('BatchNormalization', 9, inputs, {}, ['y', 'm', 'v', 'sm', 'sv'].slice(0, 3))),
    );
    expect(node.int('training_mode', 0)).toBe(1);
    expect(node.outputs.map((o) => o.name)).toEqual(['y', 'm', 'v']);
    const empty = only(upgraded(model('BatchNormalization', 9, inputs, {}, ['y', '', '', '', ''])));
    expect(empty.outputs.map((o) => o.name)).toEqual(['y']);
    expect(empty.attributes.has('training_mode')).toBe(false);
  });

  test('a flattened Softmax of open dims takes them from Shape', async () => {
    const old = model('Softmax', 11, [f(2, 3, 4)]);
    old.graph.inputs[0].type = { kind: 'tensor', dataType: 'float32', shape: ['N', 3, 4] };
    const next = upgraded(old);
    expect(next.graph.nodes.map((n) => n.opType)).toEqual(['Flatten', 'Shape', 'Softmax', 'Reshape']);
    const feeds = feedsFor(old, 5);
    expectSameOutputs(await run(next, feeds), await run(old, feeds), 'Softmax');
  });

  test('names, metadata and other attributes of a rebuilt node stay', () => {
    const old = model('Upsample', 9, [x, c([4], 1, 1, 2, 2)], { mode: 'nearest' });
    old.graph.nodes[0].metadata.set('layer', 'up');
    old.graph.outputs[0].docString = 'doubled';
    const next = upgraded(old);
    const node = only(next);
    expect([node.name, node.metadata.get('layer'), node.string('mode', '')]).toEqual(['n', 'up', 'nearest']);
    expect(next.graph.outputs[0].docString).toBe('doubled');
    expect(node.attributes.get('nearest_mode')).toMatchObject({ type: 'string' });
  });

  test('sub-graphs are brought along', () => {
    const graph = new Graph('g');
    const value = graph.addInput('x', { kind: 'tensor', dataType: 'float32', shape: [1, 3] });
    const cond = graph.addInput('c', { kind: 'tensor', dataType: 'bool', shape: [] });
    const branch = (name: string): AttributeInit => {
      const inner = new Graph(name, graph);
      const node = inner.addNode({
        opType: 'Squeeze',
        inputs: [value],
        outputs: [`${name}_y`],
        attributes: { axes: [0] },
      });
      inner.addOutput(node.output(0));
      return { type: 'graph', value: inner };
    };
    const node = graph.addNode({
      opType: 'If',
      inputs: [cond],
      outputs: ['y'],
      attributes: { then_branch: branch('t'), else_branch: branch('e') },
    });
    graph.addOutput(node.output(0));
    const next = upgraded(new Model(graph, 11, 8));
    for (const inner of only(next).subgraphs) {
      expect(inner.nodes[0].attributes.size).toBe(0);
      expect(inner.nodes[0].inputs).toHaveLength(2);
    }
  });

  test('a second upgrade changes nothing', () => {
    const m = upgraded(model('Clip', 7, [x], { max: { float: 6 } }));
    expect(upgradeOpset(m).modified).toBe(false);
  });
});

describe('what cannot be brought over is refused by name', () => {
  test.each<readonly [RegExp, Model]>([
    [
      /BatchNormalization 'n': spatial=0/,
      model('BatchNormalization', 7, [x, f(3, 4, 5), f(3, 4, 5), f(3, 4, 5), f(3, 4, 5)], { spatial: 0 }),
    ],
    [/enlarges one axis and reduces another/, model('Resize', 10, [x, c([4], 1, 1, 2, 0.5)])],
    [
      /saved statistics/,
      model('BatchNormalization', 9, [x, f(3), f(3), f(3), f(3)], {}, ['y', 'm', 'v', 'sm', 'sv']),
    ],
    [/a mask of the data type/, model('Dropout', 7, [x], {}, ['y', 'mask'])],
    [/Attention 'n' of opset 23 cannot be brought to opset 20/, model('Attention', 23, [x, x, x])],
    [/opset 6 of ai.onnx/, model('Relu', 6, [x])],
  ])('%s', (why, m) => {
    expect(() => upgradeOpset(m)).toThrow(why);
  });
});

const NETWORKS = [
  'mobilenext/script9_preserve',
  'hbonet/script9_preserve',
  'mobilenext/script10_folded',
  'hbonet/script11_folded',
  'shufflenet_v1_g3/script11_folded',
  'shufflenet_v2/script11_folded',
  'googlenet_oddsize/script13_folded',
  'efficientnet_narrow/script17_evalbn',
  'densenet_tiny/script17_train',
  'mobilenet_v3_small/dynamo20_dyn',
  'convnext_narrow/dynamo18',
  'fasternet_slicing/dynamo18',
  'convnext_narrow/dynamo23_raw',
  'resnet_bottleneck/dynamo23_raw',
  'alexnet_lrn_grouped/rewritten_lrn',
  'squeezenet/rewritten_constant_nodes',
];

describe('exported networks', () => {
  for (const name of NETWORKS)
    goldenTest(name, async () => {
      const old = await loadModel(golden('onnx-export', `${name}.onnx`));
      const next = upgraded(old);
      eliminateDeadNodes(next.graph);
      verifyModel(next);
      const feeds = feedsFor(old);
      expectSameOutputs(await run(next, feeds), await run(old, feeds), name);
    });

  for (const file of [
    'checkpoints/ultraface-rfb320/version-RFB-320.onnx',
    'checkpoints/derived/resnet20_cifar10_bn.onnx',
    'checkpoints/derived/tiny_darknet.onnx',
  ])
    goldenTest(file, async () => {
      const old = await loadModel(sharedFile(file));
      const next = upgraded(old);
      const feeds = feedsFor(old);
      expectSameOutputs(await run(next, feeds), await run(old, feeds), file);
    });
});
