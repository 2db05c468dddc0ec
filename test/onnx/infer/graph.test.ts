import { describe, expect, test } from 'vitest';
import {
  Graph,
  GraphBuilder,
  inferShapes,
  inferTypes,
  Model,
  Tensor,
  tensorType,
  type Value,
} from '../../../src/onnx/index.js';
import type { Dim } from '../../../src/onnx/ir/types.js';

/** A graph with one float input 'x'; `build` emits without types and gives the outputs. */
function model(
  shape: readonly Dim[],
  build: (b: GraphBuilder, x: Value) => readonly Value[],
  opset = 20,
): Model {
  const graph = new Graph('g');
  const x = graph.addInput('x', tensorType('float32', shape));
  const b = new GraphBuilder(graph, opset, { infer: false });
  for (const y of build(b, x)) graph.addOutput(y);
  return new Model(graph, opset);
}

function outputs(m: Model): unknown[] {
  return m.graph.outputs.map((o) => (o.type?.kind === 'tensor' ? o.type.shape : o.type));
}

/** `x.view(x.size(0), -1)` as the TorchScript exporter writes it. */
function view(b: GraphBuilder, x: Value): Value {
  const size = b.op('Gather', [b.op('Shape', [x]), b.i64(0)], { axis: 0 });
  const list = b.op('Concat', [b.op('Unsqueeze', [size, b.i64([0])]), b.i64([-1])], { axis: 0 });
  return b.op('Reshape', [x, list]);
}

/** Channel shuffle with every number taken from Shape: [n, g, c / g, h, w], transposed, and back. */
function shuffle(b: GraphBuilder, x: Value, groups: number): Value {
  const shape = b.op('Shape', [x]);
  const dim = (i: number): Value => b.op('Slice', [shape, b.i64([i]), b.i64([i + 1]), b.i64([0])]);
  const per = b.op(
    'Cast',
    [b.op('Floor', [b.op('Div', [b.op('Cast', [dim(1)], { to: 1 }), b.f32([groups])])])],
    {
      to: 7,
    },
  );
  const split = b.op('Concat', [dim(0), b.i64([groups]), per, dim(2), dim(3)], { axis: 0 });
  const turned = b.op('Transpose', [b.op('Reshape', [x, split])], { perm: [0, 2, 1, 3, 4] });
  const back = b.op('Concat', [dim(0), b.op('Mul', [b.i64([groups]), per]), dim(2), dim(3)], { axis: 0 });
  return b.op('Reshape', [turned, back]);
}

describe('small tensors are followed', () => {
  test('Shape, Gather, Unsqueeze, Concat, Reshape with a symbolic batch', () => {
    const m = model(['N', 8, 3, 3], (b, x) => [view(b, x)]);
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([['N', 72]]);
  });

  test('slices, casts and float arithmetic', () => {
    const m = model(['N', 12, 'H', 5], (b, x) => [shuffle(b, x, 3)]);
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([['N', 12, 'H', 5]]);
  });

  test('Expand through Where and Equal, as torch writes it', () => {
    const m = model(['N', 4], (b, x) => {
      const wanted = b.i64([-1, 7, -1]);
      const ones = b.op('ConstantOfShape', [b.op('Shape', [wanted])], { value: Tensor.int64([1], [1]) });
      const open = b.op('Equal', [wanted, b.op('Mul', [ones, b.i64(-1)])]);
      const y = b.op('Unsqueeze', [x, b.i64([1])]);
      return [b.op('Expand', [y, b.op('Where', [open, ones, wanted])])];
    });
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([['N', 7, 4]]);
  });

  test('Range, Split, ReduceProd, Size, Transpose and Identity', () => {
    const m = model([2, 3, 4], (b, x) => {
      const shape = b.op('Identity', [b.op('Shape', [x])]);
      const [head, tail] = b.ops('Split', [shape, b.i64([1, 2])], { axis: 0 }, { outputs: 2 });
      const flat = b.op('Concat', [head, b.op('ReduceProd', [tail], { keepdims: 1 })], { axis: 0 });
      const count = b.op('Size', [x]);
      return [
        b.op('Reshape', [x, flat]),
        b.op('Range', [b.i64(0), count, b.i64(5)]),
        b.op('Reshape', [
          x,
          b.op('Transpose', [b.op('Slice', [shape, b.i64([2]), b.i64([-9]), b.i64([0]), b.i64([-1])])]),
        ]),
      ];
    });
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([[2, 12], [5], [4, 3, 2]]);
  });

  test('an element that is not known leaves its neighbours known', () => {
    const m = model([2, 6], (b, x) => {
      const unknown = b.op('Cast', [b.op('ReduceSum', [x], { keepdims: 0 })], { to: 7 });
      const list = b.op('Concat', [b.op('Unsqueeze', [unknown, b.i64([0])]), b.i64([3])], { axis: 0 });
      return [b.op('Reshape', [x, list])];
    });
    inferShapes(m);
    expect(outputs(m)).toEqual([[null, 3]]);
  });

  test('the runtime sees what was computed', () => {
    const m = model(['N', 8, 3, 3], (b, x) => [view(b, x)]);
    const { known } = inferTypes(m, { inputShapes: new Map([['x', [5, 8, 3, 3]]]) });
    const target = m.graph.nodes[m.graph.nodes.length - 1].input(1);
    expect(known.get(target)).toEqual({ dataType: 'int64', dims: [2], data: [5, -1] });
  });
});

test('what is followed stays small, whatever a file asks for', () => {
  const m = model([2], (b, x) => {
    const many = b.i64(Array.from({ length: 1000 }, (_, i) => i));
    const rows = b.op('Reshape', [many, b.i64([1, 1000])]);
    let y = b.op('Gather', [rows, b.i64(new Array<number>(1000).fill(0))], { axis: 0 });
    y = b.op('Gather', [y, b.i64(new Array<number>(1000).fill(0))], { axis: 0 });
    const huge = b.op('Expand', [b.i64([1]), b.i64([2 ** 40])]);
    const long = b.op('Range', [b.i64(0), b.i64(2 ** 40), b.i64(1)]);
    return [x, y, huge, long];
  });
  const { known } = inferTypes(m, { strict: true });
  for (const elements of known.values()) expect(elements.data.length).toBeLessThanOrEqual(1024);
  inferShapes(m);
  expect(outputs(m)).toEqual([[2], [1000, 1000], [2 ** 40], [2 ** 40]]);
});

describe('declared types', () => {
  const conv = (shape: readonly Dim[], declared: readonly Dim[]): Model => {
    const m = model(shape, (b, x) => [b.op('Relu', [x])]);
    m.graph.outputs[0].type = tensorType('float32', declared);
    return m;
  };

  test('a type that says as much stays the same object', () => {
    const m = conv(['N', 3], ['N', 3]);
    const { type } = m.graph.outputs[0];
    inferShapes(m, { strict: true });
    expect(m.graph.outputs[0].type).toBe(type);
  });

  test('a graph output keeps the names of its open dims, and gains numbers', () => {
    const m = conv(['N', 3, null], ['batch', null, 'w']);
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([['batch', 3, 'w']]);
  });

  test('a number that only the file knows is taken', () => {
    const m = model([2, 6], (b, x) => {
      const hidden = b.op('NonZero', [x]);
      hidden.type = tensorType('int64', [2, 5]);
      return [b.op('Transpose', [hidden])];
    });
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([[5, 2]]);
  });

  test('a lie is refused when strict, and corrected otherwise', () => {
    expect(() => inferShapes(conv([1, 5], [77]), { strict: true })).toThrow(
      /Relu 'Relu': the declared shape of 'Relu'; expected \[1, 5\]; found \[77\]/,
    );
    const m = conv([1, 5], [77]);
    inferShapes(m);
    expect(outputs(m)).toEqual([[1, 5]]);
    const typed = conv([1, 5], [1, 5]);
    typed.graph.outputs[0].type = tensorType('int64', [1, 5]);
    expect(() => inferShapes(typed, { strict: true })).toThrow(
      /declared type.*expected float32; found int64/,
    );
  });

  test('an unknown operator keeps what the file says', () => {
    const m = model([2, 6], (b, x) => {
      const y = b.op('Thing', [x], {}, { domain: 'com.microsoft' });
      y.type = tensorType('float32', ['N', 7]);
      return [b.op('Relu', [y])];
    });
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([['N', 7]]);
  });
});

describe('other input shapes', () => {
  test('replace the declared ones all the way', () => {
    const m = model([1, 8, 3, 3], (b, x) => {
      const y = b.op('Relu', [x]);
      y.type = tensorType('float32', [1, 8, 3, 3]);
      return [view(b, y)];
    });
    m.graph.outputs[0].type = tensorType('float32', [1, 72]);
    inferShapes(m, { inputShapes: new Map([['x', [16, 8, 4, 4]]]), strict: true });
    expect(outputs(m)).toEqual([[16, 128]]);
    expect(m.graph.inputs[0].type).toEqual(tensorType('float32', [16, 8, 4, 4]));
  });

  test('make stale declared shapes unknown where no rule helps', () => {
    const m = model([1, 8], (b, x) => {
      const y = b.op('Thing', [x], {}, { domain: 'com.microsoft' });
      y.type = tensorType('float32', [1, 8]);
      return [b.op('Relu', [y])];
    });
    inferShapes(m, { inputShapes: new Map([['x', [16, 8]]]) });
    expect(m.graph.outputs[0].type).toEqual(tensorType('float32'));
  });

  test('name an input that is not there', () => {
    expect(() =>
      inferShapes(
        model([1], (_, x) => [x]),
        { inputShapes: new Map([['y', [1]]]) },
      ),
    ).toThrow(/no input 'y'; expected x/);
  });
});

describe('sub-graphs', () => {
  function branch(outer: Graph, name: string, emit: (b: GraphBuilder) => Value): Graph {
    const g = new Graph(name, outer);
    g.addOutput(emit(new GraphBuilder(g, 20, { infer: false })));
    return g;
  }

  function withIf(condition: (b: GraphBuilder, x: Value) => Value): Model {
    return model([1, 4, 1], (b, x) => [
      b.op('If', [condition(b, x)], {
        then_branch: {
          type: 'graph',
          value: branch(b.graph, 'then', (t) => t.op('Squeeze', [x, t.i64([2])])),
        },
        else_branch: {
          type: 'graph',
          value: branch(b.graph, 'else', (e) => e.op('Squeeze', [x, e.i64([1])])),
        },
      }),
    ]);
  }

  test('If with a condition that shapes decide takes that branch, and the other may be nonsense', () => {
    const m = withIf((b, x) => {
      const d = b.op('Gather', [b.op('Shape', [x]), b.i64(2)]);
      return b.op('Equal', [d, b.i64(1)]);
    });
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([[1, 4]]);
  });

  test('If with an open condition gives what both branches agree on', () => {
    const m = withIf((b) => b.graph.addInput('c', tensorType('bool', [])));
    inferShapes(m, { strict: true });
    expect(m.graph.outputs[0].type).toBeUndefined();
    const same = model([2, 4], (b, x) => [
      b.op('If', [b.graph.addInput('c', tensorType('bool', []))], {
        then_branch: { type: 'graph', value: branch(b.graph, 'then', (t) => t.op('Relu', [x])) },
        else_branch: {
          type: 'graph',
          value: branch(b.graph, 'else', (e) => e.op('Concat', [x, x], { axis: 0 })),
        },
      }),
    ]);
    inferShapes(same, { strict: true });
    expect(outputs(same)).toEqual([[null, 4]]);
  });

  test('Loop: scanned outputs gain an axis, carried ones keep only what the body declares', () => {
    const m = model([2, 4], (b, x) => {
      const body = new Graph('body', b.graph);
      body.addInput('i', tensorType('int64', []));
      const go = body.addInput('go', tensorType('bool', []));
      const v = body.addInput('v');
      const inner = new GraphBuilder(body, 20, { infer: false });
      body.addOutput(inner.op('Identity', [go]));
      body.addOutput(inner.op('Relu', [v]));
      body.addOutput(inner.op('Relu', [x]));
      return b.ops(
        'Loop',
        [b.i64(3), undefined, x],
        { body: { type: 'graph', value: body } },
        { outputs: 2 },
      );
    });
    inferShapes(m, { strict: true });
    expect(m.graph.outputs[0].type).toEqual(tensorType('float32'));
    expect(m.graph.outputs[1].type).toEqual(tensorType('float32', [null, 2, 4]));
  });

  test('deep nesting ends', () => {
    const m = model([2], (b, x) => {
      const nest = (outer: Graph, depth: number): Graph =>
        branch(outer, `d${depth}`, (inner) =>
          depth === 0
            ? inner.op('Relu', [x])
            : inner.op('If', [inner.constant(Tensor.bool([], [true]))], {
                then_branch: { type: 'graph', value: nest(inner.graph, depth - 1) },
                else_branch: { type: 'graph', value: branch(inner.graph, 'e', (e) => e.op('Neg', [x])) },
              }),
        );
      return [
        b.op('If', [b.constant(Tensor.bool([], [true]))], {
          then_branch: { type: 'graph', value: nest(b.graph, 30) },
          else_branch: { type: 'graph', value: branch(b.graph, 'e', (e) => e.op('Neg', [x])) },
        }),
      ];
    });
    inferShapes(m, { strict: true });
    expect(outputs(m)).toEqual([[2]]);
  });
});

test('a shape constant that is also listed as an input, as in old files, counts', () => {
  const m = model([2, 6], (b, x) => {
    const target = b.graph.addInput('target', tensorType('int64', [2]));
    b.graph.addInitializer(target, Tensor.int64([2], [3, -1]));
    return [b.op('Reshape', [x, target])];
  });
  inferShapes(m, { strict: true });
  expect(outputs(m)).toEqual([[3, 4]]);
});

test('inferTypes leaves the model alone', () => {
  const m = model(['N', 8, 3, 3], (b, x) => [view(b, x)]);
  const before = [...m.graph.values()].map((v) => v.type);
  inferTypes(m, { inputShapes: new Map([['x', [5, 8, 3, 3]]]) });
  expect([...m.graph.values()].map((v) => v.type)).toEqual(before);
});
