import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError } from '../../../src/base/errors.js';
import { Graph, GraphBuilder, type Model, Tensor, tensorType, type Value } from '../../../src/onnx/index.js';
import { createEngine, type Engine, foldConstants, specialize } from '../../../src/runtime/index.js';
import { build, ops, outputs, randomTensor } from './build.js';

let engine: Engine;
beforeAll(async () => {
  engine = await createEngine({ threads: 2 });
});
afterAll(() => engine.close());

/** x.view(x.size(0), -1) as exporters write it. */
function flatten(g: GraphBuilder, x: Value): Value {
  const size = g.op('Gather', [g.op('Shape', [x]), g.i64(0)], { axis: 0 });
  const shape = g.op('Concat', [g.op('Unsqueeze', [size, g.i64([0])]), g.i64([-1])], { axis: 0 });
  return g.op('Reshape', [x, shape]);
}

describe('input dims', () => {
  const model = (dims: (number | string | null)[]): Model =>
    build({ x: dims }, (g, { x }) => g.op('Relu', [x]));

  test('an open batch is 1 unless asked for; open maps must be given', async () => {
    const open = model(['N', 3, 'H', 'W']);
    await expect(specialize(open)).rejects.toThrow(InputError);
    await expect(specialize(open, { batch: 2 })).rejects.toThrow(
      /input 'x' is \[N, 3, H, W\].*size of its maps is open/s,
    );
    const { report } = await specialize(open, { inputShapes: new Map([['x', [2, 3, 4, 5]]]) });
    expect([...report.inputs]).toEqual([['x', [2, 3, 4, 5]]]);
    expect((await specialize(model(['N', 3]))).report.inputs.get('x')).toEqual([1, 3]);
    expect((await specialize(model([null, 3]), { batch: 7 })).report.inputs.get('x')).toEqual([7, 3]);
    // No engine was given: it is started only when something has to run.
    expect((await specialize(model(['N', 3]), { batch: 7 })).report.measured).toEqual([]);
  });

  test('what the file fixes cannot be changed, except the batch', async () => {
    const x = (dims: number[]) => ({ inputShapes: new Map([['x', dims]]), engine });
    await expect(specialize(model(['N', 3, 8, 8]), x([1, 3, 9, 8]))).rejects.toThrow(
      /expected \[N, 3, 8, 8\]; found \[1, 3, 9, 8\]/,
    );
    await expect(specialize(model(['N', 3]), x([1, 3, 8]))).rejects.toThrow(/expected \[N, 3\]/);
    await expect(specialize(model([2, 3]), { inputShapes: new Map([['z', [1]]]) })).rejects.toThrow(
      /no input 'z'/,
    );
    expect((await specialize(model([2, 3]), x([5, 3]))).report.replacedBatch).toBe(2);
    for (const batch of [0, -1, 1.5, Number.NaN])
      await expect(specialize(model(['N', 3]), { batch })).rejects.toThrow(
        /batch size; expected a whole number/,
      );
  });

  test('an equal name of an open dim is one number', async () => {
    const two = build({ a: ['N', 'K'], b: ['K', 3] }, (g, { a, b }) => g.op('MatMul', [a, b]));
    const { report } = await specialize(two, { inputShapes: new Map([['a', [2, 4]]]) });
    expect(report.inputs.get('b')).toEqual([4, 3]);
  });
});

describe('folding', () => {
  test('shape arithmetic disappears, without an engine, and names stay', async () => {
    const model = build({ x: ['N', 3, 4, 4] }, (g, { x }) => {
      const conv = g.op('Conv', [x, g.constant(randomTensor([2, 3, 1, 1], 'w'), 'w')], {}, { name: 'conv' });
      return flatten(g, conv);
    });
    const { model: s, report } = await specialize(model, { batch: 3 });
    expect(ops(s)).toEqual(['Conv', 'Reshape']);
    expect(s.graph.nodes[0].name).toBe('conv');
    expect(s.graph.find('w')?.initializer).toBe(model.graph.find('w')?.initializer);
    expect(s.graph.outputs[0].shape).toEqual([3, 32]);
    expect(report.folded).toBe(1);
    expect(report.removedNodes).toBe(4);
    expect(ops(model)).toHaveLength(6);
  });

  test('a weight that is computed is computed once, and as the runtime does', async () => {
    const model = build({ x: ['N', 3, 4, 4] }, (g, { x }) => {
      const w = g.constant(randomTensor([2, 3, 3, 3], 'w'), 'w');
      const norm = g.op('Sqrt', [g.op('ReduceSumSquare', [w, g.i64([1, 2, 3])])], {}, { name: 'norm' });
      return g.op('Conv', [x, g.op('Div', [w, norm], {}, { name: 'scaled' })]);
    });
    const { model: s } = await specialize(model, { batch: 2, engine });
    expect(ops(s)).toEqual(['Conv']);
    expect(s.graph.nodes[0].input(1).name).toBe('scaled');
    const x = randomTensor([2, 3, 4, 4], 'x');
    expect(await outputs(engine, s, { x })).toEqual(await outputs(engine, model, { x }));
  });

  test('what `keep` names stays, and so does what is computed from it', async () => {
    const model = build({ x: ['N', 4] }, (g, { x }) => {
      const map = g.op(
        'Mul',
        [g.constant(randomTensor([4, 4], 'map'), 'map'), g.f32(2)],
        {},
        { name: 'kept' },
      );
      const w = g.op('Add', [map, g.op('Neg', [g.f32(1)])], {}, { name: 'weight' });
      return g.op('MatMul', [x, w]);
    });
    const { model: s } = await specialize(model, { batch: 2, engine, keep: (n) => n.name === 'kept' });
    expect(s.graph.nodes.map((n) => n.name || n.opType)).toEqual(['kept', 'weight', 'MatMul']);
    for (const v of s.graph.values()) expect(v.shape).toBeDefined();
  });

  test('a branch with a known condition takes the place of its If', async () => {
    const model = build({ x: ['N', 1, 4] }, (g, { x }) => {
      const branch = (name: string, body: (b: GraphBuilder) => Value): Graph => {
        const inner = new Graph(name, g.graph);
        inner.addOutput(body(new GraphBuilder(inner, 18)));
        return inner;
      };
      const dim = g.op('Gather', [g.op('Shape', [x]), g.i64(1)], { axis: 0 });
      const node = g.node(
        'If',
        [g.op('Equal', [dim, g.i64(1)])],
        {
          then_branch: { type: 'graph', value: branch('then', (b) => b.op('Squeeze', [x, b.i64([1])])) },
          else_branch: { type: 'graph', value: branch('else', (b) => b.op('Identity', [x])) },
        },
        { outputs: ['squeezed'] },
      );
      return [g.op('Relu', [node.output()]), node.output()];
    });
    const { model: s } = await specialize(model, { batch: 2, engine });
    expect(ops(s)).toEqual(['Squeeze', 'Identity', 'Relu']);
    expect(s.graph.outputs.map((o) => [o.name, o.shape])).toEqual([
      ['y0', [2, 4]],
      ['y1', [2, 4]],
    ]);
    const x = randomTensor([2, 1, 4], 'x');
    expect(await outputs(engine, s, { x })).toEqual(await outputs(engine, model, { x }));
  });

  test('inputs with a default become constants, as old files list every weight', async () => {
    const model = build({ x: ['N', 2] }, (g, { x }) => {
      const w = g.graph.addInput('w', tensorType('float32', [2, 2]));
      g.graph.addInitializer(w, Tensor.float32([2, 2], [1, 2, 3, 4]));
      return g.op('MatMul', [x, g.op('Transpose', [w], {}, { name: 't' })]);
    });
    const { model: s, report } = await specialize(model, { batch: 1, engine });
    expect(report.frozenInputs).toEqual(['w']);
    expect(s.graph.inputs.map((v) => v.name)).toEqual(['x']);
    expect([...(s.graph.find('t')?.constant?.typed() ?? [])]).toEqual([1, 3, 2, 4]);
    expect(model.graph.inputs).toHaveLength(2);
  });

  test('random nodes, graph outputs and huge results are left alone', async () => {
    const model = build({ x: ['N', 2] }, (g, { x }) => {
      const noise = g.op('RandomNormal', [], { shape: [2] }, { name: 'noise' });
      const output = g.op('Neg', [g.f32([1, 2])], {}, { name: 'output' });
      const huge = g.op('Expand', [g.f32([1]), g.i64([2 ** 27])], {}, { name: 'huge' });
      return [
        g.op('Add', [x, noise]),
        output,
        g.op('ReduceSum', [g.op('Add', [huge, g.op('ReduceMax', [x])])]),
      ];
    });
    const { folded } = await foldConstants(model, engine);
    expect(folded).toBe(0);
    expect(model.graph.nodes.map((n) => n.name)).toEqual(expect.arrayContaining(['noise', 'output', 'huge']));
  });
});

describe('types', () => {
  test('operators without an inference rule are run once', async () => {
    const model = build(
      { x: ['N', 2, 4, 4] },
      (g, { x }) => {
        const grid = g.op('AffineGrid', [
          g.op('Expand', [g.f32([1, 0, 0, 0, 1, 0], [1, 2, 3]), g.i64([2, 2, 3])]),
          g.i64([2, 2, 6, 5]),
        ]);
        return g.op('Relu', [g.op('GridSample', [x, grid])]);
      },
      20,
    );
    const { model: s, report } = await specialize(model, { batch: 2, engine });
    expect(report.measured.length).toBeGreaterThan(0);
    expect(report.dataDependent).toEqual([]);
    expect(s.graph.outputs[0].shape).toEqual([2, 2, 6, 5]);
    for (const v of s.graph.values()) expect(v.shape, v.name).toBeDefined();
  });

  test('shapes that depend on the data are told apart, also where they are computed with', async () => {
    const model = build(
      { x: ['N', 4] },
      (g, { x }) => {
        const where = g.op('NonZero', [x], {}, { name: 'where' });
        return g.op('Tile', [x, g.op('Gather', [g.op('Shape', [where]), g.i64([1, 1])])]);
      },
      17,
    );
    const { report } = await specialize(model, { batch: 2, engine });
    expect(report.dataDependent.map((d) => [d.node, d.dims.length])).toEqual([["NonZero 'where'", 2]]);
  });

  test('auto_pad becomes explicit and computes the same', async () => {
    for (const mode of ['SAME_UPPER', 'SAME_LOWER', 'VALID']) {
      const model = build({ x: ['N', 2, 7, 6] }, (g, { x }) => {
        const conv = g.op('Conv', [x, g.constant(randomTensor([3, 2, 3, 2], 'w'))], {
          auto_pad: mode,
          strides: [2, 3],
          // The runtime has no dilation with SAME_*: see the next test.
          dilations: [1, mode === 'VALID' ? 2 : 1],
        });
        const pool = g.op('AveragePool', [x], { auto_pad: mode, kernel_shape: [3, 2], strides: [2, 1] });
        const max = g.op('MaxPool', [x], { auto_pad: mode, kernel_shape: [2, 2], strides: [2, 1] });
        const up = g.op('ConvTranspose', [x, g.constant(randomTensor([2, 2, 3, 4], 't'))], {
          auto_pad: mode,
          strides: [2, 3],
        });
        return [conv, pool, max, up];
      });
      const { model: s, report } = await specialize(model, { batch: 2, engine });
      expect(report.explicitPads).toHaveLength(4);
      for (const n of s.graph.nodes) expect(n.attributes.has('auto_pad')).toBe(false);
      const x = randomTensor([2, 2, 7, 6], 'x');
      expect(await outputs(engine, s, { x })).toEqual(await outputs(engine, model, { x }));
    }
  });

  test('auto_pad with dilations, which the runtime refuses, runs once the pads are explicit', async () => {
    const model = build({ x: ['N', 1, 5] }, (g, { x }) =>
      g.op('Conv', [x, g.f32([1, 10, 100], [1, 1, 3])], { auto_pad: 'SAME_UPPER', dilations: [2] }),
    );
    const { model: s } = await specialize(model, { batch: 1, engine });
    const [{ data }] = await outputs(engine, s, { x: Tensor.float32([1, 1, 5], [1, 2, 3, 4, 5]) });
    // y[i] = x[i-2] + 10·x[i] + 100·x[i+2]
    expect(data).toEqual([310, 420, 531, 42, 53]);
  });
});
