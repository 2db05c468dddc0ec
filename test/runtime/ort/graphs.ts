import { Graph, GraphBuilder, Model, Tensor, tensorType } from '../../../src/onnx/index.js';

/** y = relu(x·w + b), x float32 [N, 4]. */
export function linearModel(): Model {
  const graph = new Graph('linear');
  const x = graph.addInput('x', tensorType('float32', ['N', 4]));
  const w = graph.addInitializer('w', Tensor.float32([4, 2], [1, 0, 0, 1, -1, 0, 0, -1]));
  const b = graph.addInitializer('b', Tensor.float32([2], [0.5, -0.5]));
  const g = new GraphBuilder(graph, 18);
  const y = g.op('Relu', [g.op('Add', [g.op('MatMul', [x, w]), b])], {}, { outputs: ['y'] });
  y.type = tensorType('float32', ['N', 2]);
  graph.addOutput(y);
  return new Model(graph, 18);
}

/** The two inputs share the symbolic dim N. */
export function addModel(): Model {
  const graph = new Graph('add');
  const a = graph.addInput('a', tensorType('float32', ['N']));
  const b = graph.addInput('b', tensorType('float32', ['N']));
  const y = new GraphBuilder(graph, 18).op('Add', [a, b], {}, { outputs: ['y'] });
  y.type = tensorType('float32', ['N']);
  graph.addOutput(y);
  return new Model(graph, 18);
}

/**
 * A step graph with state of every awkward shape: w [4] gets w·0.9 + mean(x), count (int64 scalar) is incremented, empty
 * [0,3] stays. Also gives loss = Σ x·w and `pass`, a state handed through unchanged.
 */
export function stepModel(): Model {
  const graph = new Graph('step');
  const x = graph.addInput('x', tensorType('float32', ['N', 4]));
  const w = graph.addInput('w', tensorType('float32', [4]));
  const count = graph.addInput('count', tensorType('int64', []));
  const empty = graph.addInput('empty', tensorType('float32', [0, 3]));
  const pass = graph.addInput('pass', tensorType('uint8', [2]));
  const g = new GraphBuilder(graph, 18);
  const decay = graph.addInitializer('decay', Tensor.float32([], [0.9]));
  const one = graph.addInitializer('one', Tensor.int64([], [1]));
  const axis = graph.addInitializer('axis', Tensor.int64([1], [0]));
  const outputs = [
    g.op('ReduceSum', [g.op('Mul', [x, w])], { keepdims: 0 }, { outputs: ['loss'] }),
    g.op(
      'Add',
      [g.op('Mul', [w, decay]), g.op('ReduceMean', [x, axis], { keepdims: 0 })],
      {},
      { outputs: ["w'"] },
    ),
    g.op('Add', [count, one], {}, { outputs: ["count'"] }),
    g.op('Identity', [empty], {}, { outputs: ["empty'"] }),
    g.op('Identity', [pass], {}, { outputs: ["pass'"] }),
  ];
  const types = [tensorType('float32', []), w.type, count.type, empty.type, pass.type];
  outputs.forEach((o, i) => {
    o.type = types[i];
    graph.addOutput(o);
  });
  return new Model(graph, 18);
}

export const STEP_STATE = ['w', 'count', 'empty', 'pass'].map((input) => ({ input, output: `${input}'` }));

export function stepInitial(): Map<string, Tensor> {
  return new Map([
    ['w', Tensor.float32([4], [1, 2, 3, 4])],
    ['count', Tensor.int64([], [0])],
    ['empty', Tensor.float32([0, 3], [])],
    ['pass', Tensor.uint8([2], Uint8Array.of(7, 9))],
  ]);
}

/** A chain of matrix products that takes a few seconds on two cores. */
export function slowModel(products = 40, n = 2048): Model {
  const graph = new Graph('slow');
  const w = graph.addInitializer('w', Tensor.float32([n, n], new Float32Array(n * n).fill(1 / n)));
  const g = new GraphBuilder(graph, 18);
  let y = graph.addInput('x', tensorType('float32', [n, n]));
  for (let i = 0; i < products; i++) y = g.op('MatMul', [y, w]);
  const sum = g.op('ReduceSum', [y], { keepdims: 0 }, { outputs: ['sum'] });
  sum.type = tensorType('float32', []);
  graph.addOutput(sum);
  return new Model(graph, 18);
}
