import { describe, expect, test } from 'vitest';
import {
  type AttributeInit,
  checkNode,
  checkOperators,
  checkTypes,
  Graph,
  Model,
  NEWEST_OPSET,
  schemaHistory,
  schemaOf,
} from '../../../src/onnx/index.js';
import { singleNode, type TypedDims } from '../../support/op-case.js';

const f = (...dims: number[]): TypedDims => ['float32', dims];

function check(
  op: string,
  inputs: readonly (TypedDims | null)[],
  attributes: Readonly<Record<string, AttributeInit>> = {},
  opset = 20,
  outputs: readonly string[] = ['y'],
): void {
  const node = singleNode(op, inputs, attributes, outputs);
  checkNode(node, opset);
  checkTypes(node, opset, (v) => v.type);
}

type Call = readonly [
  op: string,
  inputs: readonly (TypedDims | null)[],
  attributes?: Readonly<Record<string, AttributeInit>>,
  opset?: number,
];

describe('the table of signatures', () => {
  test('knows the versions of an operator', () => {
    expect(schemaHistory('Conv')?.map((s) => s.since)).toEqual([1, 11, 22]);
    expect(schemaOf('Conv', 17)?.since).toBe(11);
    expect(schemaOf('Gelu', 19)).toBeUndefined();
    expect(schemaOf('Upsample', 11)?.deprecated).toBe(true);
    expect(schemaHistory('constructor')).toBeUndefined();
    expect(schemaHistory('__proto__')).toBeUndefined();
    expect(NEWEST_OPSET).toBeGreaterThanOrEqual(26);
  });

  test('reads parameters, attributes and types', () => {
    const conv = schemaOf('Conv', 11);
    expect(conv?.inputs.map((p) => [p.name, p.kind])).toEqual([
      ['X', 'single'],
      ['W', 'single'],
      ['B', 'optional'],
    ]);
    expect(conv?.attributes.get('strides')).toEqual({ type: 'ints', required: false });
    expect(conv?.constraints.get('T')).toEqual(new Set(['float16', 'float32', 'float64']));
    expect(schemaOf('Concat', 13)?.inputs[0]).toMatchObject({ kind: 'variadic', least: 1, uniform: true });
    expect(schemaOf('If', 13)?.outputs[0]).toMatchObject({ kind: 'variadic', uniform: false });
    expect(schemaOf('Concat', 13)?.attributes.get('axis')).toEqual({ type: 'int', required: true });
  });
});

describe('legal calls', () => {
  const rows: readonly Call[] = [
    ['Clip', [f(2), null, ['float32', []]]],
    ['Clip', [f(2), null, null]],
    ['Where', [['bool', [1]], f(2), f(2)]],
    ['Concat', [f(2), f(2), f(3)], { axis: 0 }],
    ['Cast', [f(2)], { to: 7 }],
    ['Pow', [f(2), ['int64', [2]]]],
    ['Upsample', [f(1, 1, 2, 2), f(4)], {}, 9],
    ['BatchNormalization', [f(1, 2), f(2), f(2), f(2), f(2)], { spatial: 1 }, 7],
  ];
  for (const [op, inputs, attributes, opset] of rows)
    test(`${op} of ${JSON.stringify(inputs)}`, () => {
      expect(() => check(op, inputs, attributes, opset)).not.toThrow();
    });
});

describe('wrong calls name node, fault, expected and found', () => {
  const rows: readonly (readonly [RegExp, ...Call])[] = [
    [/unsupported operator: ai\.onnx has no Frobnicate/, 'Frobnicate', [f(1)]],
    [/Gelu is new in opset 20.*found opset 17/, 'Gelu', [f(1)], {}, 17],
    [/Upsample was removed in opset 10/, 'Upsample', [f(1), f(1)], {}, 13],
    [/too many inputs; expected at most 1; found 2/, 'Relu', [f(1), f(1)]],
    [/missing input 0 \(X\)/, 'Relu', [null]],
    [/missing input 1 \(W\)/, 'Conv', [f(1, 1, 1)]],
    [/too few inputs; expected at least 1; found 0/, 'Concat', [], { axis: 0 }],
    [/unknown attribute sparkle; expected no attributes; found sparkle/, 'Relu', [f(1)], { sparkle: 1 }],
    [/unknown attribute axes/, 'ReduceMean', [f(1)], { axes: [0] }, 18],
    [
      /attribute strides; expected type ints; found type string/,
      'Conv',
      [f(1, 1, 1), f(1, 1, 1)],
      { strides: 'x' },
    ],
    [/attribute alpha; expected type float; found type int/, 'Elu', [f(1)], { alpha: 1 }],
    [/missing attribute axis/, 'Concat', [f(1)]],
    [
      /input 1 \(W\) has element type float64; expected float32, as input X/,
      'Conv',
      [f(1, 1, 1), ['float64', [1, 1, 1]]],
    ],
    [/input 0 \(X\) has element type int32; expected float16/, 'Conv', [['int32', [1, 1, 1]], f(1, 1, 1)]],
    [/input 0 \(condition\) has element type float32; expected bool/, 'Where', [f(1), f(1), f(1)]],
    [
      /input 1 \(inputs\) has element type int64; expected float32/,
      'Concat',
      [f(1), ['int64', [1]]],
      { axis: 0 },
    ],
    [/element type bfloat16/, 'Relu', [['bfloat16', [1]]], {}, 12],
  ];
  for (const [why, op, inputs, attributes, opset] of rows)
    test(`${op} of ${JSON.stringify(inputs)}: ${why}`, () => {
      expect(() => check(op, inputs, attributes, opset)).toThrow(why);
      expect(() => check(op, inputs, attributes, opset)).toThrow(`${op} 'n'`);
    });

  test('too many outputs', () => {
    expect(() => check('Relu', [f(1)], {}, 20, ['y', 'z'])).toThrow(
      /too many outputs; expected at most 1; found 2/,
    );
  });
});

describe('models', () => {
  function model(domain: string, opset = 20, imported = true): Model {
    const graph = new Graph('g');
    const x = graph.addInput('x', { kind: 'tensor', dataType: 'float32', shape: [1] });
    const node = graph.addNode({ opType: 'Relu', domain, name: 'n', inputs: [x], outputs: ['y'] });
    graph.addOutput(node.output(0));
    const m = new Model(graph, opset);
    if (imported && domain !== '') m.opsets.set(domain, 1);
    return m;
  }

  test('the domains of the runtime pass, others are unsupported', () => {
    expect(() => checkOperators(model('com.microsoft'))).not.toThrow();
    expect(() => checkOperators(model('ai.onnx'))).not.toThrow();
    expect(() => checkOperators(model('com.example'))).toThrow(/com\.example\.Relu 'n' is unsupported/);
    expect(() => checkOperators(model('com.microsoft', 20, false))).toThrow(
      /domain com\.microsoft; expected an import/,
    );
  });

  test('opsets before 7 and after the newest are unsupported', () => {
    expect(() => checkOperators(model('', 6))).toThrow(/opset 6 of ai\.onnx; expected 7 to \d+; found 6/);
    expect(() => checkOperators(model('', 99))).toThrow(/opset 99/);
    const m = model('');
    m.opsets.delete('');
    expect(() => checkOperators(m)).toThrow(
      /the ai\.onnx operator set; expected an import by the model; found none/,
    );
  });

  test('nodes of sub-graphs are checked', () => {
    const m = model('');
    const { graph } = m;
    const inner = new Graph('inner', graph);
    const bad = inner.addNode({ opType: 'Nope', name: 'deep', inputs: [graph.inputs[0]], outputs: ['z'] });
    inner.addOutput(bad.output(0));
    const cond = graph.addInput('c', { kind: 'tensor', dataType: 'bool', shape: [] });
    graph.addNode({
      opType: 'If',
      inputs: [cond],
      outputs: ['w'],
      attributes: {
        then_branch: { type: 'graph', value: inner },
        else_branch: { type: 'graph', value: inner },
      },
    });
    expect(() => checkOperators(m)).toThrow(/Nope 'deep': unsupported operator/);
  });
});
