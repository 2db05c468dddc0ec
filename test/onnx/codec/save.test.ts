import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { InferenceSession, Tensor as OrtTensor } from 'onnxruntime-node';
import { afterAll, beforeEach, describe, expect, test } from 'vitest';
import { ModelError } from '../../../src/base/errors.js';
import { planExternal } from '../../../src/onnx/codec/save.js';
import {
  decodeModel,
  encodeModel,
  Graph,
  loadModel,
  Model,
  saveModel,
  Tensor,
  tensorType,
  verifyModel,
} from '../../../src/onnx/index.js';
import { wireRecords } from '../../support/wire.js';

const fixtures = fileURLToPath(new URL('../../fixtures/onnx/', import.meta.url));
const root = mkdtempSync(join(tmpdir(), 'reparam-save-'));
afterAll(() => rmSync(root, { recursive: true }));
let folder = root;
let count = 0;
beforeEach(() => {
  folder = join(root, `${count++}`);
  mkdirSync(folder);
});

/** y = x + big + small, `size` float32 values each way. */
function sum(size: number): Model {
  const graph = new Graph('sum');
  const x = graph.addInput('x', tensorType('float32', [size]));
  const big = graph.addInitializer(
    'big',
    Tensor.float32(
      [size],
      Float32Array.from({ length: size }, (_, i) => i),
    ),
  );
  const small = graph.addInitializer('small', Tensor.float32([1], [0.5]));
  const a = graph.addNode({ opType: 'Add', inputs: [x, big], outputs: ['a'] }).output();
  const y = graph.addNode({ opType: 'Add', inputs: [a, small], outputs: ['y'] }).output();
  y.type = tensorType('float32', [size]);
  graph.addOutput(y);
  return new Model(graph, 17, 8);
}

/** Runs a file with the runtime, which reads it by itself. */
async function run(path: string, size: number): Promise<ArrayLike<unknown>> {
  const session = await InferenceSession.create(path, { logSeverityLevel: 3 });
  const result = await session.run({ x: new OrtTensor('float32', new Float32Array(size), [size]) });
  await session.release();
  return result.y.data;
}

function expected(size: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => i + 0.5);
}

describe('external data', () => {
  test.each([
    ['auto', false],
    ['never', false],
    ['keep', false],
    ['always', true],
  ] as const)(
    '%s of a small model: outside is %s; the runtime computes the same',
    async (externalData, outside) => {
      const path = join(folder, 'm.onnx');
      await saveModel(sum(1000), path, { externalData });
      expect(existsSync(`${path}.data`)).toBe(outside);
      expect(await run(path, 1000)).toEqual(expected(1000));
      const model = await loadModel(path);
      expect(model.graph.find('big')?.initializer?.storage.kind).toBe(outside ? 'external' : 'bytes');
      expect(model.graph.find('small')?.initializer?.storage.kind).toBe('bytes');
      expect(model.graph.find('big')?.initializer?.typed()).toEqual(
        sum(1000).graph.find('big')?.initializer?.typed(),
      );
    },
  );

  test('the threshold decides what goes outside', async () => {
    const path = join(folder, 'm.onnx');
    await saveModel(sum(1000), path, { externalData: 'always', externalThreshold: 4001 });
    expect(readdirSync(folder)).toEqual(['m.onnx']);
    await saveModel(sum(1000), path, { externalData: 'always', externalThreshold: 0 });
    const model = await loadModel(path);
    expect(model.graph.find('small')?.initializer?.storage.kind).toBe('external');
    expect(await run(path, 1000)).toEqual(expected(1000));
  });

  test('large tensors begin at a page', async () => {
    const path = join(folder, 'm.onnx');
    const model = sum(20_000);
    model.graph.addInitializer('more', Tensor.float32([20_000], new Float32Array(20_000).fill(3)));
    await saveModel(model, path, { externalData: 'always' });
    const offsets = wireRecords(readFileSync(path)).filter(
      (r) => /bytes (\d+)$/.test(r) && r.includes('/13[1]'),
    );
    expect(offsets.map((r) => Number(r.split(' ').at(-1)) % 4096)).toEqual([0, 0]);
    const more = (await loadModel(path)).graph.find('more')?.initializer?.typed();
    expect(more).toEqual(new Float32Array(20_000).fill(3));
  });

  test('a tensor that two values share is written once', async () => {
    const path = join(folder, 'm.onnx');
    const model = sum(1000);
    const tensor = model.graph.find('big')?.initializer;
    if (tensor) model.graph.addInitializer('twin', tensor);
    await saveModel(model, path, { externalData: 'always' });
    expect(statSync(`${path}.data`).size).toBe(4000);
    expect((await loadModel(path)).graph.find('twin')?.initializer?.typed()[7]).toBe(7);
  });

  test.each(['keep', 'auto', 'always', 'never'] as const)(
    'a model read with external data and saved elsewhere (%s) needs nothing of the first place',
    async (externalData) => {
      const first = await loadModel(`${fixtures}external/model.onnx`);
      const path = join(folder, 'other.onnx');
      await saveModel(first, path, { externalData, externalThreshold: 64 });
      const second = await loadModel(path);
      expect(second.graph.find('w')?.initializer?.typed()).toEqual(
        first.graph.find('w')?.initializer?.typed(),
      );
      expect(second.graph.nodes[1].tensor('value')?.typed()).toEqual(BigInt64Array.of(0n, 1n, 2n, 3n, 4n));
      expect(second.graph.find('inside')?.initializer?.storage.kind).toBe('bytes');
      const text = readFileSync(path).toString('latin1');
      expect(text).not.toContain('weights/data.bin');
      expect(text.includes('other.onnx.data')).toBe(externalData === 'keep' || externalData === 'always');
      const kinds = [second.graph.find('w')?.initializer, second.graph.nodes[1].tensor('value')];
      if (externalData === 'keep')
        expect(kinds.map((t) => t?.storage.kind)).toEqual(['external', 'external']);
    },
  );

  test('keep keeps what else the entries say', async () => {
    const path = join(folder, 'other.onnx');
    await saveModel(await loadModel(`${fixtures}external/model.onnx`), path, { externalData: 'keep' });
    const storage = (await loadModel(path)).graph.find('w')?.initializer?.storage;
    expect(storage?.kind === 'external' && storage.entries.get('checksum')).toBe('00');
  });

  test('a model saved over itself keeps its data, also what was not read before', async () => {
    const path = join(folder, 'm.onnx');
    const model = sum(1000);
    model.graph.addInitializer('before', Tensor.float32([500], new Float32Array(500).fill(9)));
    await saveModel(model, path, { externalData: 'always' });
    const first = await loadModel(path);
    const other = await loadModel(path);
    first.graph.removeInitializer([...first.graph.initializers][2]);
    first.graph.addInitializer('new', Tensor.float32([700], new Float32Array(700).fill(4)));
    await saveModel(first, path, { externalData: 'always' });
    expect(other.graph.find('before')?.initializer?.typed()).toEqual(new Float32Array(500).fill(9));
    const again = await loadModel(path);
    expect(again.graph.find('before')).toBeUndefined();
    expect(again.graph.find('new')?.initializer?.typed()).toEqual(new Float32Array(700).fill(4));
    expect(await run(path, 1000)).toEqual(expected(1000));
  });

  test('a data file that became shorter is an error when it is read, not zeros', async () => {
    const path = join(folder, 'm.onnx');
    await saveModel(sum(1000), path, { externalData: 'always' });
    const model = await loadModel(path);
    const { truncateSync } = await import('node:fs');
    truncateSync(`${path}.data`, 100);
    expect(() => model.graph.find('big')?.initializer?.bytes()).toThrow(/became shorter/);
  });
});

describe('size', () => {
  function large(): Model {
    const graph = new Graph('large');
    // Pages of zeros that the system does not give before they are touched; two views make more than 2 GiB.
    const zeros = new Uint8Array(1.5 * 2 ** 30);
    const a = graph.addInitializer('a', Tensor.raw('uint8', [zeros.byteLength], zeros));
    const b = graph.addInitializer('b', Tensor.raw('uint8', [zeros.byteLength - 1], zeros.subarray(1)));
    graph.addInitializer('tiny', Tensor.float32([1], [1]));
    graph.addOutput(a);
    graph.addOutput(b);
    return new Model(graph, 17, 8);
  }

  test('2 GiB and more do not fit one message: refused before anything is written', async () => {
    const path = join(folder, 'm.onnx');
    await expect(saveModel(large(), path, { externalData: 'never' })).rejects.toThrow(/less than 2 GiB/);
    expect(readdirSync(folder)).toEqual([]);
    expect(() => encodeModel(large())).toThrow(ModelError);
  });

  test.each(['auto', 'keep', 'always'] as const)(
    '%s moves them outside, the small ones not',
    (externalData) => {
      const model = large();
      const places = planExternal(model, 'm.data', { externalData });
      expect([...places].map(([t, p]) => [t, p.offset, p.length])).toEqual([
        [model.graph.find('a')?.initializer, 0, 1.5 * 2 ** 30],
        [model.graph.find('b')?.initializer, 1.5 * 2 ** 30, 1.5 * 2 ** 30 - 1],
      ]);
    },
  );

  test('just below the limit all stays inside, at the limit it does not', () => {
    const model = sum(1000);
    expect(planExternal(model, 'm.data', {}, 4005).size).toBe(0);
    expect(planExternal(model, 'm.data', {}, 4004).size).toBe(1);
  });
});

describe('writing', () => {
  test('does not copy large weights, and gives the same bytes in one piece', async () => {
    const path = join(folder, 'm.onnx');
    const model = sum(200_000);
    await saveModel(model, path);
    expect(Buffer.compare(readFileSync(path), encodeModel(model))).toBe(0);
    verifyModel(decodeModel(readFileSync(path)));
  });

  test('before IR 4 a new initializer is listed as an input too, as that format wants', async () => {
    const path = join(folder, 'm.onnx');
    const model = sum(10);
    model.irVersion = 3;
    await saveModel(model, path);
    const back = await loadModel(path);
    expect(back.graph.inputs.map((v) => v.name)).toEqual(['x', 'big', 'small']);
    expect(back.graph.requiredInputs.map((v) => v.name)).toEqual(['x']);
    expect(await run(path, 10)).toEqual(expected(10));
  });

  test('leaves no other file behind, and nothing at all when it fails', async () => {
    const path = join(folder, 'm.onnx');
    await saveModel(sum(10), path);
    await saveModel(sum(20), path);
    expect(readdirSync(folder)).toEqual(['m.onnx']);
    const broken = sum(10);
    const stranger = sum(10).graph.nodes[0].output();
    broken.graph.nodes[1].setInput(0, stranger);
    const before = readFileSync(path);
    await expect(saveModel(broken, path)).rejects.toThrow(/no graph of the model holds/);
    expect(Buffer.compare(readFileSync(path), before)).toBe(0);
    await expect(saveModel(sum(10), join(folder, 'none', 'm.onnx'))).rejects.toThrow(
      /no such file or folder/,
    );
    expect(readdirSync(folder)).toEqual(['m.onnx']);
  });

  test('lengths of every size come out right around large fields', () => {
    const hex = (t: Tensor | undefined): string =>
      createHash('sha1')
        .update(t?.bytes() ?? '')
        .digest('hex');
    for (const size of [16_384, 16_385, 20_000, 500_000, 540_000]) {
      const model = sum(size);
      const [node] = model.graph.nodes;
      const note = Tensor.float32([size], new Float32Array(size).fill(2));
      node.setAttribute('note', note);
      node.setAttribute('text', 'x'.repeat(100));
      const back = decodeModel(encodeModel(model));
      expect(hex(back.graph.nodes[0].tensor('note'))).toBe(hex(note));
      expect(back.graph.nodes[0].string('text', '')).toHaveLength(100);
      expect(hex(back.graph.find('big')?.initializer)).toBe(hex(model.graph.find('big')?.initializer));
    }
  });
});
