/** Step sessions in this thread, where TensorFlow.js's memory can be looked at. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { buildTrainStep } from '../../../src/finetune/step/build.js';
import { prepareTraining } from '../../../src/finetune/step/prepare.js';
import { encodeModel, Tensor } from '../../../src/onnx/index.js';
import { createEngine, type Engine, type StateBinding } from '../../../src/runtime/index.js';
import { loadTfjs } from '../../../src/runtime/tfjs/load.js';
import { TfjsSessions } from '../../../src/runtime/tfjs/sessions.js';
import type { Tf } from '../../../src/runtime/tfjs/tf.js';
import type { NamedTensors } from '../../../src/runtime/worker/protocol.js';
import { fromWireAll, toWireAll } from '../../../src/runtime/worker/wire.js';
import { smallNetwork } from '../../support/small-network.js';
import { STEP_STATE, stepInitial, stepModel } from '../ort/graphs.js';

let tf: Tf;
/** Prepares networks; it does not run their steps. */
let engine: Engine;
beforeAll(async () => {
  [tf, engine] = await Promise.all([loadTfjs(), createEngine({ threads: 1 })]);
}, 60_000);
afterAll(() => engine.close());

/** As the main thread opens a step session: zeros, then the initial values. */
function makeStep(
  sessions: TfjsSessions,
  bindings: readonly StateBinding[],
  initial: ReadonlyMap<string, Tensor>,
  fetch: readonly string[],
): void {
  const specs = Array.from(initial, ([name, { dataType, dims }]) => [name, { dataType, dims }] as const);
  sessions.makeStep({ session: 1, bindings, specs, fetch, overwritten: [] });
  sessions.writeState({ session: 1, state: toWireAll(initial) });
}

const options = { threads: 1, spinning: false, optimization: 'none' } as const;
const sourceOf = (model: Parameters<typeof encodeModel>[0]) => ({
  kind: 'bytes' as const,
  bytes: encodeModel(model),
});

interface Memory {
  readonly numTensors: number;
  readonly numBytes: number;
}

function memory(): Memory {
  const { numTensors, numBytes } = tf.memory();
  return { numTensors, numBytes };
}

describe('memory', () => {
  test('is the same after every step of a training graph, and gone with the session', async () => {
    const before = memory();
    const sessions = new TfjsSessions(tf);
    const prepared = await prepareTraining(smallNetwork('tfjs', { side: 8, classes: 4, width: 6 }), {
      batch: 4,
      image: [3, 8, 8],
      engine,
    });
    const step = buildTrainStep(prepared, {
      optimizer: { kind: 'sgd', momentum: 0.9, nesterov: false },
      weightDecay: 1e-4,
      decayAll: false,
      loss: { kind: 'cross-entropy', labelSmoothing: 0.1 },
      bn: 'train',
      clip: { norm: 1 },
      average: { decay: 0.9, warmup: false },
    });
    await sessions.open({ session: 1, source: sourceOf(step.model), options });
    makeStep(sessions, step.state, new Map(step.state.map((s) => [s.input, s.initial])), step.fetch);
    const opened = memory();
    expect(opened.numTensors).toBeGreaterThan(before.numTensors + step.state.length);
    const losses: number[] = [];
    for (let i = 0; i < 5; i++) {
      const images = Float32Array.from({ length: 4 * 3 * 64 }, (_, k) => Math.sin(k * 0.7));
      const feeds = new Map([
        [step.image, Tensor.float32([4, 3, 8, 8], images)],
        [step.label, Tensor.int32([4], [0, 1, 2, 3])],
        [step.lr, Tensor.float32([], [0.1])],
      ]);
      const out = fromWireAll(sessions.step({ session: 1, feeds: toWireAll(feeds) }));
      losses.push(Number(out.get(step.loss)?.typed()[0]));
      expect(memory(), `after step ${i + 1}`).toEqual(opened);
    }
    expect(losses[4]).toBeLessThan(losses[0]);
    sessions.readState({ session: 1 });
    sessions.writeState({
      session: 1,
      state: toWireAll(new Map(step.state.map((s) => [s.input, s.initial]))),
    });
    expect(memory(), 'after reading and writing the state').toEqual(opened);
    sessions.release({ session: 1 });
    expect(memory(), 'after the session').toEqual(before);
  });

  test('is the same after a step that fails, and so is the state', async () => {
    const sessions = new TfjsSessions(tf);
    await sessions.open({ session: 1, source: sourceOf(stepModel()), options });
    makeStep(sessions, STEP_STATE, stepInitial(), ['loss']);
    const step = (x: Tensor): NamedTensors =>
      sessions.step({ session: 1, feeds: toWireAll(new Map([['x', x]])) });
    step(Tensor.float32([2, 4], [1, 2, 3, 4, 5, 6, 7, 8]));
    const [opened, state] = [memory(), sessions.readState({ session: 1 })];
    // The main thread refuses such a feed before; the worker must survive it all the same.
    expect(() => step(Tensor.float32([1, 3], [1, 2, 3]))).toThrow(/Mul/);
    expect(memory()).toEqual(opened);
    expect(sessions.readState({ session: 1 })).toEqual(state);
    sessions.release({ session: 1 });
  });
});
