import { describe, expect, test } from 'vitest';
import { GraphBuilder } from '../../src/onnx/builder.js';
import { Graph, Tensor, tensorType } from '../../src/onnx/index.js';

function start(): { graph: Graph; b: GraphBuilder; x: ReturnType<Graph['addInput']> } {
  const graph = new Graph('g');
  const x = graph.addInput('x', tensorType('float32', ['N', 3, 8, 8]));
  return { graph, b: new GraphBuilder(graph, 18), x };
}

describe('names', () => {
  test('a node and its first output are <scope>/<op>, numbered when taken', () => {
    const { graph, b, x } = start();
    const y = b.scope('block', () => b.scope('inner', () => b.op('Relu', [b.op('Relu', [x])])));
    expect(graph.nodes.map((n) => n.name)).toEqual(['block/inner/Relu', 'block/inner/Relu_1']);
    expect(y.name).toBe('block/inner/Relu_1');
    expect(b.op('Relu', [y]).name).toBe('Relu');
  });

  test('a scope ends when its function throws', () => {
    const { b } = start();
    expect(() =>
      b.scope('a', () => {
        throw new Error('stop');
      }),
    ).toThrow('stop');
    expect(b.scoped('x')).toBe('x');
  });

  test('options.name replaces the op type; further outputs are numbered', () => {
    const { b, x } = start();
    const parts = b.scope('s', () => b.ops('Split', [x], { axis: 1 }, { name: 'halves', outputs: 3 }));
    expect(parts.map((v) => v.name)).toEqual(['s/halves', 's/halves.1', 's/halves.2']);
    expect(parts[0].producer?.name).toBe('s/halves');
  });

  test('exact output names are kept, an empty one is left out, a taken one is refused', () => {
    const { graph, b, x } = start();
    const node = b.node('MaxPool', [x], { kernel_shape: [2, 2] }, { outputs: ['pooled', ''] });
    expect(node.outputs.map((o) => o.name)).toEqual(['pooled', '']);
    expect(() => b.op('Relu', [x], {}, { outputs: ['pooled'] })).toThrow(/'pooled' is taken/);
    expect(graph.nodes).toHaveLength(1);
  });

  test('names stay unique over thousands of nodes, quickly', () => {
    const { graph, b, x } = start();
    const began = performance.now();
    let y = x;
    for (let i = 0; i < 20_000; i++) y = b.op('Add', [y, b.f32(i % 7)]);
    expect(performance.now() - began).toBeLessThan(5000);
    expect(new Set(graph.nodes.map((n) => n.name)).size).toBe(20_000);
    expect(graph.initializers.size).toBe(7);
  });
});

describe('constants', () => {
  test('equal small ones are shared, by type, dims and content', () => {
    const { graph, b } = start();
    expect(b.i64([0, 2])).toBe(b.i64([0, 2]));
    expect(b.f32(1)).not.toBe(b.f32([1]));
    expect(b.f32([1])).not.toBe(b.i64([1]));
    expect(b.f32(-0)).not.toBe(b.f32(0));
    expect(b.f32([1, 2, 3, 4], [2, 2]).shape).toEqual([2, 2]);
    expect([...graph.initializers].map((v) => v.name)).toContain('const/i64_0_2');
  });

  test('another builder of the same graph shares them, one of another graph does not', () => {
    const { graph, b } = start();
    expect(new GraphBuilder(graph, 18).f32(2)).toBe(b.f32(2));
    expect(start().b.f32(2)).not.toBe(b.f32(2));
  });

  test('a removed or overwritten constant is not handed out again', () => {
    const { graph, b } = start();
    const removed = b.f32(3);
    graph.removeInitializer(removed);
    expect(b.f32(3)).not.toBe(removed);
    const changed = b.f32(4);
    graph.setInitializer(changed, Tensor.float32([], [5]));
    expect(b.f32(4).constant?.typed()[0]).toBe(4);
  });

  test('named ones are never shared, so that two equal weights can learn apart', () => {
    const { b } = start();
    const zero = Tensor.float32([2], [0, 0]);
    expect(b.scope('s', () => b.constant(zero, 'a.bias')).name).toBe('a.bias');
    expect(b.constant(zero, 'a.bias').name).toBe('a.bias_1');
  });

  test('int64 beyond 2^53 keeps its value', () => {
    const { b } = start();
    expect(b.i64([9223372036854775807n]).constant?.typed()[0]).toBe(9223372036854775807n);
  });
});

describe('place', () => {
  test('nodes go before an anchor in the order of their emission', () => {
    const { graph, b, x } = start();
    const last = b.node('Relu', [x]);
    const inserting = new GraphBuilder(graph, 18, { place: { before: last } });
    inserting.op('Neg', [inserting.op('Abs', [x])]);
    expect(graph.nodes.map((n) => n.opType)).toEqual(['Abs', 'Neg', 'Relu']);
  });

  test('nodes go after an anchor in the order of their emission, and at() returns to the end', () => {
    const { graph, b, x } = start();
    const first = b.node('Relu', [x]);
    b.op('Tanh', [first.output()]);
    b.at({ after: first }, () => b.op('Neg', [b.op('Abs', [first.output()])]));
    b.op('Exp', [x]);
    expect(graph.nodes.map((n) => n.opType)).toEqual(['Relu', 'Abs', 'Neg', 'Tanh', 'Exp']);
  });
});

describe('types', () => {
  test('are inferred from the inputs, constants included', () => {
    const { b, x } = start();
    const w = b.constant(Tensor.float32([4, 3, 3, 3], new Float32Array(108)), 'w');
    const y = b.op('Conv', [x, w], { strides: [2, 2], pads: [1, 1, 1, 1] });
    expect(y.type).toEqual(tensorType('float32', ['N', 4, 4, 4]));
    expect(b.op('Reshape', [y, b.i64([0, -1])]).type).toEqual(tensorType('float32', ['N', 64]));
    const [top, rest] = b.ops('Split', [y, b.i64([1, 3])], { axis: 1 }, { outputs: 2 });
    expect([top.type, rest.type].map((t) => t?.kind === 'tensor' && t.shape?.[1])).toEqual([1, 3]);
  });

  test('inputs that do not go together are refused at once', () => {
    const { b, x } = start();
    const w = b.constant(Tensor.float32([4, 5, 3, 3], new Float32Array(180)), 'w');
    expect(() => b.op('Conv', [x, w])).toThrow(/Conv 'Conv'/);
  });

  test('another inference function, or none, can be given', () => {
    const { graph, x } = start();
    const b = new GraphBuilder(graph, 18, { infer: () => [tensorType('int8')] });
    expect(b.op('Relu', [x]).type).toEqual(tensorType('int8'));
    expect(new GraphBuilder(graph, 18, { infer: false }).op('Relu', [x]).type).toBeUndefined();
  });
});
