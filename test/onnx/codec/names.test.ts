import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import {
  cloneNode,
  decodeModel,
  encodeModel,
  Graph,
  Model,
  Tensor,
  tensorType,
  type Value,
  verifyModel,
} from '../../../src/onnx/index.js';
import { wireRecords } from '../../support/wire.js';

const fixtures = fileURLToPath(new URL('../../fixtures/onnx/', import.meta.url));

function read(name: string): Model {
  return decodeModel(readFileSync(fixtures + name));
}

/** What a reader of the saved file sees. */
function saved(model: Model): Model {
  const back = decodeModel(encodeModel(model));
  verifyModel(back);
  return back;
}

function chain(...names: string[]): Model {
  const graph = new Graph('g');
  let value: Value = graph.addInput('x', tensorType('float32', [1]));
  for (const name of names)
    value = graph.addNode({ opType: 'Neg', inputs: [value], outputs: [name] }).output();
  graph.addOutput(value);
  return new Model(graph, 17, 8);
}

describe('values of one name', () => {
  test('made by editing get unique ones, and edges stay', () => {
    const { graph } = saved(chain('a', 'a', 'a', 'y'));
    expect(graph.nodes.map((n) => n.output().name)).toEqual(['a', 'a_1', 'a_2', 'y']);
    expect(graph.nodes[3].input(0)).toBe(graph.nodes[2].output());
  });

  test('an output keeps the name, an inner value gives it up', () => {
    const { graph } = saved(chain('y', 'y'));
    expect(graph.outputs[0].name).toBe('y');
    expect(graph.nodes.map((n) => n.output().name)).toEqual(['y_1', 'y']);
  });

  test('an input keeps the name before an output', () => {
    const { graph } = saved(chain('x'));
    expect(graph.inputs[0].name).toBe('x');
    expect(graph.outputs[0].name).toBe('x_1');
  });

  test('a value of the file keeps the name, a new one gives it up', () => {
    const model = read('control.onnx');
    const { graph } = model;
    const [first] = graph.nodes;
    const x = graph.inputs[0];
    const added = graph.addNode({ opType: 'Neg', inputs: [x], outputs: ['chosen'] }, { before: first });
    graph.addNode({ opType: 'Neg', inputs: [added.output()], outputs: ['w'] }, { after: added });
    const back = saved(model).graph;
    expect(back.nodes.slice(0, 3).map((n) => n.output().name)).toEqual(['chosen_1', 'w_1', 'chosen']);
  });

  test('copies of nodes of the file are renamed, not the first', () => {
    const model = read('control.onnx');
    const { graph } = model;
    const clip = graph.nodes[2];
    graph.addNode(cloneNode(clip, new Map(), graph));
    const back = saved(model).graph;
    expect(back.nodes.filter((n) => n.opType === 'Clip').map((n) => n.output().name)).toEqual([
      'clipped',
      'clipped_1',
    ]);
    expect(back.nodes[3].input(0).name).toBe('clipped');
  });

  test('unnamed ones that are read get a name', () => {
    const model = chain('', 'y');
    const { graph } = saved(model);
    expect(graph.nodes[0].output().name).toBe('Neg');
  });

  test('a renamed value takes its new name into the file', () => {
    const model = read('annotated.onnx');
    const scale = model.graph.find('scale');
    if (scale) scale.name = 'gain';
    const back = saved(model).graph;
    expect(back.find('gain')?.initializer?.dims).toEqual([3]);
    expect(back.find('scale')).toBeUndefined();
    expect(back.nodes[2].inputs[2]?.name).toBe('gain');
  });
});

describe('names of graphs inside graphs', () => {
  test('an inner value that would hide an outer one that is read there gives up the name', () => {
    const model = read('shadow.onnx');
    const outer = model.graph.find('h');
    const then = model.graph.nodes[1].subgraphs.find((g) => g.name === 'if_then');
    if (!outer || !then) throw new Error('the fixture changed');
    const inner = then.nodes[0];
    // The branch now reads the outer h beside its own.
    const both = then.addNode({ opType: 'Add', inputs: [outer, inner.output()], outputs: ['both'] });
    then.setOutput(0, both.output());
    const back = saved(model).graph;
    const branch = back.nodes[1].subgraphs.find((g) => g.name === 'if_then');
    expect(branch?.nodes[1].inputs[0]).toBe(back.find('h'));
    expect(branch?.nodes[1].inputs[1]).toBe(branch?.nodes[0].output());
    expect(branch?.nodes[0].output().name).not.toBe('h');
  });

  test('a new inner value never takes a name that an outer graph has', () => {
    const model = read('control.onnx');
    const then = model.graph.nodes[0].subgraphs.find((g) => g.name === 'outer_then');
    if (!then) throw new Error('the fixture changed');
    then.addNode({ opType: 'Neg', inputs: [then.nodes[0].output()], outputs: ['w'] });
    const back = saved(model).graph;
    const w = back.find('w');
    expect(back.nodes[0].subgraphs.flatMap((g) => g.nodes.filter((n) => n.inputs.includes(w))).length).toBe(
      1,
    );
  });
});

describe('types of values', () => {
  test('new values with a type are listed, after those of the file', () => {
    const model = read('control.onnx');
    const { graph } = model;
    const last = graph.nodes[3].output();
    const neg = graph.addNode({ opType: 'Neg', inputs: [last], outputs: ['negated'] });
    neg.output().type = tensorType('float32', [2]);
    const back = saved(model).graph;
    expect(back.find('negated')?.type).toMatchObject({ dataType: 'float32', shape: [2] });
  });

  test('a changed type is written, the rest of the description kept', () => {
    const model = read('annotated.onnx');
    const [x] = model.graph.inputs;
    x.type = tensorType('float32', [8, null]);
    const back = saved(model).graph.inputs[0];
    expect(back.type).toMatchObject({ shape: [8, null] });
    expect(back.docString).toBe("the input's doc");
  });

  test('a spread copy of a type of the file with another shape is not taken for the old one', () => {
    const model = read('annotated.onnx');
    const [x] = model.graph.inputs;
    if (x.type?.kind === 'tensor') x.type = { ...x.type, shape: [5, 2] };
    expect(saved(model).graph.inputs[0].type).toMatchObject({ shape: [5, 2] });
  });
});

describe('changed parts of a file', () => {
  test('an attribute that is set again is written anew, others as they were', () => {
    const model = read('annotated.onnx');
    const fancy = model.graph.nodes[2];
    fancy.setAttribute('ints', [1, 2]);
    const old = fancy.attributes.get('floats');
    if (old?.type === 'floats') fancy.attributes.set('floats', { ...old, value: [3] });
    const back = saved(model).graph.nodes[2];
    expect(back.ints('ints')).toEqual([1, 2]);
    expect(back.floats('floats')).toEqual([3]);
    expect([...back.attributes.keys()]).toEqual([...fancy.attributes.keys()]);
  });

  test('a replaced sparse initializer becomes a dense one', () => {
    const model = read('annotated.onnx');
    const sparse = model.graph.find('sparse');
    if (sparse) model.graph.setInitializer(sparse, Tensor.float32([2, 3], [1, 2, 3, 4, 5, 6]));
    const back = saved(model).graph.find('sparse')?.initializer;
    expect(back?.storage.kind).toBe('bytes');
    expect(back?.typed()).toEqual(Float32Array.of(1, 2, 3, 4, 5, 6));
  });

  test('metadata and operator sets: changed, removed and added entries', () => {
    const model = read('annotated.onnx');
    model.metadata.set('a', 'changed');
    model.metadata.delete('b');
    model.metadata.set('new', 'entry');
    model.opsets.set('', 18);
    model.opsets.set('later', 1);
    const back = saved(model);
    expect([...back.metadata]).toEqual([
      ['a', 'changed'],
      ['empty', ''],
      ['new', 'entry'],
    ]);
    expect([...back.opsets]).toEqual([
      ['', 18],
      ['com.example', 1],
      ['local', 1],
      ['later', 1],
    ]);
  });

  test('a quantization annotation follows its tensor, and goes with it', () => {
    const model = read('annotated.onnx');
    const annotations = (): string[] =>
      wireRecords(encodeModel(model)).filter((r) => r.startsWith('/7[0]/14[0]/1[0]'));
    expect(annotations()).toEqual(['/7[0]/14[0]/1[0] bytes scale']);
    const scale = model.graph.find('scale');
    if (!scale) throw new Error('the fixture changed');
    scale.name = 'gain';
    expect(annotations()).toEqual(['/7[0]/14[0]/1[0] bytes gain']);
    for (const { node, index } of scale.uses) node.setInput(index, undefined);
    model.graph.removeInput(scale);
    model.graph.removeInitializer(scale);
    expect(annotations()).toEqual([]);
  });
});
