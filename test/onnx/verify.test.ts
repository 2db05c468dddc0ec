import { describe, expect, test } from 'vitest';
import { ModelError } from '../../src/base/errors.js';
import { Graph, Model, type Node, Tensor, tensorType, Value, verifyModel } from '../../src/onnx/index.js';

interface Small {
  readonly model: Model;
  readonly graph: Graph;
  readonly relu: Node;
  readonly add: Node;
  readonly weight: Value;
}

/** y = relu(x) + w */
function small(): Small {
  const graph = new Graph('small');
  const x = graph.addInput('x', tensorType('float32', [2]));
  const weight = graph.addInitializer('w', Tensor.float32([2], [1, 2]));
  const relu = graph.addNode({ opType: 'Relu', name: 'relu', inputs: [x], outputs: ['r'] });
  const add = graph.addNode({ opType: 'Add', name: 'add', inputs: [relu.output(), weight], outputs: ['y'] });
  graph.addOutput(add.output());
  const model = new Model(graph, 17, 8);
  model.source = 'small.onnx';
  return { model, graph, relu, add, weight };
}

/** A branch of an If that reads `outer`. */
function branch(graph: Graph, outer: Value): { readonly node: Node; readonly inner: Graph } {
  const inner = new Graph('branch', graph);
  const neg = inner.addNode({ opType: 'Neg', name: 'neg', inputs: [outer], outputs: ['n'] });
  inner.addOutput(neg.output());
  const node = graph.addNode({ opType: 'If', name: 'if', inputs: [outer], outputs: ['chosen'] });
  node.attributes.set('then_branch', { type: 'graph', value: inner });
  return { node, inner };
}

test('a sound model passes, with sub-graphs too', () => {
  const { model, graph, relu } = small();
  expect(() => verifyModel(model)).not.toThrow();
  branch(graph, relu.output());
  expect(() => verifyModel(model)).not.toThrow();
});

test('equal names are no fault while editing', () => {
  const { model, graph } = small();
  for (const v of graph.values()) v.name = 'same';
  expect(() => verifyModel(model)).not.toThrow();
});

/** Each fault is put into a sound model; the message names it. */
const faults: Readonly<Record<string, { readonly make: (s: Small) => void; readonly words: RegExp }>> = {
  'ir_version missing': { make: ({ model }) => (model.irVersion = 0), words: /ir_version is missing/ },
  'ir_version 2': {
    make: ({ model }) => (model.irVersion = 2),
    words: /ir_version.*expected 3 to 13; found 2/,
  },
  'ir_version 14': { make: ({ model }) => (model.irVersion = 14), words: /ir_version.*found 14/ },
  'no operator set': { make: ({ model }) => model.opsets.clear(), words: /imports no operator set/ },
  'opset 0': { make: ({ model }) => model.opsets.set('', 0), words: /expected 1 to 26; found 0/ },
  'opset 27': { make: ({ model }) => model.opsets.set('', 27), words: /expected 1 to 26; found 27/ },
  'opset 1.5': { make: ({ model }) => model.opsets.set('', 1.5), words: /found 1\.5/ },
  'opset -1 of another domain': {
    make: ({ model }) => model.opsets.set('a.b', -1),
    words: /'a\.b'.*found -1/,
  },
  'no outputs': { make: ({ graph, add }) => graph.removeOutput(add.output()), words: /no outputs/ },
  'domain not imported': {
    make: ({ graph, add }) =>
      graph.addNode({ opType: 'Fancy', domain: 'a.b', inputs: [add.output()], outputs: ['f'] }),
    words: /Fancy.*domain 'a\.b', which the model does not import/,
  },
  'empty op_type': {
    make: ({ graph, add }) =>
      graph.addNode({ opType: '', name: 'odd', inputs: [add.output()], outputs: ['f'] }),
    words: /'odd' has an empty op_type/,
  },
  'self loop': {
    make: ({ relu }) => relu.setInput(0, relu.output()),
    words: /'r' is read by Relu 'relu' before Relu 'relu' makes it/,
  },
  cycle: {
    make: ({ relu, add }) => relu.setInput(0, add.output()),
    words: /'y' is read by Relu 'relu' before Add 'add'/,
  },
  'nodes out of order': {
    make: ({ graph, relu }) => {
      const early = graph.addNode(
        { opType: 'Neg', name: 'early', inputs: [], outputs: ['e'] },
        { before: relu },
      );
      early.addInput(relu.output());
    },
    words: /'r' is read by Neg 'early' before Relu 'relu'/,
  },
  'a branch reads what comes later': {
    make: ({ graph, relu, add }) => {
      const { inner } = branch(graph, relu.output());
      const later = graph.addNode({ opType: 'Neg', name: 'later', inputs: [add.output()], outputs: ['l'] });
      inner.nodes[0].setInput(0, later.output());
    },
    words: /'l' is read by If 'if' before Neg 'later'/,
  },
  'an outer graph reads an inner value': {
    make: ({ graph, relu, add }) => add.setInput(1, branch(graph, relu.output()).inner.nodes[0].output()),
    words: /'n' is inside graph 'branch', out of reach of Add 'add'/,
  },
  'a value of no graph': {
    make: ({ add }) => add.setInput(1, new Value('lost')),
    words: /'lost' is in no graph of the model, out of reach of Add 'add'/,
  },
  'a value of another model': {
    make: ({ add }) => add.setInput(1, small().weight),
    words: /'w' is in no graph of the model/,
  },
  'an output of no graph': {
    make: ({ graph }) => graph.addOutput(new Value('ghost')),
    words: /'ghost' is in no graph.*out of reach of the graph outputs/,
  },
  'an initializer that lost its tensor': {
    make: ({ weight }) => {
      weight._initializer = undefined;
    },
    words: /'w' is an initializer, but does not know it/,
  },
  'an initializer that a node makes': {
    make: ({ weight, relu }) => {
      weight._producer = relu;
    },
    words: /'w' is an initializer and an output of Relu 'relu'/,
  },
  'a use that the value does not know': {
    make: ({ relu, add }) => relu.output()._uses.delete(add),
    words: /'r' does not know that input 0 of Add 'add' reads it/,
  },
  'a use that is not so': {
    make: ({ weight, relu }) => weight._uses.set(relu, new Set([0])),
    words: /'w' believes that input 0 of Relu 'relu' reads it/,
  },
  'a use by a removed node': {
    make: ({ graph, add, relu }) => {
      graph.removeOutput(add.output());
      graph.addOutput(relu.output());
      graph.removeNode(add);
      add.addInput(relu.output());
    },
    words: /'r' is read by Add 'add', which is in no graph/,
  },
  'a value that forgot its producer': {
    make: ({ relu }) => {
      relu.output()._producer = undefined;
    },
    words: /'r' is made by Relu 'relu', but does not know it/,
  },
  'an output that does not know it': {
    make: ({ add, graph }) => add.output()._outputOf.delete(graph),
    words: /'y' is a graph output, but does not know it/,
  },
  'an input listed twice': {
    make: ({ graph }) => graph.addInput(graph.inputs[0]),
    words: /input is listed twice/,
  },
  'a node listed twice': { make: ({ graph, add }) => graph.addNode(add), words: /Add 'add' is listed twice/ },
  'a branch of another graph': {
    make: ({ graph, relu }) => {
      const { node } = branch(graph, relu.output());
      node.attributes.set('else_branch', { type: 'graph', value: new Graph('alien') });
    },
    words: /'else_branch': graph 'alien' belongs to another graph/,
  },
  'a tensor with too few bytes': {
    make: ({ graph, weight }) => {
      const storage = { kind: 'bytes', bytes: new Uint8Array(7) } as const;
      graph.setInitializer(weight, new Tensor({ dataType: 'float32', dims: [2], storage }));
    },
    words: /initializer 'w': float32 \[2\]; expected 8 bytes; found 7/,
  },
  'a tensor with a fractional dim': {
    make: ({ graph, weight }) => {
      const storage = { kind: 'bytes', bytes: new Uint8Array(8) } as const;
      graph.setInitializer(weight, new Tensor({ dataType: 'float32', dims: [0.5, 4], storage }));
    },
    words: /initializer 'w': dims \[0\.5,4\]/,
  },
  'strings of a wrong count, in an attribute': {
    make: ({ relu }) => {
      const storage = { kind: 'strings', values: [] } as const;
      relu.setAttribute('labels', new Tensor({ dataType: 'string', dims: [2], storage }));
    },
    words: /Relu 'relu': attribute 'labels': string \[2\]; expected 2 elements; found 0 strings/,
  },
};

describe('faults are named', () => {
  test.each(Object.entries(faults))('%s', (_, { make, words }) => {
    const s = small();
    make(s);
    expect(() => verifyModel(s.model)).toThrow(ModelError);
    expect(() => verifyModel(s.model)).toThrow(words);
    expect(() => verifyModel(s.model)).toThrow(/^small\.onnx/);
  });
});

describe('depth', () => {
  test('of 50,000 nodes in a row passes', () => {
    const graph = new Graph('chain');
    let value = graph.addInput('x', tensorType('float32', [1]));
    for (let i = 0; i < 50_000; i++)
      value = graph.addNode({ opType: 'Identity', inputs: [value], outputs: [`v${i}`] }).output();
    graph.addOutput(value);
    expect(() => verifyModel(new Model(graph, 17, 8))).not.toThrow();
  });

  function nested(depth: number): Model {
    const graph = new Graph('outermost');
    const x = graph.addInput('x', tensorType('bool', []));
    let at = graph;
    for (let i = 0; i < depth; i++) {
      const node = at.addNode({ opType: 'If', inputs: [x], outputs: [`c${i}`] });
      at.addOutput(node.output());
      const inner = new Graph(`level${i + 1}`, at);
      node.attributes.set('then_branch', { type: 'graph', value: inner });
      at = inner;
    }
    const last = at.addNode({ opType: 'Identity', inputs: [x], outputs: ['deepest'] });
    at.addOutput(last.output());
    return new Model(graph, 17, 8);
  }

  test('of 25 graphs inside each other passes', () => {
    expect(() => verifyModel(nested(25))).not.toThrow();
  });

  test('of 2,500 graphs is refused by name', () => {
    expect(() => verifyModel(nested(2500))).toThrow(
      /graph 'level\d+' is nested 32 deep; expected at most 31/,
    );
  });
});
