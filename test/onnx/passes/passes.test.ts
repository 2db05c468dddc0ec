import { expect, test } from 'vitest';
import {
  constantsToInitializers,
  eliminateDeadNodes,
  Graph,
  GraphBuilder,
  Model,
  Tensor,
  tensorType,
  verifyModel,
} from '../../../src/onnx/index.js';

function start(): { graph: Graph; b: GraphBuilder } {
  const graph = new Graph('g');
  return { graph, b: new GraphBuilder(graph, 20, { infer: false }) };
}

test('eliminateDeadNodes drops what no output needs, and keeps inputs and defaults', () => {
  const { graph, b } = start();
  const x = graph.addInput('x', tensorType('float32', [2]));
  const unused = graph.addInput('unused', tensorType('float32', [2]));
  graph.addInitializer(unused, Tensor.float32([2], [1, 2]));
  const dead = b.op('Mul', [x, b.constant(Tensor.float32([2], [3, 4]), 'dead_weight')]);
  b.op('Relu', [dead]);
  graph.addOutput(b.op('Add', [x, b.constant(Tensor.float32([2], [1, 1]), 'weight')]));
  expect(eliminateDeadNodes(graph)).toEqual({ modified: true });
  expect(graph.nodes.map((n) => n.opType)).toEqual(['Add']);
  expect([...graph.initializers].map((v) => v.name)).toEqual(['unused', 'weight']);
  expect(graph.inputs.map((v) => v.name)).toEqual(['x', 'unused']);
  verifyModel(new Model(graph));
  expect(eliminateDeadNodes(graph)).toEqual({ modified: false });
});

test('eliminateDeadNodes keeps what a sub-graph captures, and cleans the sub-graph', () => {
  const { graph, b } = start();
  const x = graph.addInput('x', tensorType('float32', [2]));
  const cond = graph.addInput('c', tensorType('bool', []));
  const captured = b.op('Relu', [x]);
  const weight = b.constant(Tensor.float32([2], [1, 2]), 'weight');
  const branch = (name: string): Graph => {
    const inner = new Graph(name, graph);
    const ib = new GraphBuilder(inner, 20, { infer: false });
    ib.op('Neg', [captured]);
    inner.addOutput(ib.op('Mul', [captured, weight]));
    return inner;
  };
  const node = b.node('If', [cond], {
    then_branch: { type: 'graph', value: branch('t') },
    else_branch: { type: 'graph', value: branch('e') },
  });
  graph.addOutput(node.output(0));
  expect(eliminateDeadNodes(graph).modified).toBe(true);
  expect(graph.nodes.map((n) => n.opType)).toEqual(['Relu', 'If']);
  for (const inner of node.subgraphs) expect(inner.nodes.map((n) => n.opType)).toEqual(['Mul']);
  expect(weight.graph).toBe(graph);
  verifyModel(new Model(graph));
});

test('constantsToInitializers reads every form of Constant, under its name', () => {
  const { graph, b } = start();
  const x = graph.addInput('x', tensorType('float32', [2]));
  const constants = [
    b.op('Constant', [], { value: Tensor.float32([2], [1, 2]) }, { name: 'a' }),
    b.op('Constant', [], { value_float: { float: 1.5 } }, { name: 'b' }),
    b.op('Constant', [], { value_floats: { floats: [1, 2] } }, { name: 'c' }),
  ];
  const shape = b.op('Constant', [], { value_ints: [1, 2] }, { name: 'd' });
  const axis = b.op('Constant', [], { value_int: 0 }, { name: 'e' });
  const sum = b.op('Sum', [x, ...constants]);
  graph.addOutput(b.op('Reshape', [sum, shape]));
  graph.addOutput(b.op('Gather', [x, axis]));
  const kept = b.op('Constant', [], { value_float: { float: 2 } }, { name: 'out' });
  graph.addOutput(kept);
  expect(constantsToInitializers(graph)).toEqual({ modified: true });
  expect(graph.nodes.map((n) => n.opType)).toEqual(['Sum', 'Reshape', 'Gather', 'Constant']);
  const found = [...graph.initializers].map((v) => [v.name, v.initializer?.dataType, v.initializer?.dims]);
  expect(found).toEqual([
    ['a', 'float32', [2]],
    ['b', 'float32', []],
    ['c', 'float32', [2]],
    ['d', 'int64', [2]],
    ['e', 'int64', []],
  ]);
  verifyModel(new Model(graph));
  expect(constantsToInitializers(graph)).toEqual({ modified: false });
});
