import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { withWeights } from '../../src/finetune/run/weights.js';
import { buildTrainStep, type TrainStep, type TrainStepOptions } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import {
  type DataType,
  Graph,
  GraphBuilder,
  Model,
  Tensor,
  tensorType,
  type Value,
} from '../../src/onnx/index.js';
import { constantOf, trainables } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const random = (n: number): Float32Array => Float32Array.from({ length: n }, (_, i) => Math.sin(i + 1));

/** A small classifier whose parts a test can replace. */
class Net {
  readonly graph = new Graph('net');
  readonly b = new GraphBuilder(this.graph, 17);
  readonly x: Value;

  constructor(type: DataType = 'float32') {
    this.x = this.graph.addInput('x', tensorType(type, ['N', 2, 4, 4]));
  }

  weight(name: string, dims: readonly number[]): Value {
    return this.b.constant(Tensor.float32(dims, random(dims.reduce((a, d) => a * d, 1))), name);
  }

  conv(x: Value, name: string, weight = this.weight(`${name}.weight`, [2, 2, 3, 3])): Value {
    return this.b.op('Conv', [x, weight], { pads: [1, 1, 1, 1], kernel_shape: [3, 3] }, { name });
  }

  norm(
    x: Value,
    name: string,
    change: Partial<Record<'gamma' | 'beta' | 'mean' | 'variance', Value>> = {},
  ): Value {
    const { b } = this;
    const gamma = change.gamma ?? b.constant(Tensor.float32([2], [1, 2]), `${name}.weight`);
    const beta = change.beta ?? b.constant(Tensor.float32([2], [0, 0]), `${name}.bias`);
    const mean = change.mean ?? b.constant(Tensor.float32([2], [0, 0]), `${name}.mean`);
    const variance = change.variance ?? b.constant(Tensor.float32([2], [1, 1]), `${name}.variance`);
    return b.op('BatchNormalization', [x, gamma, beta, mean, variance], {}, { name });
  }

  /** Scores [N,2] of what has two channels. */
  model(x: Value): Model {
    const { b } = this;
    this.graph.addOutput(b.op('Flatten', [b.op('GlobalAveragePool', [x])], {}, { name: 'scores' }));
    return new Model(this.graph, 17, 8);
  }
}

const OPTIONS: TrainStepOptions = {
  optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
  weightDecay: 0,
  decayAll: false,
  loss: { kind: 'cross-entropy', labelSmoothing: 0 },
  bn: 'train',
};

async function step(
  model: Model,
  bn: 'train' | 'frozen' = 'train',
  [batch, side] = [2, 4],
): Promise<TrainStep> {
  const prepared = await prepareTraining(model, { batch, image: [2, side, side], engine });
  return buildTrainStep(prepared, { ...OPTIONS, bn });
}

describe('BatchNormalization', () => {
  test('one value per channel has no statistics', async () => {
    const net = new Net();
    const pooled = net.b.op('GlobalAveragePool', [net.conv(net.x, 'conv')]);
    const model = net.model(net.norm(pooled, 'norm'));
    await expect(step(model, 'train', [1, 4])).rejects.toThrow(
      /'norm'.*one value per channel.*\n.*larger batch or image, or --bn frozen/s,
    );
    expect((await step(model, 'frozen', [1, 4])).state.map((s) => s.kind)).not.toContain('running');
  });

  test('statistics that two layers share', async () => {
    const net = new Net();
    const mean = net.b.constant(Tensor.float32([2], [0, 0]), 'mean');
    const inner = net.norm(net.conv(net.x, 'conv'), 'first', { mean });
    await expect(step(net.model(net.norm(inner, 'second', { mean })))).rejects.toThrow(
      /'first'.*'mean' cannot be updated.*'second' read.*--bn frozen/s,
    );
  });

  test('a layer that is applied twice is one layer, whose statistics are updated twice', async () => {
    const net = new Net();
    const gamma = net.b.constant(Tensor.float32([2], [1, 1]), 'gamma');
    const [beta, mean] = ['beta', 'mean'].map((n) => net.b.constant(Tensor.float32([2], [0, 0]), n));
    const variance = net.b.constant(Tensor.float32([2], [1, 1]), 'variance');
    const inner = net.norm(net.conv(net.x, 'conv'), 'first', { gamma, beta, mean, variance });
    const made = await step(net.model(net.norm(inner, 'second', { gamma, beta, mean, variance })));
    expect(made.state.filter((s) => s.kind === 'running').map((s) => s.name)).toEqual(['mean', 'variance']);
    const updates = made.model.graph.nodes.filter((n) => n.name.startsWith('mean/next'));
    expect(updates.map((n) => n.opType).sort()).toEqual(['Add', 'Add', 'Mul', 'Mul', 'Mul', 'Mul']);
  });

  test("a mean that is the layer's own β too, as de-duplicated files have it", async () => {
    const net = new Net();
    const zero = net.b.constant(Tensor.float32([2], [0, 0]), 'zero');
    const model = net.model(net.norm(net.conv(net.x, 'conv'), 'norm', { mean: zero, beta: zero }));
    await expect(step(model)).rejects.toThrow(/'norm'.*'zero' cannot be updated.*--bn frozen/s);
  });

  test('statistics of a momentum attribute of 1 are updated with 0.9, as PyTorch would', async () => {
    const net = new Net();
    const y = net.norm(net.conv(net.x, 'conv'), 'norm');
    y.producer?.setAttribute('momentum', { float: 1 });
    const made = await step(net.model(y));
    const session = await engine.stepSession(made.model, {
      state: made.state,
      initial: new Map(made.state.map((s) => [s.input, s.initial])),
      fetch: made.fetch,
    });
    await session.step(
      new Map([
        [made.image, Tensor.float32([2, 2, 4, 4], random(64))],
        [made.label, Tensor.int32([2], [0, 1])],
        [made.lr, Tensor.float32([], [0])],
      ]),
    );
    const state = await session.readState();
    await session.release();
    const variance = state.get(made.state.find((s) => s.name === 'norm.variance')?.input ?? '')?.typed();
    expect(Number(variance?.[0])).toBeGreaterThan(0.9);
    expect(Number(variance?.[0])).not.toBe(1);
  });
});

describe('parameters', () => {
  test('a kernel that two layers share is one parameter with the sum of both gradients', async () => {
    const net = new Net();
    const weight = net.weight('shared', [2, 2, 3, 3]);
    const made = await step(net.model(net.conv(net.conv(net.x, 'first', weight), 'second', weight)));
    expect(made.state.filter((s) => s.kind === 'parameter').map((s) => s.name)).toEqual(['shared']);
  });

  test('float16 weights', async () => {
    const graph = new Graph('half');
    const b = new GraphBuilder(graph, 17);
    const x = graph.addInput('x', tensorType('float32', ['N', 2, 4, 4]));
    const half = b.constant(Tensor.raw('float16', [2, 2, 1, 1], new Uint8Array(8)), 'half');
    const y = b.op('Conv', [b.op('Cast', [x], { to: 10 }), half]);
    graph.addOutput(b.op('Cast', [b.op('Flatten', [b.op('GlobalAveragePool', [y])])], { to: 1 }));
    await expect(step(new Model(graph, 17, 8))).rejects.toThrow(
      /cannot train 'half'.*float32 weights.*float16.*convert/s,
    );
  });

  test('a kernel that stands in a Constant node, of no declared type, is trained and written back', async () => {
    const net = new Net();
    const kernel = Tensor.float32([2, 2, 3, 3], random(36));
    const weight = net.b.op('Constant', [], { value: kernel }, { name: 'kernel' });
    weight.type = undefined;
    const model = net.model(net.conv(net.x, 'conv', weight));
    const made = await step(model);
    const [parameter] = made.state.filter((s) => s.name === weight.name);
    expect(parameter).toMatchObject({ kind: 'parameter', dims: [2, 2, 3, 3] });
    const zeros = Tensor.float32([2, 2, 3, 3], new Float32Array(36));
    const written = withWeights(model, new Map([[weight.name, zeros]]));
    const [value] = trainables(written).trainable;
    expect(value.name).toBe(weight.name);
    expect(constantOf(value)?.typed()).toEqual(new Float32Array(36));
  });

  test('weights that are graph inputs with a default are trained all the same', async () => {
    const net = new Net();
    const weight = net.weight('conv.weight', [2, 2, 3, 3]);
    net.graph.addInput(weight);
    const made = await step(net.model(net.conv(net.x, 'conv', weight)));
    expect(made.state.map((s) => s.name)).toContain('conv.weight');
  });
});

describe('Dropout', () => {
  /** Half of a convolution's results dropped, as a file exported in training mode says it. */
  const network = (): Model => {
    const net = new Net();
    const live = [net.b.f32(0.5), net.b.constant(Tensor.bool([], [true]))];
    return net.model(net.b.op('Dropout', [net.conv(net.x, 'conv'), ...live]));
  };

  /** Losses of one step each, of the same weights. */
  async function losses(made: TrainStep, seeds: readonly number[]): Promise<number[]> {
    const session = await engine.stepSession(made.model, {
      state: made.state,
      initial: new Map(made.state.map((s) => [s.input, s.initial])),
      fetch: made.fetch,
    });
    const out: number[] = [];
    for (const seed of seeds) {
      const feeds = new Map([
        [made.image, Tensor.float32([2, 2, 4, 4], random(64))],
        [made.label, Tensor.int32([2], [0, 1])],
        [made.lr, Tensor.float32([], [0])],
      ]);
      if (made.seed !== undefined) feeds.set(made.seed, Tensor.int32([], [seed]));
      out.push(Number((await session.step(feeds)).get(made.loss)?.typed()[0]));
    }
    await session.release();
    return out;
  }

  test('draws from the seed that a step is fed', async () => {
    const made = await step(network());
    const [a, b, again] = await losses(made, [1, 2, 1]);
    expect(again).toBe(a);
    expect(b).not.toBe(a);
    expect(made.model.graph.nodes.map((n) => n.opType)).not.toContain('Dropout');
  });

  test('that is off leaves a step without a seed', async () => {
    const prepared = await prepareTraining(network(), { batch: 2, image: [2, 4, 4], engine });
    const made = buildTrainStep(prepared, { ...OPTIONS, dropout: 'off' });
    expect(made.seed).toBeUndefined();
    const [a, b] = await losses(made, [1, 2]);
    expect(b).toBe(a);
  });
});

describe('inputs beside the image', () => {
  /** x ↦ conv(x)·scale with a second input. */
  const scaled = (): Model => {
    const net = new Net();
    const scale = net.graph.addInput('scale', tensorType('float32', [2, 1, 1]));
    return net.model(net.b.op('Mul', [net.conv(net.x, 'conv'), scale]));
  };
  const prepare = (model: Model, fixed: Record<string, Tensor>) =>
    prepareTraining(model, { batch: 2, image: [2, 4, 4], engine, fixed: new Map(Object.entries(fixed)) });

  test('are constants of the step when they are fixed, not parameters', async () => {
    const { model, parameters } = await prepare(scaled(), { scale: Tensor.float32([2, 1, 1], [3, 4]) });
    expect(parameters.map((p) => p.value.name)).toEqual(['conv.weight']);
    expect(model.graph.requiredInputs.map((v) => v.name)).toEqual(['x', 'conv.weight']);
    const scale = [...model.graph.initializers].find((v) => v.name === 'scale');
    expect(Array.from<number | bigint>(scale?.constant?.typed() ?? [])).toEqual([3, 4]);
  });

  test('are refused when they are not, or do not fit', async () => {
    await expect(prepare(scaled(), {})).rejects.toThrow(/2 inputs that must be fed.*'x', 'scale'/s);
    await expect(
      prepare(scaled(), { scale: Tensor.float32([2, 1, 1], [3, 4]), rate: Tensor.float32([], [1]) }),
    ).rejects.toThrow(/no input 'rate'.*'x', 'scale'/s);
    await expect(prepare(scaled(), { scale: Tensor.int32([2, 1, 1], [3, 4]) })).rejects.toThrow(
      /'scale' is fixed to.*float32 \[2,1,1\].*int32/s,
    );
  });
});

describe('models that are no classifiers of one image', () => {
  test('two outputs', async () => {
    const net = new Net();
    const y = net.conv(net.x, 'conv');
    const model = net.model(y);
    net.graph.addOutput(y);
    await expect(step(model)).rejects.toThrow(/no classifier.*2 outputs/s);
  });

  test('a map instead of scores', async () => {
    const net = new Net();
    net.graph.addOutput(net.conv(net.x, 'conv'));
    await expect(step(new Model(net.graph, 17, 8))).rejects.toThrow(/no classifier.*\[2, 2, 4, 4\]/s);
  });

  test('an image input that has a default', async () => {
    const graph = new Graph('default');
    const b = new GraphBuilder(graph, 17);
    const x = b.constant(Tensor.float32([2, 2, 4, 4], random(64)), 'x');
    graph.addInput(x);
    const w = b.constant(Tensor.float32([2, 2, 1, 1], random(4)), 'w');
    graph.addOutput(b.op('Flatten', [b.op('GlobalAveragePool', [b.op('Conv', [x, w])])]));
    await expect(step(new Model(graph, 17, 8))).rejects.toThrow(
      /no inputs that must be fed.*without a default/s,
    );
  });

  test('an input of bytes', async () => {
    const net = new Net('uint8');
    const y = net.conv(net.b.op('Cast', [net.x], { to: 1 }), 'conv');
    await expect(step(net.model(y))).rejects.toThrow(/input 'x'.*float32 pixels.*uint8/s);
  });
});
