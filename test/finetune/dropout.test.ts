import { describe, expect, test } from 'vitest';
import { differentiate } from '../../src/finetune/autodiff/differentiate.js';
import { seedRandomNodes } from '../../src/finetune/step/random.js';
import {
  Graph,
  GraphBuilder,
  Model,
  Tensor,
  tensorType,
  upgradeOpset,
  type Value,
} from '../../src/onnx/index.js';
import { evaluate, type RefTensor } from '../../src/runtime/reference/index.js';

type Build = (b: GraphBuilder, x: Value) => readonly Value[];

interface Seeded {
  readonly model: Model;
  readonly seed: Value | undefined;
  run(seed: number): number[][];
}

const DIMS = [40, 50];

/** A graph of ones at the training opset, its random nodes seeded. The last output stands for the scores. */
function seeded(build: Build, dropout: 'train' | 'off' = 'train', opset = 20): Seeded {
  const graph = new Graph('dropout');
  const x = graph.addInput('x', tensorType('float32', DIMS));
  for (const y of build(new GraphBuilder(graph, opset), x)) graph.addOutput(y);
  const model = new Model(graph, opset, 9);
  upgradeOpset(model, 20);
  const b = new GraphBuilder(graph, 20);
  const seed = seedRandomNodes(b, graph.outputs.slice(-1), dropout);
  const data = new Float64Array(DIMS[0] * DIMS[1]).fill(1);
  return {
    model,
    seed,
    run: (value) => {
      const feeds = new Map<string, RefTensor>([['x', { dataType: 'float32', dims: DIMS, data }]]);
      if (seed) feeds.set(seed.name, { dataType: 'int32', dims: [], data: Float64Array.of(value) });
      return [...evaluate(model, feeds).values()].map((t) =>
        Array.from<number | bigint, number>(t.data, Number),
      );
    },
  };
}

const dropped =
  (ratio: number): Build =>
  (b, x) => [b.op('Neg', [b.op('Dropout', [x, b.f32(ratio)])])];

const ops = ({ model }: Seeded): Set<string> => new Set(model.graph.nodes.map((n) => n.opType));

describe('Dropout becomes a product with a mask', () => {
  for (const ratio of [0.1, 0.5, 0.9])
    test(`ratio ${ratio}: zeros, and 1/(1 − p) elsewhere`, () => {
      const [y] = seeded(dropped(ratio)).run(5);
      const kept = y.filter((v) => v !== 0);
      expect(kept.every((v) => v === Math.fround(-1 / (1 - Math.fround(ratio))))).toBe(true);
      const n = y.length;
      expect(Math.abs(kept.length - n * (1 - ratio))).toBeLessThan(5 * Math.sqrt(n * ratio * (1 - ratio)));
    });

  test('the same seed gives the same mask, another one another', () => {
    const { run } = seeded(dropped(0.5));
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  test('each node has a mask of its own', () => {
    const [p, q] = seeded((b, x) => [
      b.op('Dropout', [x, b.f32(0.5)]),
      b.op('Dropout', [x, b.f32(0.5)]),
      b.op('Identity', [x]),
    ]).run(3);
    const same = p.filter((v, i) => v === q[i]).length;
    expect(Math.abs(same - p.length / 2)).toBeLessThan(5 * Math.sqrt(p.length / 4));
  });

  test('the gradient passes the same mask', () => {
    const { model, run } = seeded(dropped(0.3));
    const { graph } = model;
    const b = new GraphBuilder(graph, 20);
    const [y] = graph.outputs;
    const ones = b.constant(Tensor.float32(DIMS, new Float32Array(DIMS[0] * DIMS[1]).fill(1)));
    const gradient = differentiate(b, new Map([[y, ones]]), [graph.inputs[0]]).get(graph.inputs[0]);
    if (!gradient) throw new Error('no gradient');
    graph.addOutput(gradient);
    const [forward, backward] = run(11);
    expect(backward).toEqual(forward);
  });

  test('who reads the mask reads what was kept', () => {
    const build: Build = (b, x) => {
      const [y, mask] = b.ops('Dropout', [x, b.f32(0.4)], {}, { outputs: 2 });
      return [y, b.op('Cast', [mask], { to: 1 }), b.op('Identity', [x])];
    };
    const [y, mask] = seeded(build).run(1);
    expect(mask).toEqual(y.map((v) => (v === 0 ? 0 : 1)));
    expect(new Set(mask).size).toBe(2);
    expect(new Set(seeded(build, 'off').run(1)[1])).toEqual(new Set([1]));
  });
});

describe('which nodes drop', () => {
  const forms: Record<string, readonly [opset: number, build: Build]> = {
    'exported for training': [
      13,
      (b, x) => [b.op('Neg', [b.op('Dropout', [x, b.f32(0.5), b.constant(Tensor.bool([], [true]))])])],
    ],
    'exported for inference': [
      13,
      (b, x) => [b.op('Neg', [b.op('Dropout', [x, b.f32(0.5), b.constant(Tensor.bool([], [false]))])])],
    ],
    'the ratio an attribute': [7, (b, x) => [b.op('Neg', [b.op('Dropout', [x], { ratio: { float: 0.5 } })])]],
    "the specification's ratio": [20, (b, x) => [b.op('Neg', [b.op('Dropout', [x])])]],
    'of opset 22': [22, (b, x) => [b.op('Neg', [b.op('Dropout', [x, b.f32(0.5)])])]],
  };
  for (const [name, [opset, build]] of Object.entries(forms)) {
    test(`${name}: with a ratio above 0`, () => {
      const net = seeded(build, 'train', opset);
      expect(net.seed?.type).toEqual(tensorType('int32', []));
      expect(ops(net)).not.toContain('Dropout');
      expect(new Set(net.run(1)[0])).toEqual(new Set([-2, -0]));
    });
    test(`${name}: not when dropout is off`, () => {
      const net = seeded(build, 'off', opset);
      expect(net.seed).toBeUndefined();
      expect(ops(net)).toEqual(new Set(['Neg']));
    });
  }

  test('a ratio of 0 needs no seed', () => {
    const net = seeded(dropped(0));
    expect(net.seed).toBeUndefined();
    expect(ops(net)).toEqual(new Set(['Neg']));
  });

  test('a ratio of 1, a computed one, and one on the scores are refused', () => {
    expect(() => seeded(dropped(1))).toThrow(
      /Dropout 'Dropout'.*ratio.*from 0 to below 1.*1.*--dropout off/s,
    );
    const computed: Build = (b, x) => {
      const ratio = b.op('ReduceMin', [x], { keepdims: 0 });
      return [b.op('Neg', [b.op('Dropout', [x, ratio])])];
    };
    expect(() => seeded(computed)).toThrow(/Dropout 'Dropout'.*computed/s);
    const scores: Build = (b, x) => [b.op('Dropout', [x, b.f32(0.5)])];
    expect(() => seeded(scores)).toThrow(/drops what the loss judges.*--dropout off/s);
    expect(
      seeded(scores, 'off')
        .run(0)[0]
        .every((v) => v === 1),
    ).toBe(true);
  });
});
