import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { explicitWeights, withKernels } from '../../src/finetune/run/gram-weights.js';
import { withWeights } from '../../src/finetune/run/weights.js';
import { buildTrainStep } from '../../src/finetune/step/build.js';
import { prepareTraining } from '../../src/finetune/step/prepare.js';
import {
  constantOf,
  expand,
  fuse,
  readForm,
  refConvShape,
  refConvTransform,
  toFloat64,
} from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { buildModel } from '../../src/zoo/index.js';
import { expectClose, relativeL2 } from '../support/close.js';
import {
  float64,
  form,
  interpreted,
  kernels,
  run,
  type Setting,
  settings,
  sgd,
  stepOf,
  weightsOf,
} from '../support/refocused-steps.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

const STEPS = 100;

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
      const [explicit, gram] = [
        await stepOf(engine, 'explicit', options),
        await stepOf(engine, 'gram', options),
      ];
      expect([explicit.gram.length, gram.gram.length]).toEqual([0, 3]);
      const expected = kernels(explicit, interpreted(explicit, options, STEPS));
      for (const [layer, kernel] of kernels(gram, interpreted(gram, options, STEPS))) {
        const other = expected.get(layer) ?? [];
        expectClose(kernel, other, { absolute: 1e-12, relative: 1e-12 }, layer);
        expect(relativeL2(kernel, start.get(layer) ?? []), `${layer} moved`).toBeGreaterThan(0.005);
      }
    });

    test(`${name}: the same kernels up to float32 rounding in onnxruntime`, async () => {
      const trained = async (
        choice: 'explicit' | 'gram',
        lowering: 'portable' | 'blocked',
      ): Promise<Map<string, Float64Array>> => {
        const step = await stepOf(engine, choice, options, { lowering });
        expect(step.lowering).toBe(lowering);
        const state = await run(engine, step, options, STEPS);
        return kernels(step, float64(weightsOf(step, options, state)));
      };
      const expected = await trained('explicit', 'portable');
      // A hundred steps of rounding at 6e-8; the blocked lowering keeps Z in the layout of its convolution.
      for (const lowering of ['portable', 'blocked'] as const)
        for (const [layer, kernel] of await trained('gram', lowering))
          expect(relativeL2(kernel, expected.get(layer) ?? []), `${layer}, ${lowering}`).toBeLessThan(5e-6);
    });
  }
});

test('the norm that the test above clips to is reached', async () => {
  const [clipped, free] = [settings['clipping by norm'], settings['weight decay']];
  const [a, b] = await Promise.all(
    [clipped, free].map(async (s) => {
      const step = await stepOf(engine, 'gram', s);
      const state = await run(engine, step, s, STEPS);
      return kernels(step, float64(weightsOf(step, s, state)));
    }),
  );
  for (const [layer, kernel] of a)
    expect(relativeL2(kernel, b.get(layer) ?? []), layer).toBeGreaterThan(1e-4);
});

describe('what the Gram form leaves', () => {
  test('auto takes it where it is smaller, and a map of its own name where not', async () => {
    const step = await stepOf(engine, 'auto', sgd(0.9, 0));
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
    expect((await stepOf(engine, 'auto', options)).gram).toEqual([]);
    await expect(stepOf(engine, 'gram', options)).rejects.toMatchObject({
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
    const step = await stepOf(engine, 'gram', options);
    const state = await run(engine, step, options, STEPS);
    const { weights, kernels: held } = explicitWeights(step.gram, weightsOf(step, options, state));
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
