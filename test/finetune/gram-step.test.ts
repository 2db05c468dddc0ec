import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { explicitWeights, withKernels } from '../../src/finetune/run/gram-weights.js';
import { withWeights } from '../../src/finetune/run/workbench.js';
import { buildTrainStep, type TrainStep, type TrainStepOptions } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import { isWeight, type StateTensor } from '../../src/finetune/step/state.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';
import {
  constantOf,
  expand,
  fuse,
  gramMatrices,
  gramTransform,
  readForm,
  refConvDelta,
  refConvShape,
  refConvTransform,
  toFloat64,
} from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { evaluate, type RefTensor, realTensor, toNumbers } from '../../src/runtime/reference/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { expectClose, relativeL2 } from '../support/close.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const BATCH = 4;
const IMAGE = [2, 5, 5];
const CLASSES = 3;
const STEPS = 100;

const random = randomFor('gram step');
/** Multiples of 2⁻⁴ below 1, so that K and P₀ of such kernels and maps are exact in float32. */
const coarse = (dims: readonly number[], scale = 1): Tensor =>
  Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => (scale * Math.round(random.normal() * 5)) / 16),
  );

/** Dense 3×3, depthwise 3×3, grouped 3×3 and a classifier, with smooth activations: no kink to fall off. */
function network(): Model {
  const graph = new Graph('net');
  const b = new GraphBuilder(graph, 17);
  const conv = (x: Value, name: string, dims: readonly number[], group: number): Value => {
    const w = b.constant(coarse(dims), `${name}.weight`);
    const y = b.op('Conv', [x, w], { pads: [1, 1, 1, 1], kernel_shape: [3, 3], group }, { name });
    const per = (value: number, what: string): Value =>
      b.constant(Tensor.float32([dims[0]], new Float32Array(dims[0]).fill(value)), `${name}.norm.${what}`);
    const parts = [per(1, 'weight'), per(0, 'bias'), per(0, 'mean'), per(1, 'variance')];
    const n = b.op('BatchNormalization', [y, ...parts], {}, { name: `${name}.norm` });
    return b.op('Mul', [n, b.op('Sigmoid', [n])]);
  };
  let v: Value = graph.addInput('x', tensorType('float32', ['N', ...IMAGE]));
  v = conv(v, 'stem', [8, 2, 3, 3], 1);
  v = conv(v, 'depthwise', [8, 1, 3, 3], 8);
  v = conv(v, 'grouped', [16, 4, 3, 3], 2);
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [v])]);
  const fc = b.constant(coarse([CLASSES, 16]), 'fc.weight');
  graph.addOutput(b.op('Gemm', [pooled, fc], { transB: 1 }, { name: 'scores' }));
  return new Model(graph, 17, 8);
}

function training(): Model {
  const { model, form } = expand(network(), { init: 'xavier', seed: 1 });
  return withWeights(
    model,
    new Map(form.layers.map((l) => [l.map.name, coarse(constantOf(l.map)?.dims ?? [], 1 / 16)])),
  );
}

const form = training();
const images = Tensor.float32(
  [BATCH, ...IMAGE],
  Float32Array.from({ length: BATCH * sizeOf(IMAGE) }, () => random.normal()),
);
const labels = Array.from({ length: BATCH }, (_, i) => i % CLASSES);

type Setting = Pick<TrainStepOptions, 'optimizer' | 'weightDecay' | 'clip' | 'average' | 'accumulate'> & {
  readonly lr: number;
};

/** The rate is such that a step with momentum is no longer than one without: a run thrown about amplifies every rounding. */
const sgd = (
  momentum: number,
  weightDecay: number,
  change: { readonly nesterov?: boolean; readonly dampening?: number } = {},
): Setting => ({
  optimizer: { kind: 'sgd', momentum, nesterov: false, ...change },
  weightDecay,
  lr: 0.05 * (1 - momentum),
});

const settings: Record<string, Setting> = {
  plain: sgd(0, 0),
  momentum: sgd(0.9, 0),
  'weight decay': sgd(0.9, 0.01),
  Nesterov: sgd(0.9, 0.01, { nesterov: true }),
  dampening: sgd(0.9, 0.01, { dampening: 0.25 }),
  'clipping by norm': { ...sgd(0.9, 0.01), clip: { norm: 0.5 } },
  accumulation: { ...sgd(0.9, 0.01), accumulate: 2 },
  'average of the weights': { ...sgd(0.9, 0.01), average: { decay: 0.9, warmup: false } },
};

async function stepOf(
  choice: 'explicit' | 'gram' | 'auto',
  { lr: _, ...options }: Setting,
): Promise<TrainStep> {
  const prepared = await prepareTraining(form, { batch: BATCH, image: IMAGE, engine });
  const layers = readForm(form)?.layers ?? [];
  return buildTrainStep(prepared, {
    ...options,
    loss: { kind: 'cross-entropy', labelSmoothing: 0.1 },
    decayAll: false,
    bn: 'train',
    form: choice,
    // A map with a rate of its own.
    lrFactors: new Map(layers.map((l, i) => [l.map.name, 0.1 * (i + 1)])),
  });
}

/** Each kernel after the steps, in float64, from what the step holds. */
function kernels(step: TrainStep, state: ReadonlyMap<string, Float64Array>): Map<string, Float64Array> {
  const at = (name: string): Float64Array => {
    const found = state.get(name);
    if (!found) throw new Error(name);
    return found;
  };
  return new Map(
    (readForm(form)?.layers ?? []).map((l): [string, Float64Array] => {
      const tensor = constantOf(l.base);
      if (!tensor) throw new Error(l.layer);
      const base = toFloat64(tensor);
      const shape = refConvShape(tensor.dims, l.groups, l.mapKernel);
      const gram = step.gram.find((g) => g.map === l.map.name);
      if (!gram) return [l.layer, refConvTransform(base, at(l.map.name), shape)];
      const p0 = refConvDelta(base, toFloat64(gram.r0), shape);
      const point = { alpha: at(gram.alpha)[0], z: at(gram.z) };
      return [l.layer, gramTransform(base, p0, point, gramMatrices(base, shape), shape)];
    }),
  );
}

/** Weights, or their average, by name. */
function ofKind<T>(
  step: TrainStep,
  setting: Setting,
  read: (s: StateTensor) => T | undefined,
): Map<string, T> {
  const wanted = step.state.filter((s) => (setting.average ? s.kind === 'average' : isWeight(s)));
  return new Map(
    wanted.flatMap((s): [string, T][] => {
      const value = read(s);
      return value === undefined ? [] : [[s.name, value]];
    }),
  );
}

/** What the steps make of the weights in the float64 interpreter. */
function interpreted(step: TrainStep, setting: Setting): Map<string, Float64Array> {
  let state = new Map(step.state.map((s) => [s.input, toFloat64(s.initial)]));
  const inputs: [string, RefTensor][] = [
    [step.image, realTensor(images.dims, toFloat64(images))],
    [step.label, realTensor([BATCH], Float64Array.from(labels), 'int32')],
    [step.lr, realTensor([], Float64Array.of(setting.lr))],
  ];
  const outputs = new Map(step.model.graph.outputs.map((v) => [v.name, v]));
  const fetch = step.state.flatMap((s) => outputs.get(s.output) ?? []);
  for (let i = 0; i < STEPS; i++) {
    const feeds = new Map(inputs);
    for (const s of step.state)
      feeds.set(s.input, realTensor(s.initial.dims, state.get(s.input) ?? new Float64Array()));
    const out = evaluate(step.model, feeds, { fetch });
    state = new Map(
      step.state.map((s) => {
        const tensor = out.get(s.output);
        if (!tensor) throw new Error(s.output);
        return [s.input, Float64Array.from(toNumbers(tensor))];
      }),
    );
  }
  return ofKind(step, setting, (s) => state.get(s.input));
}

/** The same in the engine. */
async function trained(step: TrainStep, setting: Setting): Promise<Map<string, Tensor>> {
  const session = await engine.stepSession(step.model, {
    state: step.state,
    initial: new Map(step.state.map((s) => [s.input, s.initial])),
    fetch: step.fetch,
  });
  for (let i = 0; i < STEPS; i++)
    await session.step(
      new Map([
        [step.image, images],
        [step.label, Tensor.int32([BATCH], labels)],
        [step.lr, Tensor.float32([], [setting.lr])],
      ]),
    );
  const state = await session.readState();
  await session.release();
  return ofKind(step, setting, (s) => state.get(s.input)?.with({ dims: s.dims }));
}

describe('100 steps in the explicit and in the Gram form', () => {
  const start = new Map(
    (readForm(form)?.layers ?? []).map((l): [string, Float64Array] => {
      const [base, map] = [constantOf(l.base), constantOf(l.map)];
      if (!base || !map) throw new Error(l.layer);
      const shape = refConvShape(base.dims, l.groups, l.mapKernel);
      return [l.layer, refConvTransform(toFloat64(base), toFloat64(map), shape)];
    }),
  );

  for (const [name, options] of Object.entries(settings)) {
    test(`${name}: the same kernels to 1e-12 in the reference interpreter`, async () => {
      const [explicit, gram] = [await stepOf('explicit', options), await stepOf('gram', options)];
      expect([explicit.gram.length, gram.gram.length]).toEqual([0, 3]);
      const expected = kernels(explicit, interpreted(explicit, options));
      for (const [layer, kernel] of kernels(gram, interpreted(gram, options))) {
        const other = expected.get(layer) ?? [];
        expectClose(kernel, other, { absolute: 1e-12, relative: 1e-12 }, layer);
        expect(relativeL2(kernel, start.get(layer) ?? []), `${layer} moved`).toBeGreaterThan(0.005);
      }
    });

    test(`${name}: the same kernels up to float32 rounding in onnxruntime`, async () => {
      const float64 = async (choice: 'explicit' | 'gram'): Promise<Map<string, Float64Array>> => {
        const step = await stepOf(choice, options);
        const state = await trained(step, options);
        return kernels(step, new Map(Array.from(state, ([key, t]) => [key, toFloat64(t)])));
      };
      const [expected, got] = [await float64('explicit'), await float64('gram')];
      // A hundred steps of rounding at 6e-8.
      for (const [layer, kernel] of got)
        expect(relativeL2(kernel, expected.get(layer) ?? []), layer).toBeLessThan(5e-6);
    });
  }
});

test('the norm that the test above clips to is reached', async () => {
  const [clipped, free] = [settings['clipping by norm'], settings['weight decay']];
  const [a, b] = await Promise.all(
    [clipped, free].map(async (s) => {
      const step = await stepOf('gram', s);
      const state = await trained(step, s);
      return kernels(step, new Map(Array.from(state, ([key, t]) => [key, toFloat64(t)])));
    }),
  );
  for (const [layer, kernel] of a)
    expect(relativeL2(kernel, b.get(layer) ?? []), layer).toBeGreaterThan(1e-3);
});

describe('what the Gram form leaves', () => {
  test('auto takes it where it is smaller, and a map of its own name where not', async () => {
    const step = await stepOf('auto', sgd(0.9, 0));
    expect(step.gram.map((g) => g.map)).toEqual(['depthwise/refconv/map']);
    const names = step.state.filter((s) => s.kind === 'parameter').map((s) => s.name);
    expect(names).toContain('stem/refconv/map');
    expect(names).toContain('depthwise/refconv/map/z');
    expect(names).toContain('depthwise/refconv/map/alpha');
    expect(names).not.toContain('depthwise/refconv/map');
    // 8 channels: a map of 8·8·9 values, or 8·9 and α.
    expect(step.parameters.training - step.parameters.stored).toBe(8 * 8 * 9 - (8 * 9 + 1));
  });

  test.each<[string, Partial<Setting>]>([
    ['adam', { optimizer: { kind: 'adam', betas: [0.9, 0.999], epsilon: 1e-8 } }],
    ['clipped by value', { clip: { value: 0.1 } }],
  ])('what is not linear in the gradient trains explicitly, or is refused: %s', async (named, change) => {
    const options = { ...sgd(0.9, 0), ...change };
    expect((await stepOf('auto', options)).gram).toEqual([]);
    await expect(stepOf('gram', options)).rejects.toMatchObject({
      exitCode: 2,
      message: expect.stringMatching(
        new RegExp(`--form gram for layer 'stem': .*${named}.* not linear in the gradient[^]*--form auto`),
      ),
    });
  });

  test('MobileNetV2: 3,504,889 stored values instead of 44,050,952', async () => {
    // The counts do not depend on the image size.
    const { model } = expand(buildModel('mobilenetv2', { size: 32, classes: 1000 }));
    const prepared = await prepareTraining(model, { batch: 2, image: [3, 32, 32], engine });
    const step = buildTrainStep(prepared, {
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
      weightDecay: 4e-5,
      loss: { kind: 'cross-entropy', labelSmoothing: 0 },
      decayAll: false,
      bn: 'train',
    });
    expect(step.parameters).toEqual({ training: 44_050_952, stored: 3_504_889 });
    // The depthwise kernels; the stem is dense.
    expect(step.gram).toHaveLength(17);
    const stored = step.state.filter((s) => s.kind === 'parameter').reduce((n, s) => n + s.initial.size, 0);
    expect(stored).toBe(3_504_889);
  });

  test('a training form whose maps are what α and Z say, and kernels that are', async () => {
    const options = sgd(0.9, 0.01);
    const step = await stepOf('gram', options);
    const state = await trained(step, options);
    const { weights, kernels: held } = explicitWeights(step.gram, state);
    const written = withWeights(form, weights);
    const fused = fuse(written).model;
    const asTrained = withKernels(written, held);
    expect(readForm(asTrained)?.layers).toEqual([]);
    for (const l of readForm(written)?.layers ?? []) {
      const [a, b] = [fused, asTrained].map((m) => {
        const value = m.graph.find(l.weight);
        const tensor = value && constantOf(value);
        if (!tensor) throw new Error(l.weight);
        return toFloat64(tensor);
      });
      expect(relativeL2(a, b), l.layer).toBeLessThan(1e-6);
    }
  });
});
