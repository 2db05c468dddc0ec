import { afterAll, beforeAll, expect } from 'vitest';
import { portableLowering } from '../../src/finetune/lowering/portable/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { relativeL2 } from '../support/close.js';
import { goldenTest } from '../support/goldens.js';
import {
  floats,
  keysAt,
  REFCONV_NETS,
  REFCONV_STEPS,
  refconvFeeds,
  refconvGolden,
  refconvStep,
  trainedForm,
  trainedValues,
} from '../support/refconv-golden.js';
import { describeWebgpu } from '../support/webgpu/test.js';

/** Of what a GPU may sum in another order, with the kinks of ReLU6 in between. */
const RELATIVE = 1e-3;

describeWebgpu('refocusing for ten steps on WebGPU against PyTorch', () => {
  // One engine for all: most of the time goes into shaders, which it compiles once.
  let [host, engine]: Engine[] = [];
  beforeAll(async () => {
    [host, engine] = await Promise.all([
      createEngine({ threads: 1 }),
      createEngine({ device: 'webgpu', allowSoftware: true }),
    ]);
  });
  afterAll(() => Promise.all([host.close(), engine.close()]));

  for (const name of REFCONV_NETS)
    goldenTest(name, async () => {
      const net = await refconvGolden(name);
      const step = await refconvStep(net, host, portableLowering, 'auto');
      const session = await engine.stepSession(step.model, {
        state: step.state,
        initial: new Map(step.state.map((s) => [s.input, s.initial])),
        fetch: step.fetch,
      });
      const losses: number[] = [];
      for (let i = 0; i < REFCONV_STEPS; i++) {
        const out = await session.step(refconvFeeds(net, step, i));
        losses.push(Number(out.get(step.loss)?.typed()[0]));
      }
      const expected = floats(net.gold.get('losses'), 'losses');
      for (const [i, loss] of losses.entries())
        expect(Math.abs(loss / expected[i] - 1), `loss ${i}`).toBeLessThan(RELATIVE);
      const trained = await trainedForm(net.training, step, session);
      const values = trainedValues(trained, step, net.maps);
      expect(values.size).toBe(keysAt(net.gold, 'after10').length);
      for (const [key, got] of values) {
        const gold = floats(net.gold.get(`after10.${key}`), key);
        expect(relativeL2(got, gold), key).toBeLessThan(RELATIVE);
      }
      await session.release();
    });
});
