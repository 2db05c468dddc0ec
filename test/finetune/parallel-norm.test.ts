import { afterAll, beforeAll, expect, test } from 'vitest';
import { emitInternal } from '../../src/finetune/autodiff/internal.js';
import { parallelLowering } from '../../src/finetune/lowering/parallel/index.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { checkParallelCases, type Drawn, type LoweringCase, lowerCases } from '../support/lowering-cases.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

/** BatchNormalization in training mode of an input, with its statistics; `before`: the operator that reads the result. */
function norm(name: string, x: Drawn, { epsilon = 1e-5, before = '' } = {}): LoweringCase {
  const dims = 'dims' in x ? x.dims : x;
  const channels = [dims[1]];
  return {
    name,
    inputs: { x },
    weights: { gamma: channels, beta: channels },
    build: (b, v) => {
      const like = tensorType('float32', channels);
      const [y, mean, variance] = emitInternal(
        b,
        'BatchNormTrain',
        [v.x, v.gamma, v.beta],
        [v.x.type, like, like],
        { epsilon: { float: epsilon } },
      );
      return [before ? b.op(before, [y]) : y, mean, variance];
    },
  };
}

test('BatchNormalization of one to three axes, of rows, of one pixel, of one image', () =>
  checkParallelCases(
    [
      norm('maps', [4, 6, 5, 7]),
      norm('rows', [9, 5]),
      norm('sequences', [3, 5, 11]),
      norm('volumes', [2, 3, 4, 3, 5]),
      norm('one pixel', [8, 5, 1, 1]),
      norm('one image', [1, 5, 6, 4]),
      norm('one channel', [3, 1, 6, 4]),
      norm('before ReLU', [4, 6, 5, 7], { before: 'Relu' }),
      norm('a large epsilon', [4, 6, 5, 7], { epsilon: 0.5 }),
    ],
    engine,
  ));

test('a mean much larger than the deviation does not cancel', () =>
  checkParallelCases([norm('far', { dims: [4, 6, 8, 8], value: (normal) => 100 + normal() })], engine));

test("the mask of ReLU's gradient is 0 or 1 for values of every size", async () => {
  const values = [0, 1.2e-38, 1e-30, 1e-12, 1e-6, 0.5, 1, 6, 1e6, 3.4e38];
  const graph = new Graph('relu');
  const b = new GraphBuilder(graph, 20);
  const [y, dy] = ['y', 'dy'].map((name) => graph.addInput(name, tensorType('float32', [values.length])));
  graph.addOutput(emitInternal(b, 'ReluGrad', [dy, y], [y.type])[0]);
  parallelLowering.lower(b, []);
  expect(graph.nodes.map((n) => n.opType)).toEqual(['HardSigmoid', 'Mul']);
  const session = await engine.session(new Model(graph, 20));
  const out = await session.run(
    new Map([
      ['y', Tensor.float32([values.length], values)],
      [
        'dy',
        Tensor.float32(
          [values.length],
          values.map(() => 2.5),
        ),
      ],
    ]),
  );
  await session.release();
  expect([...(out.get(graph.outputs[0].name)?.typed() ?? [])]).toEqual([
    0,
    ...values.slice(1).map(() => 2.5),
  ]);
});

test('no sum is over all pixels at once, which the provider would turn the map round for', () => {
  const { model } = lowerCases([norm('maps', [4, 6, 5, 7])], parallelLowering);
  const sums = model.graph.nodes.filter(
    (n) => n.opType.startsWith('Reduce') && n.input(0).shape?.length === 4,
  );
  expect(sums).toHaveLength(4);
  for (const n of sums) expect(Array.from(n.input(1).constant?.typed() ?? [], Number)).toEqual([3]);
});
