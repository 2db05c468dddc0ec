import { expect } from 'vitest';
import { chooseLowering } from '../../src/finetune/lowering/choose.js';
import type { Engine } from '../../src/runtime/index.js';
import { relativeL2 } from './close.js';
import {
  floats,
  keysAt,
  REFCONV_STEPS,
  refconvFeeds,
  refconvGolden,
  refconvStep,
  trainedForm,
  trainedValues,
} from './refconv-golden.js';

/**
 * Ten steps of a golden network on an engine: each loss, and each parameter and map after the last, within `relative` of
 * PyTorch's.
 * @param host prepares the network
 */
export async function checkRefconvSteps(
  name: string,
  host: Engine,
  engine: Engine,
  relative: number,
): Promise<void> {
  const net = await refconvGolden(name);
  const step = await refconvStep(net, host, await chooseLowering(engine, 'auto'), 'auto');
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
    expect(Math.abs(loss / expected[i] - 1), `loss ${i}`).toBeLessThan(relative);
  const trained = await trainedForm(net.training, step, session);
  const values = trainedValues(trained, step, net.maps);
  expect(values.size).toBe(keysAt(net.gold, 'after10').length);
  for (const [key, got] of values) {
    const gold = floats(net.gold.get(`after10.${key}`), key);
    expect(relativeL2(got, gold), key).toBeLessThan(relative);
  }
  await session.release();
}
