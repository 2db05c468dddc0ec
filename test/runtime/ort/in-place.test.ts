import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CheckFailedError } from '../../../src/base/errors.js';
import { Graph, GraphBuilder, Model, Tensor, tensorType, type Value } from '../../../src/onnx/index.js';
import { createEngine, type Engine, type StateBinding } from '../../../src/runtime/index.js';
import { overwritable } from '../../../src/runtime/ort/in-place.js';

type State = Readonly<Record<'w' | 'v', Value>>;

const BINDINGS: readonly StateBinding[] = [
  { input: 'w', output: "w'" },
  { input: 'v', output: "v'" },
];

/** A step of state w and v, both [3, 3], from an input x [3, 3]; it makes the values w' and v'. */
function stepWith(build: (b: GraphBuilder, x: Value, state: State) => void): Model {
  const graph = new Graph('step');
  const type = tensorType('float32', [3, 3]);
  const [x, w, v] = ['x', 'w', 'v'].map((name) => graph.addInput(name, type));
  build(new GraphBuilder(graph, 20), x, { w, v });
  for (const { output } of BINDINGS) {
    const value = graph.find(output);
    if (!value) throw new Error(`${output} is not made`);
    value.type = type;
    graph.addOutput(value);
  }
  return new Model(graph, 20);
}

const found = (model: Model): string[] => [...overwritable(model.graph, BINDINGS)];

/** v' = v/2 + g, w' = w - v'/4 */
function momentum(b: GraphBuilder, { w, v }: State, gradient: Value): void {
  const next = b.op('Add', [b.op('Mul', [v, b.f32(0.5)]), gradient], {}, { outputs: ["v'"] });
  b.op('Sub', [w, b.op('Mul', [next, b.f32(0.25)])], {}, { outputs: ["w'"] });
}

describe('state that may be written over', () => {
  test('a slot, and a weight whose readers all come before its gradient', () => {
    const model = stepWith((b, x, state) => {
      const y = b.op('MatMul', [x, state.w]);
      momentum(b, state, b.op('MatMul', [y, x]));
    });
    expect(found(model)).toEqual(['w', 'v']);
  });

  test('not a weight that a later gradient reads', () => {
    const model = stepWith((b, x, state) => {
      const y = b.op('MatMul', [x, state.w]);
      const loss = b.op('MatMul', [y, state.w]);
      b.graph.addOutput(loss);
      momentum(b, state, b.op('MatMul', [y, x]));
    });
    expect(found(model)).toEqual(['v']);
  });

  test('not where the runtime may join the reader with a later one', () => {
    const model = stepWith((b, x, state) => {
      const turned = b.op('Transpose', [state.w], { perm: [1, 0] });
      const y = b.op('MatMul', [x, turned]);
      b.graph.addOutput(b.op('MatMul', [y, turned]));
      momentum(b, state, b.op('MatMul', [y, x]));
    });
    expect(found(model)).toEqual(['v']);
  });

  test('not where the new value reads the old one in another order', () => {
    const model = stepWith((b, x, { w, v }) => {
      b.op('Add', [b.op('Transpose', [w], { perm: [1, 0] }), x], {}, { outputs: ["w'"] });
      b.op('MatMul', [v, x], {}, { outputs: ["v'"] });
    });
    expect(found(model)).toEqual([]);
  });

  test('each of two states that read each other: the one that is read last', () => {
    const model = stepWith((b, x, { w, v }) => {
      const next = b.op('Add', [w, v], {}, { outputs: ["w'"] });
      b.op('Mul', [b.op('Add', [next, v]), x], {}, { outputs: ["v'"] });
    });
    expect(found(model)).toEqual(['w', 'v']);
    const crossed = stepWith((b, _x, { w, v }) => {
      b.op('Add', [w, v], {}, { outputs: ["w'"] });
      b.op('Sub', [w, v], {}, { outputs: ["v'"] });
    });
    expect(found(crossed)).toEqual([]);
  });
});

describe('in the runtime', () => {
  let engine: Engine;
  beforeAll(async () => {
    engine = await createEngine({ threads: 2 });
  });
  afterAll(() => engine.close());

  const tensor = (value: (i: number) => number): Tensor =>
    Tensor.float32(
      [3, 3],
      Float32Array.from({ length: 9 }, (_, i) => value(i)),
    );
  const initial = (): Map<string, Tensor> =>
    new Map([
      ['w', tensor((i) => 1 + i / 8)],
      ['v', tensor(() => 0)],
    ]);

  test('steps give what two sets of tensors give', async () => {
    // x = I: the gradient is w.
    const model = stepWith((b, x, state) => momentum(b, state, b.op('MatMul', [x, state.w])));
    expect(found(model)).toEqual(['w', 'v']);
    const session = await engine.stepSession(model, { state: BINDINGS, initial: initial(), fetch: [] });
    const [w, v] = [Float64Array.from({ length: 9 }, (_, i) => 1 + i / 8), new Float64Array(9)];
    for (let step = 0; step < 6; step++) {
      await session.step(new Map([['x', tensor((i) => (i % 4 === 0 ? 1 : 0))]]));
      for (let i = 0; i < 9; i++) {
        v[i] = v[i] / 2 + w[i];
        w[i] -= v[i] / 4;
      }
    }
    // All of it is exact in float32.
    const state = await session.readState();
    expect([...(state.get('w')?.typed() ?? [])].map(Number)).toEqual([...w]);
    expect([...(state.get('v')?.typed() ?? [])].map(Number)).toEqual([...v]);
  });

  test('a step that fails half way loses its state, and says so until it is written again', async () => {
    const model = stepWith((b, x, state) => {
      momentum(b, state, b.op('MatMul', [x, state.w]));
      const index = b.op('Cast', [b.op('ReduceMax', [x], { keepdims: 0 })], { to: 7 });
      b.graph.addOutput(b.op('Gather', [x, index], { axis: 0 }, { outputs: ['row'] }));
    });
    const session = await engine.stepSession(model, { state: BINDINGS, initial: initial(), fetch: ['row'] });
    await session.step(new Map([['x', tensor(() => 1)]]));
    await expect(session.step(new Map([['x', tensor(() => 7)]]))).rejects.toThrow(/indices element out of/);
    for (const use of [() => session.readState(), () => session.step(new Map([['x', tensor(() => 1)]]))]) {
      await expect(use()).rejects.toThrow(CheckFailedError);
      await expect(use()).rejects.toThrow(/a step failed half way.*checkpoint/s);
    }
    await session.writeState(initial());
    await session.step(new Map([['x', tensor(() => 1)]]));
    expect((await session.readState()).get('w')?.dims).toEqual([3, 3]);
  });
});
