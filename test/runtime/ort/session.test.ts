import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError, InputError, ModelError, UsageError } from '../../../src/base/errors.js';
import { Tensor } from '../../../src/onnx/index.js';
import { createEngine, type Engine } from '../../../src/runtime/index.js';
import { addModel, linearModel, slowModel } from './graphs.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

const x = (): Tensor => Tensor.float32([2, 4], [1, 2, 3, 4, 4, 3, 2, 1]);

describe('session', () => {
  test('runs a graph and says what it is', async () => {
    expect(engine.name).toMatch(/^onnxruntime-node \d+\.\d+\.\d+ \(cpu\)$/);
    expect(engine.threads).toBe(2);
    const session = await engine.session(linearModel());
    expect(session.inputNames).toEqual(['x']);
    expect(session.outputNames).toEqual(['y']);
    const y = (await session.run(new Map([['x', x()]]))).get('y');
    // Row 1: (1-3, 2-4) + (0.5, -0.5) < 0; row 2: (4-2, 3-1) + (0.5, -0.5).
    expect(y?.dims).toEqual([2, 2]);
    expect([...(y?.typed() ?? [])]).toEqual([0, 0, 2.5, 1.5]);
  });

  test('several sessions share the worker, and runs may overlap', async () => {
    const [a, b] = await Promise.all([engine.session(addModel()), engine.session(linearModel())]);
    const v = Tensor.float32([2], [1, 2]);
    const runs = Array.from({ length: 10 }, (_, i) =>
      i % 2
        ? a.run(
            new Map([
              ['a', v],
              ['b', v],
            ]),
          )
        : b.run(new Map([['x', x()]])),
    );
    const results = await Promise.all(runs);
    results.forEach((r, i) => {
      expect([...(r.get('y')?.typed() ?? [])]).toEqual(i % 2 ? [2, 4] : [0, 0, 2.5, 1.5]);
    });
    await a.release();
    await expect(
      a.run(
        new Map([
          ['a', v],
          ['b', v],
        ]),
      ),
    ).rejects.toThrow(/not open/);
    expect((await b.run(new Map([['x', x()]]))).size).toBe(1);
  });

  test('the caller’s thread stays free while a graph runs', async () => {
    const session = await engine.session(slowModel(6, 1024));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    const start = performance.now();
    await session.run(new Map([['x', Tensor.float32([1024, 1024], new Float32Array(1024 * 1024))]]));
    clearInterval(timer);
    const elapsed = performance.now() - start;
    expect(elapsed).toBeGreaterThan(20);
    expect(ticks).toBeGreaterThan(elapsed / 20);
    await session.release();
  });
});

describe('feeds', () => {
  test('are checked by name, element type and dims before the run', async () => {
    const session = await engine.session(linearModel());
    const run = (feeds: [string, Tensor][], fetch?: string[]) => session.run(new Map(feeds), fetch);
    await expect(run([])).rejects.toThrow(InputError);
    await expect(run([])).rejects.toThrow(/input 'x' is missing; expected float32\[N,4\]; found no inputs/);
    await expect(run([['z', x()]])).rejects.toThrow(/has no input 'z'; expected one of 'x'/);
    await expect(run([['x', Tensor.float64([1, 4], [1, 2, 3, 4])]])).rejects.toThrow(
      /expected float32\[N,4\]; found float64\[1,4\]/,
    );
    await expect(run([['x', Tensor.float32([1, 3], [1, 2, 3])]])).rejects.toThrow(/found float32\[1,3\]/);
    await expect(run([['x', Tensor.float32([4], [1, 2, 3, 4])]])).rejects.toThrow(/found float32\[4\]/);
    await expect(run([['x', x()]], ['z'])).rejects.toThrow(/has no output 'z'; expected one of 'y'/);
  });

  test('equal symbolic dims get equal sizes', async () => {
    const session = await engine.session(addModel());
    const feeds = new Map([
      ['a', Tensor.float32([2], [1, 2])],
      ['b', Tensor.float32([1], [1])],
    ]);
    await expect(session.run(feeds)).rejects.toThrow(/'N' is 2 in input 'a' and 1 here/);
  });

  test('are copied, unless given away', async () => {
    const session = await engine.session(linearModel());
    const kept = x();
    await session.run(new Map([['x', kept]]));
    expect(kept.bytes().byteLength).toBe(32);
    const given = x();
    await session.run(new Map([['x', given]]), undefined, { give: true });
    expect(given.bytes().byteLength).toBe(0);
  });

  test('may be views of larger buffers or of shared memory', async () => {
    const session = await engine.session(linearModel());
    for (const buffer of [new ArrayBuffer(100), new SharedArrayBuffer(100)]) {
      const view = new Uint8Array(buffer, 4, 32);
      view.set(x().bytes());
      const tensor = Tensor.raw('float32', [2, 4], view);
      for (const give of [false, true]) {
        const y = await session.run(new Map([['x', tensor]]), undefined, { give });
        expect([...(y.get('y')?.typed() ?? [])]).toEqual([0, 0, 2.5, 1.5]);
        expect(view.byteLength).toBe(32);
      }
    }
  });
});

describe('errors', () => {
  test('a graph that the runtime refuses names the model and the reason', async () => {
    const model = linearModel();
    model.graph.addOutput(model.graph.addNode({ opType: 'NoSuchOp', inputs: [], outputs: ['q'] }).output(0));
    model.source = 'bad.onnx';
    const failure = engine.session(model);
    await expect(failure).rejects.toThrow(ModelError);
    await expect(failure).rejects.toThrow(/cannot load bad\.onnx; found .*NoSuchOp/);
  });

  test('a run that fails names the model and the inputs with dims, and keeps the cause', async () => {
    const model = addModel();
    for (const v of model.graph.inputs) v.type = { kind: 'tensor', dataType: 'float32', shape: undefined };
    for (const v of model.graph.outputs) v.type = undefined;
    const session = await engine.session(model);
    const feeds = new Map([
      ['a', Tensor.float32([2], [1, 2])],
      ['b', Tensor.float32([3], [1, 2, 3])],
    ]);
    const error = await session.run(feeds).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(ModelError);
    expect(String(error)).toMatch(/running model 'add' on a float32\[2\], b float32\[3\]; found .*Add/);
    expect(error).toHaveProperty('cause.message', expect.stringMatching(/Add/));
  });

  test('more memory than there is fails as the machine’s fault', async () => {
    const model = addModel();
    const g = model.graph;
    for (const v of g.inputs) v.type = { kind: 'tensor', dataType: 'float32', shape: undefined };
    for (const v of g.outputs) v.type = undefined;
    const session = await engine.session(model);
    // [n,1] + [1,n] broadcasts to 2^40 elements.
    const n = 1 << 20;
    const feeds = new Map([
      ['a', Tensor.float32([n, 1], new Float32Array(n))],
      ['b', Tensor.float32([1, n], new Float32Array(n))],
    ]);
    const error = await session.run(feeds).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(EnvironmentError);
    expect(String(error)).toMatch(/not enough memory.*smaller batch/s);
  });

  test('a bad thread count is a usage error', async () => {
    await expect(createEngine({ threads: 0 })).rejects.toThrow(UsageError);
    await expect(createEngine({ threads: 1.5 })).rejects.toThrow(/--threads; expected a whole number/);
  });
});
