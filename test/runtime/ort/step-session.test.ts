import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.js';
import { randomFor } from '../../../src/base/random.js';
import { Tensor } from '../../../src/onnx/index.js';
import { createEngine, type Engine, type StepSession } from '../../../src/runtime/index.js';
import { STEP_STATE, stepInitial, stepModel } from './graphs.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

const open = (on: Engine = engine): Promise<StepSession> =>
  on.stepSession(stepModel(), { state: STEP_STATE, initial: stepInitial(), fetch: ['loss'] });

/** Batches of different sizes, so that the graph's memory plan changes between steps. */
function batch(step: number): Map<string, Tensor> {
  const random = randomFor(7, step);
  const n = 1 + (step % 3);
  return new Map([
    [
      'x',
      Tensor.float32(
        [n, 4],
        Float32Array.from({ length: n * 4 }, () => random.normal()),
      ),
    ],
  ]);
}

const bytes = (tensors: ReadonlyMap<string, Tensor>): Record<string, string> =>
  Object.fromEntries(Array.from(tensors, ([k, t]) => [k, Buffer.from(t.bytes()).toString('hex')]));

describe('step session', () => {
  test('carries the state from step to step', async () => {
    const session = await open();
    const w = Float32Array.of(1, 2, 3, 4);
    for (let step = 0; step < 7; step++) {
      const feeds = batch(step);
      const x = feeds.get('x')?.typed();
      if (!(x instanceof Float32Array)) throw new Error('x');
      let loss = 0;
      const mean = [0, 0, 0, 0];
      for (let i = 0; i < x.length; i++) {
        loss += x[i] * w[i % 4];
        mean[i % 4] += x[i] / (x.length / 4);
      }
      const out = await session.step(feeds);
      expect([...out.keys()]).toEqual(['loss']);
      expect(Number(out.get('loss')?.typed()[0])).toBeCloseTo(loss, 4);
      for (let i = 0; i < 4; i++) w[i] = w[i] * Math.fround(0.9) + mean[i];
      const state = await session.readState();
      expect([...(state.get('count')?.typed() ?? [])]).toEqual([BigInt(step + 1)]);
      state
        .get('w')
        ?.typed()
        .forEach((v, i) => {
          expect(Number(v)).toBeCloseTo(w[i], 5);
        });
      expect([...(state.get('pass')?.typed() ?? [])]).toEqual([7, 9]);
      expect(state.get('empty')?.dims).toEqual([0, 3]);
    }
    await session.release();
  });

  test('the same feeds give the same bytes, and so does a resume in another engine', async () => {
    const [a, b] = [await open(), await open()];
    const losses: unknown[] = [];
    for (let step = 0; step < 10; step++) {
      const [p, q] = [await a.step(batch(step)), await b.step(batch(step))];
      expect(bytes(p)).toEqual(bytes(q));
      losses.push(bytes(p));
    }
    const end = bytes(await a.readState());
    expect(bytes(await b.readState())).toEqual(end);

    const half = await open();
    for (let step = 0; step < 5; step++) await half.step(batch(step));
    const saved = await half.readState();
    const other = await createEngine({ threads: 2 });
    const resumed = await open(other);
    await resumed.writeState(saved);
    for (let step = 5; step < 10; step++)
      expect(bytes(await resumed.step(batch(step)))).toEqual(losses[step]);
    expect(bytes(await resumed.readState())).toEqual(end);
    await other.close();
  });

  test('what was read is a copy; what is not written keeps its value', async () => {
    const session = await open();
    const before = await session.readState();
    const copy = bytes(before);
    for (let step = 0; step < 3; step++) await session.step(batch(step));
    expect(bytes(before)).toEqual(copy);
    const after = bytes(await session.readState());
    await session.writeState(new Map([['w', Tensor.float32([4], [0, 0, 0, 0])]]));
    expect(bytes(await session.readState())).toEqual({ ...after, w: '0'.repeat(32) });
  });

  test('steps queue in order when nobody waits between them', async () => {
    const [a, b] = [await open(), await open()];
    const queued = await Promise.all(Array.from({ length: 6 }, (_, step) => a.step(batch(step))));
    for (let step = 0; step < 6; step++)
      expect(bytes(queued[step])).toEqual(bytes(await b.step(batch(step))));
  });

  test('a step that fails leaves the state as it was', async () => {
    const session = await open();
    await session.step(batch(0));
    const before = bytes(await session.readState());
    await expect(session.step(new Map([['x', Tensor.float32([1, 3], [1, 2, 3])]]))).rejects.toThrow(
      InputError,
    );
    expect(bytes(await session.readState())).toEqual(before);
  });

  test('a state output can be fetched as well', async () => {
    const init = { state: STEP_STATE, initial: stepInitial(), fetch: ["w'", 'loss'] };
    const session = await engine.stepSession(stepModel(), init);
    const out = await session.step(batch(1));
    const state = await session.readState();
    expect(out.get("w'")?.typed()).toEqual(state.get('w')?.typed());
    await session.step(batch(2));
    expect(out.get("w'")?.typed()).toEqual(state.get('w')?.typed());
  });
});

describe('state errors', () => {
  const opening = (change: Partial<Parameters<Engine['stepSession']>[1]>): Promise<StepSession> =>
    engine.stepSession(stepModel(), { state: STEP_STATE, initial: stepInitial(), fetch: [], ...change });

  test('bindings and initial values must belong to the graph and to each other', async () => {
    const without = stepInitial();
    without.delete('w');
    await expect(opening({ initial: without })).rejects.toThrow(/state 'w' has no initial value/);
    await expect(opening({ state: STEP_STATE.slice(1) })).rejects.toThrow(
      /initial value 'w' belongs to no state/,
    );
    await expect(opening({ state: [...STEP_STATE, STEP_STATE[0]] })).rejects.toThrow(/bound twice/);
    await expect(opening({ fetch: ['nope'] })).rejects.toThrow(/no output 'nope'/);
    await expect(
      opening({ initial: stepInitial().set('w', Tensor.float32([5], [1, 2, 3, 4, 5])) }),
    ).rejects.toThrow(/input 'w' does not fit; expected float32\[4\]; found float32\[5\]/);
  });

  test('state cannot be fed, and written state must fit', async () => {
    const session = await opening({});
    const feeds = batch(0).set('w', Tensor.float32([4], [0, 0, 0, 0]));
    await expect(session.step(feeds)).rejects.toThrow(/'w' is state/);
    await expect(session.writeState(new Map([['w', Tensor.float64([4], [0, 0, 0, 0])]]))).rejects.toThrow(
      /state 'w' does not fit; expected float32\[4\]; found float64\[4\]/,
    );
    await expect(session.writeState(new Map([['v', Tensor.float32([1], [0])]]))).rejects.toThrow(
      /no state 'v'/,
    );
  });
});
