import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { kernelsOf, readProfile } from '../../bench/gpu/profile.js';
import { encodeModel, Graph, GraphBuilder, Model, Tensor, tensorType } from '../../src/onnx/index.js';
import { createEngine, type Engine } from '../../src/runtime/index.js';
import { loadRuntime } from '../../src/runtime/ort/load.js';
import { SessionTable } from '../../src/runtime/ort/sessions.js';
import { fromWireAll, toWireAll } from '../../src/runtime/worker/wire.js';
import { STEP_STATE, stepInitial, stepModel } from '../runtime/ort/graphs.js';
import { describeWebgpu } from '../support/webgpu/test.js';

const SIZE = 1000;

/** w ← w + x, and loss = Σ w + x. */
function accumulate(): Model {
  const graph = new Graph('accumulate');
  const x = graph.addInput('x', tensorType('float32', [SIZE]));
  const w = graph.addInput('w', tensorType('float32', [SIZE]));
  const g = new GraphBuilder(graph, 20);
  const next = g.op('Add', [w, x], {}, { outputs: ["w'"] });
  next.type = w.type;
  const loss = g.op('ReduceSum', [next], { keepdims: 0 }, { outputs: ['loss'] });
  loss.type = tensorType('float32', []);
  graph.addOutput(loss);
  graph.addOutput(next);
  return new Model(graph, 20);
}

const ones = (): Tensor => Tensor.float32([SIZE], new Float32Array(SIZE).fill(1));

describeWebgpu('the state of a step session', () => {
  test('stays in buffers of the device, which are released', async () => {
    const table = new SessionTable(await loadRuntime());
    const options = {
      threads: 1,
      spinning: false,
      optimization: 'all',
      device: 'webgpu',
      keep: ["w'"],
    } as const;
    await table.open({ session: 1, source: { kind: 'bytes', bytes: encodeModel(accumulate()) }, options });
    const { device } = table;
    if (!device) throw new Error('no device');
    const bindings = [{ input: 'w', output: "w'" }];
    const specs = [['w', { dataType: 'float32', dims: [SIZE] }]] as const;
    table.makeStep({ session: 1, bindings, specs, fetch: ['loss'], overwritten: [] });
    table.writeState({ session: 1, state: toWireAll(new Map([['w', ones()]])) });
    expect(device.live, 'uploaded by the first step').toBe(0);
    const losses: number[] = [];
    for (let step = 0; step < 5; step++) {
      const out = fromWireAll(await table.step({ session: 1, feeds: toWireAll(new Map([['x', ones()]])) }));
      expect([...out.keys()]).toEqual(['loss']);
      losses.push(Number(out.get('loss')?.typed()[0]));
      expect(device.live, 'the new state; the old one is gone').toBe(1);
      expect(device.readBytes, 'nothing comes down but the loss').toBe(0);
    }
    expect(losses).toEqual([2, 3, 4, 5, 6].map((v) => v * SIZE));

    const read = fromWireAll(await table.readState({ session: 1 }));
    expect(read.get('w')?.typed()).toEqual(new Float32Array(SIZE).fill(6));
    expect(device.readBytes).toBe(4 * SIZE);
    expect(device.live, 'reading copies').toBe(1);

    table.writeState({ session: 1, state: toWireAll(new Map([['w', ones()]])) });
    expect(device.live, 'what was replaced is gone').toBe(0);
    await table.step({ session: 1, feeds: toWireAll(new Map([['x', ones()]])) });
    expect(device.live).toBe(1);
    await table.release({ session: 1 });
    expect(device.live).toBe(0);
  });
});

describeWebgpu('a profile', () => {
  test('has the time that each kernel took on the device', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'reparam-profile-'));
    const profile = join(folder, 'step');
    const engine = await createEngine({ device: 'webgpu', allowSoftware: true, profile });
    try {
      const session = await engine.session(accumulate());
      for (let i = 0; i < 3; i++)
        await session.run(
          new Map([
            ['x', ones()],
            ['w', ones()],
          ]),
        );
      await session.release();
      const kernels = kernelsOf(readProfile(profile), 3);
      expect(kernels?.programs.map((p) => [p.name, p.dispatches]).sort()).toEqual([
        ['Add', 1],
        ['ReduceSum', 1],
      ]);
      expect(kernels?.milliseconds).toBeGreaterThan(0);
    } finally {
      await engine.close();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});

describeWebgpu('an engine on webgpu', () => {
  let engine: Engine;
  beforeEach(async () => {
    engine = await createEngine({ device: 'webgpu', allowSoftware: true });
  });
  afterEach(() => engine.close());

  test('says what it runs on', () => {
    expect(engine.device).toBe('webgpu');
    expect(engine.name).toMatch(/^onnxruntime-node \d+\.\d+\.\d+ \(webgpu: .+\)$/);
  });

  test('keeps state of every type and of no elements, and gives fetched state back', async () => {
    const session = await engine.stepSession(stepModel(), {
      state: STEP_STATE,
      initial: stepInitial(),
      fetch: ['loss', "w'"],
    });
    for (let step = 1; step <= 3; step++) {
      const out = await session.step(new Map([['x', Tensor.float32([1, 4], [1, 1, 1, 1])]]));
      const state = await session.readState();
      expect(out.get("w'")?.typed()).toEqual(state.get('w')?.typed());
      expect([...(state.get('count')?.typed() ?? [])]).toEqual([BigInt(step)]);
      expect([...(state.get('pass')?.typed() ?? [])]).toEqual([7, 9]);
      expect(state.get('empty')?.dims).toEqual([0, 3]);
    }
    const w = new Map([['w', Tensor.float32([4], [5, 6, 7, 8])]]);
    await session.writeState(w);
    expect((await session.readState()).get('w')?.typed()).toEqual(w.get('w')?.typed());
    await session.release();
  });

  test('a step that fails leaves the state as it was', async () => {
    const session = await engine.stepSession(stepModel(), {
      state: STEP_STATE,
      initial: stepInitial(),
      fetch: ['loss'],
    });
    const feeds = new Map([['x', Tensor.float32([2, 4], [1, 2, 3, 4, 5, 6, 7, 8])]]);
    await session.step(feeds);
    const before = await session.readState();
    await expect(session.step(new Map([['x', Tensor.float32([1, 3], [1, 2, 3])]]))).rejects.toThrow(/'x'/);
    expect((await session.readState()).get('w')?.typed()).toEqual(before.get('w')?.typed());
    await session.step(feeds);
    await session.release();
  });
});
