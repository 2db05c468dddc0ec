import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { mendForWebgpu } from '../../src/runtime/ort/mend-webgpu.js';
import { compareOperators, type OperatorDifference } from '../../src/runtime/self-test/operators.js';
import { describeWebgpu } from '../support/webgpu/test.js';

/** Input and output channels around those that the provider gets wrong: 6 → 4 is, 3 → 4, 6 → 5 and 12 → 4 are not. */
const CHANNELS = [3, 6, 9, 10, 12].flatMap((c) => [4, 5].map((o) => [c, o] as const));
/** Kernel, stride, padding. */
const WINDOWS = [
  [3, 1, 1],
  [3, 2, 1],
  [1, 2, 0],
] as const;

/**
 * Kernels as large as their input of 5 × 6: those that begin without padding and have some at the end are wrong. The others
 * begin with some, have none, or are a pixel smaller.
 */
const WHOLE = {
  'no pads': { kernel_shape: [5, 6] },
  'pads at the end': { kernel_shape: [5, 6], pads: [0, 0, 1, 1] },
  'pads at one end': { kernel_shape: [5, 6], pads: [0, 0, 0, 2] },
  'pads at the end, stride 2': { kernel_shape: [5, 6], pads: [0, 0, 2, 2], strides: [2, 2] },
  dilated: { kernel_shape: [5, 6], pads: [0, 0, 4, 6], dilations: [2, 2] },
  'pads all round': { kernel_shape: [5, 6], pads: [1, 1, 1, 1] },
  'pads above': { kernel_shape: [5, 6], pads: [1, 0, 1, 1] },
  'a pixel smaller': { kernel_shape: [5, 5], pads: [0, 0, 1, 1] },
  SAME_UPPER: { kernel_shape: [5, 6], auto_pad: 'SAME_UPPER' },
  'SAME_UPPER, 2 × 2': { kernel_shape: [2, 2], auto_pad: 'SAME_UPPER' },
  'two groups': { kernel_shape: [5, 6], pads: [0, 0, 1, 1], group: 2 },
} as const;

const random = randomFor('convolutions');
const draw = (dims: readonly number[]): Tensor =>
  Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  );

interface Made {
  readonly model: Model;
  readonly feeds: ReadonlyMap<string, Tensor>;
}

/** A graph of nodes side by side, and random values for its inputs. */
function made(
  opset: number,
  emit: (b: GraphBuilder, fed: (name: string, dims: readonly number[]) => Value) => readonly Value[],
): Made {
  const graph = new Graph('side by side');
  const feeds = new Map<string, Tensor>();
  const results = emit(new GraphBuilder(graph, opset), (name, dims) => {
    feeds.set(name, draw(dims));
    return graph.addInput(name, tensorType('float32', dims));
  });
  for (const v of results) graph.addOutput(v);
  return { model: new Model(graph, opset), feeds };
}

/** Convolutions, half of them with kernels that are no constants. */
const convolutions = (opset: number, channels = CHANNELS): Made =>
  made(opset, (b, fed) =>
    channels.flatMap(([c, o]) =>
      WINDOWS.map(([k, s, p]) => {
        const name = `${c}→${o} ${k}/${s}`;
        const kernel = [o, c, k, k];
        const w = s === 1 ? b.constant(draw(kernel), `${name} w`) : fed(`${name} w`, kernel);
        const attributes = { kernel_shape: [k, k], strides: [s, s], pads: [p, p, p, p] };
        return b.op('Conv', [fed(name, [2, c, 5, 6]), w], attributes, { name });
      }),
    ),
  );

/** Input and output channels of a group: even ones are wrong for one output channel. */
const GROUPS = [1, 2, 3, 4, 5, 6, 8, 9, 12].flatMap((i) => [1, 2].map((o) => [i, o] as const));

const transposed = (opset: number): Made =>
  made(opset, (b, fed) =>
    [1, 3].flatMap((group) =>
      GROUPS.map(([i, o]) => {
        const name = `${i}→${o} in ${group}`;
        const inputs = [fed(`${name} x`, [2, i * group, 3, 4]), fed(`${name} w`, [i * group, o, 2, 3])];
        const bias = i === 4 ? [fed(`${name} bias`, [o * group])] : [];
        const attributes = { kernel_shape: [2, 3], strides: [2, 2], group };
        return b.op('ConvTranspose', [...inputs, ...bias], attributes, { name });
      }),
    ),
  );

test('transposed convolutions in groups of one output and an even number of inputs are mended', () => {
  const { model } = transposed(20);
  const mended = mendForWebgpu(model);
  const names = mended.graph.nodes.filter((n) => n.opType === 'Pad').map((n) => n.output().uses[0].node.name);
  expect(names).toEqual([2, 4, 6, 8, 12].map((i) => `${i}→1 in 3`));
  expect(mended.graph.outputs.map((v) => v.name)).toEqual(model.graph.outputs.map((v) => v.name));
  expect(mendForWebgpu(mended)).toBe(mended);
});

const wholeKernels = (opset: number): Made =>
  made(opset, (b, fed) =>
    Object.entries(WHOLE).map(([name, attributes]) => {
      const channels = 8 / ('group' in attributes ? attributes.group : 1);
      const { kernel_shape: kernel } = attributes;
      const side = kernel[0] === 2 ? kernel : [5, 6];
      const w = fed(`${name} w`, [4, channels, ...kernel]);
      return b.op('Conv', [fed(`${name} x`, [2, 8, ...side]), w], attributes, { name });
    }),
  );

test('kernels as large as the input are mended where they have padding at the end alone', () => {
  const { model } = wholeKernels(20);
  const mended = mendForWebgpu(model);
  const padded = mended.graph.nodes.filter((n) => n.inputs[0]?.producer?.opType === 'Pad');
  expect(padded.map((n) => n.name)).toEqual([
    'pads at the end',
    'pads at one end',
    'pads at the end, stride 2',
    'dilated',
    'SAME_UPPER, 2 × 2',
  ]);
  expect(mendForWebgpu(mended)).toBe(mended);
});

test('a file need not say the dims of what a kernel sees', () => {
  const graph = new Graph('untyped');
  const b = new GraphBuilder(graph, 20, { infer: false });
  const x = b.op('Relu', [graph.addInput('x', tensorType('float32', [2, 8, 5, 6]))]);
  const w = b.constant(draw([4, 8, 5, 6]), 'w');
  graph.addOutput(b.op('Conv', [x, w], { pads: [0, 0, 1, 1] }));
  expect(x.type).toBeUndefined();
  const { nodes } = mendForWebgpu(new Model(graph, 20)).graph;
  expect(nodes.map((n) => n.opType)).toEqual(['Relu', 'Pad', 'Pad', 'Conv']);
});

test('only what the provider gets wrong is mended, in a copy', () => {
  const { model } = convolutions(20);
  const mended = mendForWebgpu(model);
  expect(model.graph.nodes).toHaveLength(CHANNELS.length * WINDOWS.length);
  const padded = mended.graph.nodes.filter((n) => n.inputs[0]?.producer?.opType === 'Pad');
  expect(new Set(padded.map((n) => n.name.split(' ')[0]))).toEqual(new Set(['6→4', '9→4']));
  expect(mendForWebgpu(mended)).toBe(mended);
});

describeWebgpu('convolutions on WebGPU', () => {
  let reference: Engine;
  beforeAll(async () => {
    reference = await createEngine({ threads: 1 });
  });
  afterAll(() => reference.close());

  /** What a device with a layout computes otherwise than the CPU, the worst first. */
  async function differences(layout: 'NHWC' | 'NCHW', { model, feeds }: Made): Promise<OperatorDifference[]> {
    const engine = await createEngine({ device: 'webgpu', allowSoftware: true, webgpu: { layout } });
    try {
      return await compareOperators(engine, reference, model, feeds);
    } finally {
      await engine.close();
    }
  }

  const wrong = (found: readonly OperatorDifference[]): string[] =>
    found.filter((d) => !(d.relative < 1e-6)).map((d) => d.node);

  describe.each([
    [20, 'NHWC', CHANNELS],
    [20, 'NCHW', CHANNELS],
    [9, 'NHWC', CHANNELS.slice(2, 4)],
  ] as const)('opset %d, %s', (opset, layout, channels) => {
    test('of kernels as large as the input are right', async () => {
      const found = await differences(layout, wholeKernels(opset));
      expect(found).toHaveLength(Object.keys(WHOLE).length);
      expect(wrong(found)).toEqual([]);
    });

    test('transposed, of all channel counts, are right', async () => {
      const found = await differences(layout, transposed(opset));
      expect(found).toHaveLength(2 * GROUPS.length);
      expect(wrong(found)).toEqual([]);
    });

    test('of all channel counts are right', async () => {
      const found = await differences(layout, convolutions(opset, [...channels]));
      expect(found).toHaveLength(channels.length * WINDOWS.length);
      expect(wrong(found)).toEqual([]);
    });
  });
});
