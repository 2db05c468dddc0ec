import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { onnx } from 'onnx-proto';
import { describe, expect, test } from 'vitest';
import { cloneModel, decodeModel, encodeModel, type Graph, verifyModel } from '../../../src/onnx/index.js';
import { wireDifference, wireRecords } from '../../support/wire.js';

const fixtures = fileURLToPath(new URL('../../fixtures/onnx/', import.meta.url));

function fixture(name: string): Uint8Array {
  return readFileSync(fixtures + name);
}

const files = readdirSync(fixtures).filter((f) => f.endsWith('.onnx'));

describe('a file that is read and written', () => {
  test.each(files)('%s has the same fields', (file) => {
    const bytes = fixture(file);
    const model = decodeModel(bytes, { source: file });
    verifyModel(model);
    expect(wireDifference(encodeModel(model), bytes)).toEqual([]);
    expect(wireDifference(encodeModel(cloneModel(model)), bytes)).toEqual([]);
  });

  test.each(files)('%s is written the same a second time', (file) => {
    const once = encodeModel(decodeModel(fixture(file)));
    expect(Buffer.compare(encodeModel(decodeModel(once)), once)).toBe(0);
  });

  test.each(files.filter((f) => !['newest.onnx', 'dtypes.onnx'].includes(f)))(
    '%s is the same model to onnx-proto',
    (file) => {
      const bytes = fixture(file);
      const saved = onnx.ModelProto.decode(encodeModel(decodeModel(bytes)));
      expect(saved.toJSON()).toEqual(onnx.ModelProto.decode(bytes).toJSON());
    },
  );

  test('comes back byte for byte when it was in the order of field numbers', () => {
    const bytes = fixture('newest.onnx');
    expect(Buffer.compare(encodeModel(decodeModel(bytes)), bytes)).toBe(0);
  });

  test('a graph given in two parts is read as one, as protobuf says', () => {
    const bytes = fixture('control.onnx');
    const more = Buffer.from([0x3a, 5, 0x52, 3, 0x64, 0x6f, 0x63]);
    const model = decodeModel(Buffer.concat([bytes, more]));
    expect(model.graph.docString).toBe('doc');
    expect(model.graph.nodes.length).toBe(4);
  });

  test('keeps unknown fields of every message', () => {
    const records = wireRecords(encodeModel(decodeModel(fixture('unknown.onnx'))));
    for (let number = 500; number <= 650; number += 10) {
      const at = records.filter((r) => r.includes(`/${number}[`));
      expect(at.map((r) => r.split(' ').slice(1).join(' '))).toEqual(['varint 300', 'varint 301']);
    }
  });
});

describe('the comparison of files', () => {
  const bytes = fixture('control.onnx');

  test('sees a changed byte of a weight, a lost field and an added one', () => {
    const changed = Uint8Array.from(bytes);
    changed[Buffer.from(bytes).indexOf('clip') + 1] ^= 1;
    expect(wireDifference(changed, bytes).join()).toContain('lost');
    expect(wireDifference(Buffer.concat([bytes, Buffer.from([0xa0, 0x1f, 1])]), bytes).join()).toContain(
      'added',
    );
  });

  test('sees every record that is taken away', () => {
    const model = decodeModel(bytes);
    model.graph.metadata.set('new', 'entry');
    model.graph.nodes[0].attributes.delete('then_branch');
    const difference = wireDifference(encodeModel(model), bytes);
    expect(difference.some((d) => d.startsWith('lost'))).toBe(true);
  });
});

describe('names become identity', () => {
  function named(graph: Graph, name: string) {
    const value = graph.find(name);
    if (!value) throw new Error(`no ${name}`);
    return value;
  }

  test('sub-graphs hold the very values of the graphs around them', () => {
    const { graph } = decodeModel(fixture('control.onnx'));
    const w = named(graph, 'w');
    const [outer] = graph.nodes;
    const then = outer.subgraphs[0].name === 'outer_then' ? outer.subgraphs[0] : outer.subgraphs[1];
    const inner = then.nodes[1].subgraphs.find((g) => g.name === 'inner_then');
    expect(inner?.nodes[0].inputs[1]).toBe(w);
    expect(inner?.nodes[0].inputs[0]).toBe(named(then, 't'));
    expect(w.consumers.map((n) => n.opType).sort()).toEqual(['Add', 'Add', 'Mul']);
    expect(inner?.outer).toBe(then);
  });

  test('a name defined again in a branch is another value, and both keep the name', () => {
    const model = decodeModel(fixture('shadow.onnx'));
    const branch = model.graph.nodes[1].subgraphs.find((g) => g.name === 'if_then');
    const inner = branch?.nodes[0].output();
    expect(inner?.name).toBe('h');
    expect(inner).not.toBe(named(model.graph, 'h'));
  });

  test('an outer value that a branch hands on is that value, and counts as used', () => {
    const { graph } = decodeModel(fixture('shadow.onnx'));
    const branch = graph.nodes[1].subgraphs.find((g) => g.name === 'if_else');
    const x = named(graph, 'x');
    expect(branch?.outputs[0]).toBe(x);
    expect(x.isDead).toBe(false);
    const other = graph.nodes[0].output();
    graph.replaceUses(x, other);
    expect(branch?.outputs[0]).toBe(other);
  });

  test('left-out inputs and outputs stay where they are', () => {
    const { graph } = decodeModel(fixture('control.onnx'));
    const clip = graph.nodes[2];
    expect(clip.inputs.map((v) => v?.name)).toEqual(['last', undefined, 'high']);
    expect(graph.nodes[3].outputs.map((v) => v.name)).toEqual(['kept', '']);
  });
});

describe('the IR of a file', () => {
  test('holds descriptions where they belong', () => {
    const model = decodeModel(fixture('annotated.onnx'));
    expect(model.modelVersion).toBe(2n ** 40n + 1n);
    expect([...model.metadata]).toEqual([
      ['b', '2'],
      ['a', '1'],
      ['empty', ''],
    ]);
    expect([...model.opsets]).toEqual([
      ['', 17],
      ['com.example', 1],
      ['local', 1],
    ]);
    const [x, scale] = model.graph.inputs;
    expect(x.docString).toBe("the input's doc");
    expect(x.type).toMatchObject({ kind: 'tensor', dataType: 'float32', shape: ['batch', 2] });
    expect(scale.initializer?.dims).toEqual([3]);
    expect(scale.constant).toBeUndefined();
    expect(model.graph.nodes[2].ints('ints')).toEqual([-1, Number(2n ** 63n - 1n)]);
    const ints = model.graph.nodes[2].attributes.get('ints');
    expect(ints?.value).toEqual([-1n, 2n ** 63n - 1n]);
  });

  test('spreads out sparse initializers', () => {
    const { graph } = decodeModel(fixture('annotated.onnx'));
    expect(graph.find('sparse')?.initializer?.dims).toEqual([2, 3]);
    expect([...(graph.find('sparse')?.initializer?.typed() ?? [])]).toEqual([0, 1.5, 0, 0, 0, -2.5]);
    expect([...(graph.find('linear')?.initializer?.typed() ?? [])]).toEqual([0, 0, 0, 0, 7, 0]);
  });

  test('reads attributes that have no type, and data that is not packed', () => {
    const { graph } = decodeModel(fixture('quirks.onnx'));
    expect(graph.nodes[0].float('alpha', 0)).toBe(0.25);
    expect(graph.nodes[0].domain).toBe('');
    expect([...(graph.find('packed_dims')?.initializer?.typed() ?? [])]).toEqual([1.5, -2.5]);
    expect([...(graph.find('single_ints')?.initializer?.typed() ?? [])]).toEqual([5n, -3n]);
  });

  test('has the same elements from raw_data as from the typed field, for each element type', () => {
    const { graph } = decodeModel(fixture('dtypes.onnx'));
    let compared = 0;
    for (const value of graph.initializers) {
      if (!value.name.endsWith('_typed')) continue;
      const raw = graph.find(value.name.replace('_typed', '_raw'))?.initializer;
      expect(value.initializer?.storage.kind, value.name).toBe('field');
      expect(value.initializer?.dataType).toBe(raw?.dataType);
      expect(Buffer.from(value.initializer?.bytes() ?? []).toString('hex'), value.name).toBe(
        Buffer.from(raw?.bytes() ?? []).toString('hex'),
      );
      compared++;
    }
    expect(compared).toBe(25);
  });

  test('shares the bytes of weights with the file', () => {
    const bytes = fixture('dtypes.onnx');
    const { graph } = decodeModel(bytes);
    expect(graph.find('1_raw')?.initializer?.bytes().buffer).toBe(bytes.buffer);
  });
});
