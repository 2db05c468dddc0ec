import { afterAll, beforeAll, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { chooseLowering, type LoweringChoice } from '../../src/finetune/lowering/choose.js';
import { median } from '../../src/finetune/run/trainer.js';
import { buildTrainStep, type TrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { type Model, sizeOf, Tensor } from '../../src/onnx/index.js';
import { channelBlock, createEngine, type Engine } from '../../src/runtime/index.js';
import { evaluate, fromTensor } from '../../src/runtime/reference/index.js';
import { buildModel, denseNet, findEntry, ZOO, type ZooOptions } from '../../src/zoo/index.js';
import { relativeL2 } from '../support/close.js';
import { inputDims } from '../zoo/support.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const BATCH = 4;
/** One network of each kind of block, the smallest, and the side of its images: small enough for the interpreter. */
const TESTED = new Map([
  ['lenet5', 32],
  ['alexnet', 67],
  ['vgg11bn', 32],
  ['googlenetbn', 64],
  ['resnet20', 16],
  ['plain18', 64],
  ['resnet18', 64],
  ['resnet50', 64],
  ['densenet121', 64],
  ['squeezenet11', 64],
  ['mobilenetv1', 64],
  ['mobilenetv2', 64],
  ['mobilenetv3large', 64],
  ['mobilenext', 64],
  ['hbonet', 64],
  ['efficientnetb0', 64],
  ['shufflenetv1g3', 64],
  ['shufflenetv2x05', 64],
  ['convnexttiny', 64],
  ['fasternett0', 64],
  ['repvgga0', 64],
  ['mobileones0deploy', 64],
]);

/**
 * With running statistics instead of the batch's. Its inner maps are so small here that a batch's statistics make the
 * float64 gradients themselves jump at the rounding of an image.
 */
const FROZEN = ['hbonet'];

/** The same blocks, fewer of them: the runtime takes long to load steps of thousands of nodes. */
const SHORTER = new Map([
  [
    'densenet121',
    (o: ZooOptions) => denseNet(121, { ...o, layout: { growth: 32, stem: 64, blocks: [3, 4, 3, 2] } }),
  ],
]);

interface Network {
  readonly model: Model;
  readonly bn: 'train' | 'frozen';
  /** [C, H, W] */
  readonly image: readonly [number, number, number];
  /** Scales of the last BatchNormalization of residual branches. At 1 maps of a few pixels make deep networks chaotic. */
  readonly lastScales: ReadonlySet<string>;
}

function build(name: string, size: number): Network {
  const options = { width: 0.25, size, classes: 10, seed: 1 };
  const model = SHORTER.get(name)?.(options) ?? buildModel(name, options);
  const summands = [...model.graph.nodes].filter((n) => n.opType === 'Add').flatMap((n) => n.inputs);
  const last = summands.flatMap((v) =>
    v?.producer?.opType === 'BatchNormalization' ? [v.producer.input(1).name] : [],
  );
  const [, channels] = inputDims(model);
  return {
    model,
    bn: FROZEN.includes(name) ? 'frozen' : 'train',
    image: [channels, size, size],
    lastScales: new Set(last),
  };
}

async function stepOf({ model, bn, image }: Network, lowering: LoweringChoice): Promise<TrainStep> {
  const prepared = await prepareTraining(model, { batch: BATCH, image, engine });
  return buildTrainStep(prepared, {
    optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
    weightDecay: 0,
    decayAll: false,
    loss: { kind: 'cross-entropy', labelSmoothing: 0 },
    bn,
    dropout: 'off',
    lowering: await chooseLowering(engine, lowering),
    probes: true,
  });
}

function startOf(step: TrainStep, { lastScales }: Network): Map<string, Tensor> {
  return new Map(
    step.state.map(({ name, input, kind, initial }) => {
      const data = initial.typed();
      const scaled = kind === 'parameter' && lastScales.has(name) && data instanceof Float32Array;
      return [
        input,
        scaled
          ? Tensor.float32(
              initial.dims,
              data.map((v) => 0.2 * v),
            )
          : initial,
      ];
    }),
  );
}

function feedsOf(step: TrainStep): Map<string, Tensor> {
  const dims = step.model.graph.inputs.find((v) => v.name === step.image)?.shape ?? [];
  const random = randomFor('zoo step', `${dims}`);
  const label = Int32Array.from({ length: BATCH }, (_, i) => (3 * i) % 10);
  return new Map([
    [
      step.image,
      Tensor.float32(
        dims,
        Float32Array.from({ length: sizeOf(dims) }, () => random.normal()),
      ),
    ],
    [step.label, Tensor.int32([BATCH], label)],
    [step.lr, Tensor.float32([], [0])],
  ]);
}

/** Logits and all gradients of one step, by name. */
type Results = ReadonlyMap<string, ArrayLike<number>>;

async function inRuntime(step: TrainStep, network: Network): Promise<Results> {
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: startOf(step, network),
    fetch: [...step.probes.values()],
  });
  try {
    const out = await session.step(feedsOf(step));
    return new Map(
      Array.from(step.probes, ([name, output]) => [name, Array.from(out.get(output)?.typed() ?? [], Number)]),
    );
  } finally {
    await session.release();
  }
}

function inFloat64(step: TrainStep, network: Network): Results {
  const { graph } = step.model;
  const feeds = [...feedsOf(step), ...startOf(step, network)];
  const wanted = new Map(Array.from(step.probes, ([name, output]) => [name, graph.find(output)]));
  const fetch = [...wanted.values()].filter((v) => v !== undefined);
  const out = evaluate(step.model, new Map(feeds.map(([name, t]) => [name, fromTensor(t)])), { fetch });
  return new Map(
    Array.from(wanted, ([name, v]) => [name, Array.from(out.get(v?.name ?? '')?.data ?? [], Number)]),
  );
}

/**
 * Median over all gradients: single ones may be 0 but for rounding (what a BatchNormalization takes away), or hang on an
 * activation that rounding moves across a kink.
 */
function errorOf(got: Results, exact: Results): number {
  return median(Array.from(exact, ([name, e]) => relativeL2(got.get(name) ?? [], e)));
}

test('every family of the zoo is here', () => {
  const families = new Set([...TESTED.keys()].map((name) => findEntry(name).family));
  expect(new Set(ZOO.map((entry) => entry.family))).toEqual(families);
});

test.each([...TESTED])('%s', async (name, size) => {
  const network = build(name, size);
  const portable = await stepOf(network, 'portable');
  const single = await inRuntime(portable, network);
  // The logits, and gradients by the image and by each parameter.
  expect(single.size).toBe(2 + portable.state.filter((s) => s.kind === 'parameter').length);
  const exact = inFloat64(portable, network);
  const theirs = errorOf(single, exact);
  expect(theirs).toBeLessThan(1e-4);
  if ((await channelBlock(engine)) === undefined) return;
  const blocked = await stepOf(network, 'blocked');
  expect(blocked.lowering).toBe('blocked');
  const ours = errorOf(await inRuntime(blocked, network), exact);
  expect(ours, `portable: ${theirs}`).toBeLessThanOrEqual(Math.max(4 * theirs, 1e-6));
});
