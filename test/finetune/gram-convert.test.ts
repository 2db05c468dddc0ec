import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { randomFor } from '../../src/base/random.js';
import { keyOf, restoreState } from '../../src/finetune/run/checkpoint.js';
import { convertForms } from '../../src/finetune/run/convert.js';
import { withWeights } from '../../src/finetune/run/weights.js';
import type { TrainStep } from '../../src/finetune/step/build.js';
import { fromState } from '../../src/finetune/step/state.js';
import type { Tensor } from '../../src/onnx/index.js';
import { toFloat64 } from '../../src/reparam/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { relativeL2 } from '../support/close.js';
import { float64, form, kernels, run, settings, stepOf, weightsOf } from '../support/refocused-steps.js';
import { coarse } from '../support/smooth-net.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine();
});
afterAll(() => engine.close());

describe('the state of one form as state of the other', () => {
  /** As a checkpoint holds it. */
  const stored = (step: TrainStep, state: ReadonlyMap<string, Tensor>): Map<string, Tensor> =>
    new Map(
      step.state.flatMap((s): [string, Tensor][] => {
        const tensor = state.get(s.input);
        return tensor ? [[keyOf(s), fromState(s, tensor)]] : [];
      }),
    );

  // An odd number, so that accumulated gradients are part of the state.
  const HALF = 7;

  for (const [name, setting] of Object.entries(settings))
    for (const [before, after] of [
      ['explicit', 'gram'],
      ['gram', 'explicit'],
    ] as const)
      test(`${name}: ${HALF} steps ${before} and ${HALF} ${after} are ${2 * HALF} steps`, async () => {
        const first = await stepOf(engine, before, setting);
        // The state of one lowering goes on in the other's layout.
        const second = await stepOf(engine, after, setting, { lowering: 'blocked' });
        const middle = stored(first, await run(engine, first, setting, HALF));
        const { tensors, toGram, toExplicit, strangers, lost } = convertForms(middle, HALF, second, form);
        expect([toGram.length, toExplicit.length]).toEqual(after === 'gram' ? [3, 0] : [0, 3]);
        expect([strangers.size, lost]).toEqual([0, []]);
        const state = await run(engine, second, setting, HALF, restoreState('checkpoint', second, tensors));
        const whole = await run(engine, first, setting, 2 * HALF);
        const expected = kernels(first, float64(weightsOf(first, setting, whole)));
        const start = kernels(
          first,
          float64(weightsOf(first, setting, await run(engine, first, setting, HALF))),
        );
        for (const [layer, kernel] of kernels(second, float64(weightsOf(second, setting, state)))) {
          const [to, from] = [expected.get(layer) ?? [], start.get(layer) ?? []];
          expect(relativeL2(kernel, to), layer).toBeLessThan(1e-6);
          // The second half is seen: without momentum, say, it would end elsewhere.
          expect(relativeL2(to, from), layer).toBeGreaterThan(1e-5);
        }
      });

  test('a map of another origin is no α·R₀ + Z·Uᵀ, and becomes the R₀ itself', async () => {
    const setting = settings.momentum;
    const [first, second] = [
      await stepOf(engine, 'explicit', setting),
      await stepOf(engine, 'gram', setting),
    ];
    const state = new Map(first.state.map((s) => [s.input, s.initial]));
    const held = stored(first, state);
    const map = 'depthwise/refconv/map';
    const other = coarse(randomFor('another map'), held.get(map)?.dims ?? [], 1 / 16);
    held.set(map, other);
    const found = convertForms(held, 0, second, form);
    expect([...found.strangers]).toEqual([[map, other]]);
    const again = withWeights(form, found.strangers);
    const third = await stepOf(engine, 'gram', setting, { model: again });
    const { tensors, strangers } = convertForms(held, 0, third, again);
    expect(strangers.size).toBe(0);
    expect(toFloat64(tensors.get(`${map}/alpha`) ?? other)).toEqual(Float64Array.of(1));
    expect(Math.max(...toFloat64(tensors.get(`${map}/z`) ?? other).map(Math.abs))).toBeLessThan(1e-6);
  });
});
