import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { cloneModel, type GraphBuilder, Tensor, type Value, verifyModel } from '../../../src/onnx/index.js';
import { createEngine, type Engine, findTrainingNodes, toInferenceMode } from '../../../src/runtime/index.js';
import { build, ops, outputs, randomTensor } from './build.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

function statistics(g: GraphBuilder): Value[] {
  return [
    g.constant(Tensor.float32([2], [1.5, 0.5]), 'gamma'),
    g.constant(Tensor.float32([2], [0.1, -0.2]), 'beta'),
    g.constant(Tensor.float32([2], [3, -1]), 'mean'),
    g.constant(Tensor.float32([2], [4, 0.25]), 'var'),
  ];
}

const x = randomTensor([3, 2, 4], 'x');

/** γ·(x − μ)/√(σ² + ε) + β with the running statistics. */
function expected(): number[] {
  return Array.from<number | bigint, number>(x.typed(), Number).map((v, i) => {
    const c = Math.floor(i / 4) % 2;
    const [gamma, beta, mean, variance] = [[1.5, 0.5][c], [0.1, -0.2][c], [3, -1][c], [4, 0.25][c]];
    return (gamma * (v - mean)) / Math.sqrt(variance + 1e-3) + beta;
  });
}

describe('BatchNormalization', () => {
  test.each([
    [15, 3, { training_mode: 1, epsilon: { float: 1e-3 } }],
    [9, 5, { epsilon: { float: 1e-3 } }],
  ] as const)('opset %i with %i outputs reads its running statistics', async (opset, count, attributes) => {
    const model = build(
      { x: [3, 2, 4] },
      (g, { x }) => {
        const outs = g.ops('BatchNormalization', [x, ...statistics(g)], attributes, { outputs: count });
        return g.op('Identity', [outs[0]]);
      },
      opset,
    );
    expect(findTrainingNodes(model).batchNorms).toHaveLength(1);
    const result = toInferenceMode(model);
    expect(result).toEqual({
      modified: true,
      nodes: ["BatchNormalization 'BatchNormalization'"],
      random: [],
    });
    const [bn] = model.graph.nodes;
    expect(bn.outputs).toHaveLength(1);
    expect(bn.attributes.has('training_mode')).toBe(false);
    expect(bn.float('epsilon', 0)).toBeCloseTo(1e-3, 8);
    verifyModel(model);
    const [{ data }] = await outputs(engine, model, { x });
    expected().forEach((v, i) => {
      expect(data[i]).toBeCloseTo(v, 4);
    });
    expect(toInferenceMode(model).modified).toBe(false);
  });

  test('new statistics that somebody reads become the running ones, under their own names', async () => {
    const model = build({ x: [3, 2, 4] }, (g, { x }) => {
      const [y, mean, variance] = g.ops(
        'BatchNormalization',
        [x, ...statistics(g)],
        { training_mode: 1 },
        { outputs: 3 },
      );
      return [y, mean, g.op('Sqrt', [variance])];
    });
    toInferenceMode(model);
    verifyModel(model);
    expect(model.graph.outputs.map((o) => o.name)).toEqual(['y0', 'y1', 'y2']);
    const [, mean, deviation] = await outputs(engine, model, { x });
    expect(mean.data).toEqual([3, -1]);
    expect(deviation.data).toEqual([2, 0.5]);
  });

  test('the inference form is not touched', () => {
    for (const [opset, attributes] of [
      [15, {}],
      [15, { training_mode: 0 }],
      [9, {}],
    ] as const) {
      const model = build(
        { x: [3, 2, 4] },
        (g, { x }) => g.op('BatchNormalization', [x, ...statistics(g)], attributes),
        opset,
      );
      expect(toInferenceMode(model)).toEqual({ modified: false, nodes: [], random: [] });
    }
  });
});

describe('Dropout', () => {
  const dropout = (mode: 'live' | 'off' | 'absent', opset = 13) =>
    build(
      { x: [3, 2, 4] },
      (g, { x }) => {
        const inputs =
          mode === 'absent' ? [x] : [x, g.f32(0.5), g.constant(Tensor.bool([], [mode === 'live']))];
        return g.op('Relu', [g.op('Dropout', inputs)]);
      },
      opset,
    );

  test('that is live goes; others are no training nodes', () => {
    const live = dropout('live');
    expect(toInferenceMode(live)).toEqual({ modified: true, nodes: ["Dropout 'Dropout'"], random: [] });
    expect(ops(live)).toEqual(['Relu']);
    verifyModel(live);
    for (const model of [dropout('off'), dropout('absent'), dropout('absent', 10)])
      expect(toInferenceMode(model).modified).toBe(false);
  });

  test('that is wanted again stays, in its inference form', () => {
    const live = dropout('live');
    expect(toInferenceMode(live, { keepDropout: true }).nodes).toEqual(["Dropout 'Dropout'"]);
    expect(ops(live)).toEqual(['Dropout', 'Relu']);
    expect(live.graph.nodes[0].inputs).toHaveLength(2);
    expect(findTrainingNodes(live).dropouts).toEqual([]);
    verifyModel(live);
  });

  test('whose result or mask leaves the graph stays, as a pass-through', async () => {
    const model = build({ x: [3, 2, 4] }, (g, { x }) => [
      ...g.ops('Dropout', [x, g.f32(0.5), g.constant(Tensor.bool([], [true]))], {}, { outputs: 2 }),
    ]);
    const before = cloneModel(model);
    toInferenceMode(model);
    verifyModel(model);
    expect(model.graph.outputs.map((o) => o.name)).toEqual(before.graph.outputs.map((o) => o.name));
    const [y, mask] = await outputs(engine, model, { x });
    expect(y.data).toEqual([...x.typed()]);
    expect(mask.data).toEqual(new Array(24).fill(1));
  });

  test('with a mode that the caller feeds passes through', () => {
    const model = build({ x: [3, 2, 4], training: { type: 'bool', dims: [] } }, (g, { x, training }) =>
      g.op('Relu', [g.op('Dropout', [x, g.f32(0.5), training])]),
    );
    expect(toInferenceMode(model).modified).toBe(true);
    expect(ops(model)).toEqual(['Relu']);
  });
});

test('other random nodes are told, and stay', () => {
  const model = build({ x: [3, 2, 4] }, (g, { x }) => g.op('Add', [x, g.op('RandomNormalLike', [x])]));
  expect(toInferenceMode(model)).toEqual({
    modified: false,
    nodes: [],
    random: ["RandomNormalLike 'RandomNormalLike'"],
  });
});

describe('stochastic depth', () => {
  /** x times a random factor per sample. */
  const depth = (factor: (g: GraphBuilder) => Value, opset = 17) =>
    build({ x: [3, 2, 4] }, (g, { x }) => g.op('Relu', [g.op('Mul', [x, factor(g)])]), opset);
  const like = (g: GraphBuilder) => g.constant(Tensor.float32([3, 1, 1], [0, 0, 0]));
  const draw = (g: GraphBuilder, p: number, attributes = {}) =>
    g.op('Cast', [g.op('Less', [g.op('RandomUniformLike', [like(g)], attributes), g.f32(p)])], { to: 1 });

  const forms: Record<string, readonly [(g: GraphBuilder) => Value, opset?: number]> = {
    'as PyTorch traces it': [(g) => g.op('Div', [draw(g, 0.9), g.f32(0.9)])],
    'multiplied by 1/p': [(g) => g.op('Mul', [draw(g, 0.9), g.f32(1 / 0.9)])],
    'by RandomUniform': [
      (g) => {
        const u = g.op('RandomUniform', [], { shape: [3, 1, 1] });
        return g.op('Div', [g.op('Cast', [g.op('Less', [u, g.f32(0.5)])], { to: 1 }), g.f32(0.5)]);
      },
    ],
    'by Bernoulli': [
      (g) => {
        const p = g.constant(Tensor.float32([3, 1, 1], [0.75, 0.75, 0.75]));
        return g.op('Div', [g.op('Bernoulli', [p]), g.f32(0.75)]);
      },
    ],
  };
  for (const [name, [factor, opset]] of Object.entries(forms))
    test(`${name}: X passes`, async () => {
      const model = depth(factor, opset);
      const result = toInferenceMode(model);
      expect(result.nodes).toHaveLength(1);
      expect(result.random).toEqual([]);
      expect(ops(model)).toEqual(['Identity', 'Relu']);
      verifyModel(model);
      const [{ data }] = await outputs(engine, model, { x });
      expect(data).toEqual(Array.from<number | bigint, number>(x.typed(), (v) => Math.max(0, Number(v))));
    });

  const others: Record<string, (g: GraphBuilder) => Value> = {
    'a factor that is not 1 in the mean': (g) => draw(g, 0.9),
    'another divisor': (g) => g.op('Div', [draw(g, 0.9), g.f32(0.8)]),
    'another range': (g) => g.op('Div', [draw(g, 0.9, { high: { float: 2 } }), g.f32(0.9)]),
    noise: (g) => g.op('RandomUniformLike', [like(g)]),
    'normal noise': (g) => g.op('RandomNormalLike', [like(g)]),
  };
  for (const [name, factor] of Object.entries(others))
    test(`${name} is something else, and stays`, () => {
      const model = depth(factor);
      const result = toInferenceMode(model);
      expect(result.modified).toBe(false);
      expect(result.random).toHaveLength(1);
    });

  test('stays where it is wanted again', () => {
    const model = depth((g) => g.op('Div', [draw(g, 0.9), g.f32(0.9)]));
    expect(toInferenceMode(model, { keepDropout: true }).modified).toBe(false);
  });
});
