import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildTrainStep, type TrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { seedRandomNodes } from '../../src/finetune/step/random.js';
import { Graph, GraphBuilder, loadModel, Model, Tensor, type Value } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { evaluate } from '../../src/runtime/reference/index.js';
import { golden, goldenTest } from '../support/goldens.js';

const ROWS = 4000;

/** What a random node gives for a seed. */
function draws(node: (b: GraphBuilder, like: Value) => Value): (seed: number) => number[] {
  const graph = new Graph('random');
  const b = new GraphBuilder(graph, 20);
  const like = b.f32(new Float32Array(ROWS).fill(0.3));
  graph.addOutput(b.op('Neg', [b.op('Neg', [node(b, like)])]));
  const seed = seedRandomNodes(b, [], 'train');
  if (!seed) throw new Error('no seed');
  const model = new Model(graph, 20, 9);
  return (value) => {
    const feeds = new Map([
      [seed.name, { dataType: 'int32' as const, dims: [], data: Float64Array.of(value) }],
    ]);
    const [y] = evaluate(model, feeds).values();
    return Array.from<number | bigint, number>(y.data, Number);
  };
}

describe('random nodes follow from the seed', () => {
  for (const [name, low, high] of [
    ['RandomUniformLike', 0, 1],
    ['RandomUniform', -2, 3],
  ] as const)
    test(`${name} from ${low} to ${high}`, () => {
      const run = draws((b, like) =>
        b.op(name, name === 'RandomUniform' ? [] : [like], {
          low: { float: low },
          high: { float: high },
          ...(name === 'RandomUniform' ? { shape: [ROWS] } : {}),
        }),
      );
      const values = run(4);
      expect(run(4)).toEqual(values);
      expect(run(5)).not.toEqual(values);
      expect(values.every((v) => v >= low && v < high)).toBe(true);
      // Each tenth of the range gets its share, within 5 standard deviations.
      for (let k = 0; k < 10; k++) {
        const from = low + (k / 10) * (high - low);
        const count = values.filter((v) => v >= from && v < from + (high - low) / 10).length;
        expect(Math.abs(count - ROWS / 10)).toBeLessThan(5 * Math.sqrt(ROWS * 0.1 * 0.9));
      }
    });

  test('Bernoulli', () => {
    const values = draws((b, like) => b.op('Bernoulli', [like]))(9);
    expect(new Set(values)).toEqual(new Set([0, 1]));
    const ones = values.filter((v) => v === 1).length;
    expect(Math.abs(ones - 0.3 * ROWS)).toBeLessThan(5 * Math.sqrt(ROWS * 0.3 * 0.7));
  });

  test('normal noise is refused, naming the node', () => {
    expect(() => draws((b, like) => b.op('RandomNormalLike', [like], {}, { name: 'noise' }))).toThrow(
      /RandomNormalLike 'noise' is random.*seed.*inference mode/s,
    );
  });
});

describe('stochastic depth', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ threads: 2 });
  });
  afterAll(() => engine.close());

  const BATCH = 6;
  async function stepOf(net: string, dropout: 'train' | 'off'): Promise<TrainStep> {
    const model = await loadModel(golden('onnx-export', net, 'script17_train.onnx'));
    const prepared = await prepareTraining(model, { batch: BATCH, image: [3, 48, 48], engine });
    return buildTrainStep(prepared, {
      optimizer: { kind: 'sgd', momentum: 0, nesterov: false },
      weightDecay: 0,
      decayAll: false,
      loss: { kind: 'cross-entropy', labelSmoothing: 0 },
      bn: 'train',
      dropout,
    });
  }

  async function losses(step: TrainStep, seeds: readonly number[]): Promise<number[]> {
    const session = await engine.stepSession(step.model, {
      state: step.state,
      initial: new Map(step.state.map((s) => [s.input, s.initial])),
      fetch: step.fetch,
    });
    const image = Float32Array.from({ length: BATCH * 3 * 48 * 48 }, (_, i) => Math.sin(i * 0.37));
    const out: number[] = [];
    for (const seed of seeds) {
      const feeds = new Map([
        [step.image, Tensor.float32([BATCH, 3, 48, 48], image)],
        [step.label, Tensor.int32([BATCH], new Int32Array(BATCH))],
        [step.lr, Tensor.float32([], [0])],
      ]);
      if (step.seed !== undefined) feeds.set(step.seed, Tensor.int32([], [seed]));
      out.push(Number((await session.step(feeds)).get(step.loss)?.typed()[0]));
    }
    await session.release();
    return out;
  }

  for (const net of ['efficientnet_narrow', 'convnext_narrow'])
    goldenTest(`${net}, exported in training mode: trained from a seed, or without`, async () => {
      const live = await stepOf(net, 'train');
      expect(live.model.graph.nodes.filter((n) => /Random|Bernoulli|Dropout/.test(n.opType))).toEqual([]);
      const [a, b, again] = await losses(live, [1, 2, 1]);
      expect(Number.isFinite(a)).toBe(true);
      expect(again).toBe(a);
      expect(b).not.toBe(a);
      const off = await stepOf(net, 'off');
      expect(off.seed).toBeUndefined();
      expect(off.model.graph.nodes.filter((n) => /Random|Bernoulli|Dropout/.test(n.opType))).toEqual([]);
      expect(Number.isFinite((await losses(off, [0]))[0])).toBe(true);
    });
});
