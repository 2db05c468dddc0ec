import { describe, expect, test } from 'vitest';
import { UnsupportedError, UsageError } from '../../../src/base/errors.js';
import { Graph, GraphBuilder, Model, Node, Tensor, tensorType, type Value } from '../../../src/onnx/index.js';
import {
  evaluate,
  evaluateValues,
  int64Tensor,
  REF_OPS,
  type RefTensor,
  realTensor,
} from '../../../src/runtime/reference/index.js';

const f32 = tensorType('float32', [2]);
const numbers = (t: RefTensor | undefined): number[] =>
  Array.from<number | bigint, number>(t?.data ?? [], Number);

/** y = relu(x·w + b), z = x·w. */
function small(): { model: Model; x: Value; w: Value; product: Value; sum: Value } {
  const graph = new Graph('small');
  const b = new GraphBuilder(graph, 17);
  const x = graph.addInput('x', f32);
  const w = graph.addInitializer('w', Tensor.float32([2], [0.1, -3]));
  const product = b.op('Mul', [x, w]);
  const sum = b.op('Add', [product, b.f32([1, 1])]);
  const y = b.op('Relu', [sum]);
  y.name = 'y';
  product.name = 'z';
  graph.addOutput(y);
  graph.addOutput(product);
  return { model: new Model(graph, 17), x, w, product, sum };
}

describe('evaluate', () => {
  test('gives the outputs by name, in float64', () => {
    const { model } = small();
    const out = evaluate(model, new Map([['x', realTensor([2], [3, 1])]]));
    const w = Math.fround(0.1);
    expect([...out.keys()]).toEqual(['y', 'z']);
    expect(out.get('y')).toEqual({ dataType: 'float32', dims: [2], data: Float64Array.of(3 * w + 1, 0) });
    expect(numbers(out.get('z'))).toEqual([3 * w, -3]);
  });
  test('overrides replace initializers and inner values; fetch takes inner values', () => {
    const { model, w, product, sum } = small();
    const feeds = new Map([['x', realTensor([2], [3, 1])]]);
    const overrides = new Map([[w, realTensor([2], [2, 2], 'float32')]]);
    expect(numbers(evaluate(model, feeds, { overrides }).get('y'))).toEqual([7, 3]);
    const inner = new Map([[product, realTensor([2], [-5, 5], 'float32')]]);
    expect(numbers(evaluate(model, new Map(), { overrides: inner, fetch: [sum] }).get(sum.name))).toEqual([
      -4, 6,
    ]);
  });
  test('an input with a default may be left out', () => {
    const { model, w } = small();
    model.graph.addInput(w);
    const x = realTensor([2], [1, 1]);
    expect(numbers(evaluate(model, new Map([['x', x]])).get('z'))).toEqual([Math.fround(0.1), -3]);
    expect(
      numbers(
        evaluate(
          model,
          new Map([
            ['x', x],
            ['w', x],
          ]),
        ).get('z'),
      ),
    ).toEqual([1, 1]);
  });
  test('checks feeds by name, dims and type', () => {
    const { model } = small();
    const x = realTensor([2], [1, 2]);
    expect(() => evaluate(model, new Map())).toThrow(UsageError);
    expect(() => evaluate(model, new Map())).toThrow(/input 'x' is needed/);
    expect(() => evaluate(model, new Map([['X', x]]))).toThrow(/no input 'X'; expected one of 'x'/);
    expect(() => evaluate(model, new Map([['x', realTensor([3], [1, 2, 3])]]))).toThrow(
      /dims \[2\]; found \[3\]/,
    );
    expect(() => evaluate(model, new Map([['x', int64Tensor([2], [1, 2])]]))).toThrow(
      /expected float32; found int64/,
    );
  });
  test('names the node, the op and the ops it knows', () => {
    for (const [opType, domain] of [
      ['Foo', ''],
      ['Relu', 'my.ops'],
      ['RandomNormal', ''],
    ]) {
      const graph = new Graph('g');
      const node = graph.addNode({ opType, domain, name: 'odd', inputs: [], outputs: ['y'] });
      graph.addOutput(node.output());
      const run = () => evaluate(new Model(graph, 17), new Map());
      expect(run).toThrow(UnsupportedError);
      expect(run).toThrow(`'odd': the reference interpreter has no rule for this op`);
      expect(run).toThrow(REF_OPS.join(', '));
    }
  });
  test('refuses operator sets it does not know, and random dropout', () => {
    const { model } = small();
    model.opsets.set('', 6);
    expect(() => evaluate(model, new Map())).toThrow(/operator set 6 .* 7 to/);
    const graph = new Graph('g');
    const b = new GraphBuilder(graph, 17);
    const x = graph.addInput('x', f32);
    const on = b.constant(Tensor.bool([], [true]));
    const dropped = b.op('Dropout', [x, b.f32(0.5), on]);
    const kept = b.op('Dropout', [x, b.f32(0), on]);
    graph.addOutput(kept);
    const m = new Model(graph, 17);
    const feeds = new Map([['x', realTensor([2], [1, 2])]]);
    expect(numbers(evaluate(m, feeds).get(kept.name))).toEqual([1, 2]);
    expect(() => evaluate(m, feeds, { fetch: [dropped] })).toThrow(/no random mask; .* found ratio 0.5/);
  });
});

describe('evaluateValues', () => {
  test('computes only what is needed', () => {
    const { model, w, product } = small();
    const b = new GraphBuilder(model.graph, 17, { infer: false });
    const doubled = b.op('Add', [w, w]);
    // An op without a rule, and an input without a value, stand elsewhere in the graph.
    const odd = b.op('Foo', [product]);
    model.graph.addOutput(odd);
    expect(numbers(evaluateValues(model, [doubled, w]).get(doubled))).toEqual([2 * Math.fround(0.1), -6]);
    expect(() => evaluateValues(model, [odd])).toThrow(/input 'x' is needed/);
    expect(
      numbers(evaluateValues(model, [product], new Map([[product, realTensor([1], [9])]])).get(product)),
    ).toEqual([9]);
  });
  test('needs no order of the nodes, survives long chains, finds cycles', () => {
    const graph = new Graph('g');
    const x = graph.addInput('x', f32);
    const one = graph.addInitializer('one', Tensor.float32([1], [1]));
    const nodes: Node[] = [];
    let value = x;
    for (let i = 0; i < 20000; i++) {
      const node = new Node({ opType: 'Add', inputs: [value, one], outputs: [`v${i}`] });
      nodes.push(node);
      value = node.output();
    }
    for (const node of nodes.reverse()) graph.addNode(node);
    const scope = { graph, opset: 17 };
    const given = new Map([[x, realTensor([2], [0, 0.5], 'float32')]]);
    expect(numbers(evaluateValues(scope, [value], given).get(value))).toEqual([20000, 20000.5]);
    nodes[nodes.length - 1].setInput(0, value);
    expect(() => evaluateValues(scope, [value], given)).toThrow(/cycle through Add/);
  });
  test('does not change what it is given', () => {
    const { model, x, w } = small();
    const fed = realTensor([2], [3, 1], 'float32');
    const before = [...fed.data];
    evaluateValues(model, model.graph.outputs, new Map([[x, fed]]));
    expect([...fed.data]).toEqual(before);
    expect([...(w.initializer?.typed() ?? [])]).toEqual([Math.fround(0.1), -3]);
  });
});

describe('If', () => {
  /** A branch that reads values of the graph around it: an input, a constant, a computed value. */
  function branch(outer: Graph, name: string, opType: string, inputs: readonly Value[]): Graph {
    const graph = new Graph(name, outer);
    const inner = graph.addInitializer(`${name}_two`, Tensor.float32([], [2]));
    const first = graph.addNode({ opType, inputs, outputs: [`${name}_v`] });
    graph.addOutput(
      graph.addNode({ opType: 'Mul', inputs: [first.output(), inner], outputs: [`${name}_y`] }).output(),
    );
    return graph;
  }

  function model(): { model: Model; y: Value } {
    const graph = new Graph('g');
    const b = new GraphBuilder(graph, 17, { infer: false });
    const x = graph.addInput('x', f32);
    const c = graph.addInitializer('c', Tensor.float32([2], [10, 20]));
    const square = b.op('Mul', [x, x]);
    const condition = b.op('Greater', [b.op('ReduceSum', [x], { keepdims: 0 }), b.f32(0)]);
    const nested = new Graph('nested', graph);
    const test = nested.addInitializer('never', Tensor.bool([], [false]));
    const choice = new Node({ opType: 'If', inputs: [test], outputs: ['nested_y'] });
    choice.setAttribute('then_branch', { type: 'graph', value: branch(nested, 'no', 'Add', [x, x]) });
    choice.setAttribute('else_branch', { type: 'graph', value: branch(nested, 'yes', 'Sub', [square, c]) });
    nested.addOutput(nested.addNode(choice).output());
    const node = new Node({ opType: 'If', inputs: [condition], outputs: ['y'] });
    node.setAttribute('then_branch', { type: 'graph', value: branch(graph, 'then', 'Add', [square, c]) });
    node.setAttribute('else_branch', { type: 'graph', value: nested });
    graph.addOutput(graph.addNode(node).output());
    return { model: new Model(graph, 17), y: node.output() };
  }

  test('takes the branch of a computed condition; nested branches see outer values', () => {
    const { model: m } = model();
    expect(numbers(evaluate(m, new Map([['x', realTensor([2], [3, 1])]])).get('y'))).toEqual([38, 42]);
    expect(numbers(evaluate(m, new Map([['x', realTensor([2], [-3, 1])]])).get('y'))).toEqual([-2, -38]);
  });
});
