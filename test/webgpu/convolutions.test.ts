import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { mendForWebgpu } from '../../src/runtime/ort/mend-webgpu.js';
import { compareOperators } from '../../src/runtime/self-test/operators.js';
import { describeWebgpu } from '../support/webgpu/test.js';

/** Input and output channels around those that the provider gets wrong: 6 → 4 is, 3 → 4, 6 → 5 and 12 → 4 are not. */
const CHANNELS = [3, 6, 9, 10, 12].flatMap((c) => [4, 5].map((o) => [c, o] as const));
/** Kernel, stride, padding. */
const WINDOWS = [
  [3, 1, 1],
  [3, 2, 1],
  [1, 2, 0],
] as const;

const random = randomFor('convolutions');
const draw = (dims: readonly number[]): Tensor =>
  Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
  );

/** Convolutions side by side, half of them with kernels that are no constants. */
function convolutions(
  opset: number,
  channels = CHANNELS,
): { readonly model: Model; readonly feeds: Map<string, Tensor> } {
  const graph = new Graph('convolutions');
  const b = new GraphBuilder(graph, opset);
  const feeds = new Map<string, Tensor>();
  const fed = (name: string, dims: readonly number[]) => {
    feeds.set(name, draw(dims));
    return graph.addInput(name, tensorType('float32', dims));
  };
  for (const [c, o] of channels)
    for (const [k, s, p] of WINDOWS) {
      const name = `${c}→${o} ${k}/${s}`;
      const kernel = [o, c, k, k];
      const w = s === 1 ? b.constant(draw(kernel), `${name} w`) : fed(`${name} w`, kernel);
      const attributes = { kernel_shape: [k, k], strides: [s, s], pads: [p, p, p, p] };
      graph.addOutput(b.op('Conv', [fed(name, [2, c, 5, 6]), w], attributes, { name }));
    }
  return { model: new Model(graph, opset), feeds };
}

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

  test.each([
    [20, 'NHWC', CHANNELS],
    [20, 'NCHW', CHANNELS],
    [9, 'NHWC', CHANNELS.slice(2, 4)],
  ] as const)('of all channel counts are right, opset %d, %s', async (opset, layout, channels) => {
    const engine = await createEngine({ device: 'webgpu', allowSoftware: true, webgpu: { layout } });
    try {
      const { model, feeds } = convolutions(opset, [...channels]);
      const differences = await compareOperators(engine, reference, model, feeds);
      expect(differences).toHaveLength(channels.length * WINDOWS.length);
      expect(differences[0].relative, differences[0].node).toBeLessThan(1e-6);
    } finally {
      await engine.close();
    }
  });
});
