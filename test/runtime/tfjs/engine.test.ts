/** The engine as callers see it, in its worker. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError, UnsupportedError, UsageError } from '../../../src/base/errors.js';
import { chooseLowering } from '../../../src/finetune/lowering/choose.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../../src/onnx/index.js';
import { createEngine, type Engine } from '../../../src/runtime/index.js';
import { addModel, linearModel, STEP_STATE, stepInitial, stepModel } from '../ort/graphs.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ engine: 'tfjs' });
}, 60_000);
afterAll(() => engine.close());

const x = (): Tensor => Tensor.float32([2, 4], [1, 2, 3, 4, 4, 3, 2, 1]);

describe('session', () => {
  test('runs a graph and says what it is', async () => {
    expect(engine.name).toMatch(/^@tensorflow\/tfjs(-node(-gpu)?)? \d+\.\d+\.\d+ \(\w+\)$/);
    const session = await engine.session(linearModel());
    const y = (await session.run(new Map([['x', x()]]))).get('y');
    expect(y?.dims).toEqual([2, 2]);
    expect([...(y?.typed() ?? [])]).toEqual([0, 0, 2.5, 1.5]);
    await session.release();
    await expect(session.run(new Map([['x', x()]]))).rejects.toThrow(/not open/);
  });

  test('checks feeds before the run', async () => {
    const session = await engine.session(addModel());
    const a = Tensor.float32([2], [1, 2]);
    await expect(session.run(new Map([['a', a]]))).rejects.toThrow(/input 'b' is missing/);
    await expect(
      session.run(
        new Map([
          ['a', a],
          ['b', Tensor.float64([2], [1, 2])],
        ]),
      ),
    ).rejects.toThrow(InputError);
  });

  test('shapes that the graph computes itself', async () => {
    const graph = new Graph('flatten by hand');
    const b = new GraphBuilder(graph, 17);
    const input = graph.addInput('x', tensorType('float32', ['N', 'C', 2]));
    const batch = b.op('Gather', [b.op('Shape', [input]), b.i64(0)], { axis: 0 });
    const dims = b.op('Concat', [b.op('Unsqueeze', [batch, b.i64([0])]), b.i64([-1])], { axis: 0 });
    const y = b.op('Reshape', [input, dims], {}, { outputs: ['y'] });
    y.type = tensorType('float32', ['N', null]);
    graph.addOutput(y);
    const session = await engine.session(new Model(graph, 17));
    for (const [n, c] of [
      [1, 3],
      [4, 2],
    ]) {
      const data = Float32Array.from({ length: n * c * 2 }, (_, i) => i);
      const out = await session.run(new Map([['x', Tensor.float32([n, c, 2], data)]]));
      expect(out.get('y')?.dims).toEqual([n, 2 * c]);
      expect(out.get('y')?.typed()).toEqual(data);
    }
  });

  test('what exporters write around shapes: an end of 2⁶³ − 1 on its way to a Slice, a mask that nobody reads', async () => {
    const graph = new Graph('as exported');
    const b = new GraphBuilder(graph, 17);
    const input = graph.addInput('x', tensorType('float32', ['N', 4]));
    const last = Tensor.int64([], BigInt64Array.of(2n ** 63n - 1n));
    const end = b.op('Unsqueeze', [b.op('Constant', [], { value: last }), b.i64([0])]);
    const rest = b.op('Slice', [input, b.i64([1]), end, b.i64([1])]);
    const [kept] = b.ops('Dropout', [rest], {}, { outputs: ['y', 'mask'] });
    kept.type = tensorType('float32', ['N', 3]);
    graph.addOutput(kept);
    const model = new Model(graph, 17);
    const session = await engine.session(model);
    const out = await session.run(new Map([['x', x()]]));
    expect([...(out.get('y')?.typed() ?? [])]).toEqual([2, 3, 4, 3, 2, 1]);
    expect(model.graph.nodes.map((n) => n.opType)).toEqual(['Constant', 'Unsqueeze', 'Slice', 'Dropout']);
  });

  test('64-bit numbers go through as int32, or not at all', async () => {
    const graph = new Graph('count');
    const n = graph.addInput('n', tensorType('int64', []));
    const b = new GraphBuilder(graph, 17);
    const next = b.op('Add', [n, b.i64(1)], {}, { outputs: ['next'] });
    next.type = tensorType('int64', []);
    graph.addOutput(next);
    const session = await engine.session(new Model(graph, 17));
    const out = await session.run(new Map([['n', Tensor.int64([], [41])]]));
    expect(out.get('next')?.dataType).toBe('int64');
    expect(out.get('next')?.typed()).toEqual(BigInt64Array.of(42n));
    await expect(session.run(new Map([['n', Tensor.int64([], [2 ** 40])]]))).rejects.toThrow(
      /holds int64 as int32, and tensor 'n' has the element 1099511627776/,
    );
  });

  test("the caller's thread stays free while a graph runs", async () => {
    const graph = new Graph('slow');
    const b = new GraphBuilder(graph, 17);
    const input = graph.addInput('x', tensorType('float32', [160, 160]));
    let y = input;
    for (let i = 0; i < 12; i++) y = b.op('MatMul', [y, input]);
    graph.addOutput(b.op('ReduceSum', [y], { keepdims: 0 }));
    const session = await engine.session(new Model(graph, 17));
    let ticks = 0;
    const timer = setInterval(() => ticks++, 2);
    await session.run(new Map([['x', Tensor.float32([160, 160], new Float32Array(160 * 160))]]));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(1);
  });
});

describe('step session', () => {
  test('carries state of every type from step to step, and gives it back as it was', async () => {
    const init = { state: STEP_STATE, initial: stepInitial(), fetch: ['loss', "w'"] };
    const session = await engine.stepSession(stepModel(), init);
    for (let i = 0; i < 3; i++) await session.step(new Map([['x', x()]]));
    const state = await session.readState();
    expect(state.get('count')?.typed()).toEqual(BigInt64Array.of(3n));
    expect(state.get('pass')?.typed()).toEqual(Uint8Array.of(7, 9));
    expect(state.get('empty')?.dims).toEqual([0, 3]);
    const out = await session.step(new Map([['x', x()]]));
    expect([...(await session.readState()).values()].map((t) => t.dataType)).toEqual([
      'float32',
      'int64',
      'float32',
      'uint8',
    ]);
    expect(out.get("w'")?.typed()).toEqual((await session.readState()).get('w')?.typed());
    await session.writeState(state);
    const again = await session.step(new Map([['x', x()]]));
    expect(again.get('loss')?.typed()).toEqual(out.get('loss')?.typed());
    await session.release();
  });
});

describe('what it cannot do is refused before anything runs', () => {
  test('all nodes at once, by name, each with the reason', async () => {
    const graph = new Graph('odd');
    const b = new GraphBuilder(graph, 17, { infer: false });
    const input = graph.addInput('x', tensorType('float32', [2, 3]));
    const outputs = [
      b.op('Hardmax', [input], {}, { name: 'hard' }),
      b.op('NonZero', [input], {}, { name: 'where' }),
      b.op('Cast', [input], { to: 11 }, { name: 'widen' }),
      b.op('FancyOp', [input], {}, { name: 'fancy', domain: 'com.example' }),
      b.op('Add', [input, b.constant(Tensor.float64([3], [1, 2, 3]))], {}, { name: 'mixed' }),
      b.op('Add', [b.i64([1]), b.i64([2 ** 40])], {}, { name: 'large' }),
    ];
    for (const o of outputs) graph.addOutput(o);
    const model = new Model(graph, 17);
    model.opsets.set('com.example', 1);
    const error = await engine.session(model).then(
      () => undefined,
      (e: unknown) => e,
    );
    expect(error).toBeInstanceOf(UnsupportedError);
    const { message } = error as UnsupportedError;
    expect(message).toMatch(/^TensorFlow\.js cannot run odd/);
    for (const said of [
      /Hardmax 'hard' \(no rule for it\)/,
      /NonZero 'where' \(the shape of its result depends on the data\)/,
      /Cast 'widen' \(to float64\)/,
      /com\.example\.FancyOp 'fancy' \(no rules for operators of com\.example\)/,
      /Add 'mixed' \(float64 elements/,
      /Add 'large' \(1099511627776, which int32 cannot hold\)/,
      /use --engine onnxruntime/,
    ])
      expect(message).toMatch(said);
  });

  test('blocked kernels, a device, threads', async () => {
    await expect(chooseLowering(engine, 'blocked')).rejects.toThrow(/has no blocked kernels/);
    expect((await chooseLowering(engine, 'auto')).name).toBe('portable');
    await expect(createEngine({ engine: 'tfjs', device: 'webgpu' })).rejects.toThrow(UsageError);
    await expect(createEngine({ engine: 'tfjs', threads: 2 })).rejects.toThrow(
      /--threads 2 with --engine tfjs/,
    );
  });
});
