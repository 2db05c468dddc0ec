import { describe, expect, test } from 'vitest';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { Graph, GraphBuilder, loadModel, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { createEngine } from '../../src/runtime/index.js';
import { golden, goldenTest } from '../support/goldens.js';
import { checkGradients } from '../support/gradcheck.js';

interface Case {
  readonly x: readonly number[];
  readonly indices: readonly number[];
  readonly dims: readonly number[];
  readonly updates: readonly number[];
}

const cases: Record<string, Case> = {
  rows: { x: [5, 3], indices: [3, 0], dims: [2, 1], updates: [2, 3] },
  'the first channels, transposed': { x: [4, 2, 3], indices: [0, 1], dims: [2, 1], updates: [2, 2, 3] },
  'from the end': { x: [5, 3], indices: [-1, 1], dims: [2, 1], updates: [2, 3] },
  'two axes': { x: [3, 4, 2], indices: [0, 1, 2, 3, 1, 0], dims: [3, 2], updates: [3, 2] },
  'single elements': { x: [3, 4], indices: [0, 1, 2, 3], dims: [1, 2, 2], updates: [1, 2] },
  'every row': { x: [2, 3], indices: [1, 0], dims: [2, 1], updates: [2, 3] },
};

describe('ScatterND agrees with central differences', () => {
  for (const [name, { x, indices, dims, updates }] of Object.entries(cases))
    for (const opset of [11, 18])
      test(`${name}, opset ${opset}`, () =>
        checkGradients(`ScatterND ${name}`, {
          inputs: { x, updates },
          build: (b, v) => b.op('ScatterND', [v.x, b.i64(indices, dims), v.updates]),
          opset,
        }));
});

describe('ScatterND is refused, naming the node', () => {
  function gradient(build: (b: GraphBuilder, x: Value, u: Value) => Value): () => void {
    const graph = new Graph('test');
    const b = new GraphBuilder(graph, 20);
    const x = graph.addInput('x', tensorType('float32', [3, 2]));
    const u = graph.addInput('u', tensorType('float32', [2, 2]));
    const y = build(b, x, u);
    const seed = b.constant(Tensor.float32([3, 2], [1, 1, 1, 1, 1, 1]));
    return () => differentiate(b, new Map([[y, seed]]), [x, u]);
  }

  test('where a row is written twice', () => {
    const twice = gradient((b, x, u) =>
      b.op('ScatterND', [x, b.i64([1, -2], [2, 1]), u], {}, { name: 'put' }),
    );
    expect(twice).toThrow(/'put' writes 1 rows more than once/);
  });

  test('with a reduction', () => {
    const adding = gradient((b, x, u) =>
      b.op('ScatterND', [x, b.i64([1, 0], [2, 1]), u], { reduction: 'add' }, { name: 'put' }),
    );
    expect(adding).toThrow(/'put'.*reduction add/);
  });

  test('where the positions are computed', () => {
    const computed = gradient((b, x, u) => {
      const positions = b.op('Cast', [b.op('Slice', [x, b.i64([0]), b.i64([1]), b.i64([1])])], { to: 7 });
      const two = b.op('Slice', [positions, b.i64([0]), b.i64([2])]);
      return b.op('ScatterND', [x, two, u], {}, { name: 'put' });
    });
    expect(computed).toThrow(/'put'.*is computed/);
  });
});

test('CastLike passes the gradient back in its own type', () =>
  checkGradients('CastLike', {
    inputs: { x: [2, 3], like: [1] },
    build: (b, v) => b.op('Add', [b.op('CastLike', [v.x, v.like]), v.like]),
    opset: 19,
  }));

for (const [net, file] of [
  ['fasternet_slicing', 'dynamo18.onnx'],
  ['fasternet_slicing', 'script17_train.onnx'],
  ['resnet_bottleneck', 'dynamo23_raw.onnx'],
])
  goldenTest(`${net}/${file} can be trained`, async () => {
    const engine = await createEngine({ threads: 2 });
    try {
      const model = await loadModel(golden('onnx-export', net, file));
      const image = model.graph.requiredInputs[0].shape?.slice(1) ?? [3, 48, 48];
      const prepared = await prepareTraining(model, { batch: 2, image, engine });
      const step = buildTrainStep(prepared, {
        optimizer: { kind: 'sgd', momentum: 0, nesterov: false },
        weightDecay: 0,
        decayAll: false,
        loss: { kind: 'cross-entropy', labelSmoothing: 0 },
        bn: 'train',
      });
      const session = await engine.stepSession(step.model, {
        state: step.state,
        initial: new Map(step.state.map((s) => [s.input, s.initial])),
        fetch: step.fetch,
      });
      const size = 2 * image.reduce((a, d) => a * d, 1);
      const out = await session.step(
        new Map([
          [
            step.image,
            Tensor.float32(
              [2, ...image],
              Float32Array.from({ length: size }, (_, i) => Math.sin(i)),
            ),
          ],
          [step.label, Tensor.int32([2], [0, 1])],
          [step.lr, Tensor.float32([], [0.1])],
        ]),
      );
      expect(Number.isFinite(Number(out.get(step.loss)?.typed()[0]))).toBe(true);
    } finally {
      await engine.close();
    }
  });
