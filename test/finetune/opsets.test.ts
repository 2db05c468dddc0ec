import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining, TRAINING_OPSET } from '../../src/finetune/step/prepare.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { expectClose } from '../support/close.js';

/** The oldest whose meaning is guaranteed, and the newest that the runtime has. */
const [OLDEST, NEWEST] = [7, 26];
const CHANNELS = 4;

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

/** Emits operators in the signatures of one opset; equal names have equal weights in every one. */
class Net {
  readonly graph = new Graph('net');
  readonly b: GraphBuilder;

  constructor(readonly opset: number) {
    this.b = new GraphBuilder(this.graph, opset);
  }

  weight(name: string, dims: readonly number[], value?: number): Value {
    const random = randomFor(name);
    const data = Float32Array.from({ length: sizeOf(dims) }, () => value ?? 0.5 * random.normal());
    return this.b.constant(Tensor.float32(dims, data), name);
  }

  /** Integers and floats that moved from attributes to inputs. */
  moved(op: string, x: Value, since: number, given: Record<string, number | readonly number[]>): Value {
    const entries = Object.entries(given);
    if (this.opset >= since) {
      const inputs = entries.map(([, v]) => (typeof v === 'number' ? this.b.f32(v) : this.b.i64(v)));
      return this.b.op(op, [x, ...inputs]);
    }
    const attributes = entries.map(([k, v]) => [k, typeof v === 'number' ? { float: v } : v] as const);
    return this.b.op(op, [x], Object.fromEntries(attributes));
  }

  model(middle: (x: Value) => Value): Model {
    const { b, graph } = this;
    const x = graph.addInput('x', tensorType('float32', ['N', 3, 8, 8]));
    const conv = b.op('Conv', [x, this.weight('conv', [CHANNELS, 3, 3, 3])], { kernel_shape: [3, 3] });
    const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [middle(conv)])]);
    const fc = [this.weight('fc', [5, CHANNELS]), this.weight('fc.bias', [5])];
    graph.addOutput(b.op('Gemm', [pooled, ...fc], { transB: 1 }));
    return new Model(graph, this.opset, 9);
  }
}

/** Losses of three steps at a high rate: they tell of the gradients. */
async function losses(model: Model, lowering: 'portable' | 'blocked' = 'portable'): Promise<number[]> {
  const prepared = await prepareTraining(model, { batch: 4, image: [3, 8, 8], engine });
  const step = buildTrainStep(prepared, {
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
    weightDecay: 0,
    decayAll: false,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn: 'train',
    lowering: await chooseLowering(engine, lowering),
  });
  expect(step.model.opset).toBe(TRAINING_OPSET);
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  const random = randomFor('images');
  const feeds = new Map([
    [
      step.image,
      Tensor.float32(
        [4, 3, 8, 8],
        Float32Array.from({ length: 768 }, () => random.normal()),
      ),
    ],
    [step.label, Tensor.int32([4], [0, 1, 2, 3])],
    [step.lr, Tensor.float32([], [0.2])],
  ]);
  if (step.seed !== undefined) feeds.set(step.seed, Tensor.int32([], [1]));
  const out: number[] = [];
  for (let i = 0; i < 3; i++) out.push(Number((await session.step(feeds)).get(step.loss)?.typed()[0]));
  await session.release();
  return out;
}

/** Operators of every opset, most with a signature that changed. */
function classic(opset: number): Model {
  const net = new Net(opset);
  const { b } = net;
  const perChannel = (name: string, value?: number): Value => net.weight(name, [CHANNELS], value);
  return net.model((x) => {
    const statistics = [perChannel('mean', 0), perChannel('variance', 1)];
    let y = b.op('BatchNormalization', [x, perChannel('gamma'), perChannel('beta'), ...statistics]);
    y = b.op('PRelu', [y, net.weight('slope', [CHANNELS, 1, 1])]);
    y = b.op('LRN', [y], { size: 3, alpha: { float: 0.5 } });
    y = net.moved('Clip', y, 11, { min: -2, max: 2 });
    y = net.moved('Dropout', y, 12, { ratio: 0.25 });
    y = b.op('InstanceNormalization', [y, perChannel('in.scale', 1), perChannel('in.bias')]);
    y = b.op('Elu', [b.op('Softplus', [y])]);
    const mean = net.moved('ReduceMean', y, 18, { axes: [2, 3] });
    y = b.op('Max', [b.op('Sub', [y, mean]), b.f32([-0.1], [1])]);
    y = b.op('Mul', [y, b.op('Softmax', [y], { axis: opset >= 13 ? -1 : 3 })]);
    return b.op('Selu', [b.op('LeakyRelu', [y])]);
  });
}

describe('a network trains alike in every opset', () => {
  let expected: readonly number[];
  beforeAll(async () => {
    expected = await losses(classic(TRAINING_OPSET));
  });

  for (let opset = OLDEST; opset <= NEWEST; opset++)
    test(`opset ${opset}`, async () => {
      const got = await losses(classic(opset));
      expect(got[0]).toBeGreaterThan(0.5);
      expect(got[2]).not.toBe(got[0]);
      // The same operators in the same order: not one bit differs.
      expect(got).toEqual(expected);
    });
});

test('the blocked lowering drops the same elements', async () => {
  const [portable, blocked] = [await losses(classic(20)), await losses(classic(20), 'blocked')];
  // Float32 rounds in another order; another mask would move the losses by a tenth.
  expectClose(blocked, portable, { absolute: 2e-6, relative: 2e-6 });
});

describe('what opsets beyond the training graph brought', () => {
  const grouped = (opset: number, length: number): Model => {
    const net = new Net(opset);
    const parameters = ['gn.scale', 'gn.bias'].map((name) => net.weight(name, [length], 0.7));
    return net.model((x) => net.b.op('GroupNormalization', [x, ...parameters], { num_groups: 2 }));
  };

  test('GroupNormalization: per group at 18 to 20, per channel from 21 on', async () => {
    const [perGroup, perChannel] = [await losses(grouped(18, 2)), await losses(grouped(21, CHANNELS))];
    expect(await losses(grouped(20, 2))).toEqual(perGroup);
    expect(await losses(grouped(NEWEST, CHANNELS))).toEqual(perChannel);
    // One function at the start; then each channel goes its own way.
    expect(perChannel[0]).toBeCloseTo(perGroup[0], 5);
    expect(Math.abs(perChannel[2] - perGroup[2])).toBeGreaterThan(1e-4);
  });

  test('Swish of 24 is x·σ(x)', async () => {
    const net = new Net(24);
    const spelled = new Net(24);
    const a = await losses(net.model((x) => net.b.op('Swish', [x])));
    const b = await losses(spelled.model((x) => spelled.b.op('Mul', [x, spelled.b.op('Sigmoid', [x])])));
    expect(a).toEqual(b);
  });

  test('RMSNormalization of 23', async () => {
    const net = new Net(23);
    const model = net.model((x) => net.b.op('RMSNormalization', [x, net.weight('rms', [6])]));
    expect((await losses(model)).every(Number.isFinite)).toBe(true);
  });

  test('an operator without a counterpart is refused by name, before anything runs', async () => {
    const net = new Net(23);
    const model = net.model((x) => {
      const rows = net.b.op('Reshape', [x, net.b.i64([0, 0, -1])]);
      const y = net.b.op(
        'Attention',
        [rows, rows, rows],
        { q_num_heads: 1, kv_num_heads: 1 },
        { name: 'look' },
      );
      y.type = tensorType('float32', ['N', CHANNELS, 36]);
      return net.b.op('Unsqueeze', [y, net.b.i64([3])]);
    });
    await expect(losses(model)).rejects.toThrow(/Attention 'look'/);
  });
});
