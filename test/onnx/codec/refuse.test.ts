import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, describe, expect, test } from 'vitest';
import { InputError, ModelError } from '../../../src/base/errors.js';
import { decodeModel, encodeModel, loadModel, verifyModel } from '../../../src/onnx/index.js';

const fixtures = fileURLToPath(new URL('../../fixtures/onnx/', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'reparam-refuse-'));
afterAll(() => rmSync(folder, { recursive: true }));

const control = readFileSync(`${fixtures}control.onnx`);

/** A protobuf field of number below 16. */
function field(number: number, wire: 0 | 2 | 5, payload: Uint8Array | number): Buffer {
  if (typeof payload === 'number') return Buffer.from([(number << 3) | wire, ...varint(payload)]);
  const length = wire === 2 ? varint(payload.byteLength) : [];
  return Buffer.concat([Buffer.from([(number << 3) | wire, ...length]), payload]);
}

function varint(value: number): number[] {
  const out: number[] = [];
  let v = value;
  for (; v > 127; v = Math.floor(v / 128)) out.push((v % 128) | 128);
  out.push(v);
  return out;
}

/** IR 8, opset 17, a graph of these bytes. */
function modelWith(graph: Uint8Array): Buffer {
  const opset = field(8, 2, field(2, 0, 17));
  return Buffer.concat([field(1, 0, 8), field(7, 2, graph), opset]);
}

function initializer(...parts: Buffer[]): Buffer {
  return modelWith(field(5, 2, Buffer.concat([field(8, 2, Buffer.from('w')), ...parts])));
}

describe('what is no model', () => {
  const cases: readonly [string, Uint8Array, RegExp][] = [
    ['nothing', Buffer.alloc(0), /is empty/],
    ['gzip', gzipSync(control), /gzip/],
    ['zip', Buffer.from('PK\x03\x04 and so on', 'latin1'), /zip archive/],
    ['a web page', Buffer.from('\n<!DOCTYPE html><html><body>404</body></html>'), /HTML/],
    ['JSON', Buffer.from('  {"irVersion": "8"}'), /JSON/],
    [
      'an LFS pointer',
      Buffer.from('version https://git-lfs.github.com/spec/v1\noid sha256:0\n'),
      /git lfs pull/,
    ],
    ['a PNG', Buffer.from('\x89PNG\r\n', 'latin1'), /PNG/],
    [
      'an old PyTorch checkpoint',
      Buffer.from('\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20', 'latin1'),
      /PyTorch checkpoint/,
    ],
    ['an HDF5 file', Buffer.from('\x89HDF\r\n', 'latin1'), /HDF5/],
    ['a TensorFlow Lite model', Buffer.from('\x1c\0\0\0TFL3', 'latin1'), /TensorFlow Lite/],
    ['a safetensors file', Buffer.from('\x10\0\0\0\0\0\0\0{"a":{}}', 'latin1'), /safetensors/],
    ['zeros', Buffer.alloc(64), /field number 0/],
  ];
  test.each(cases)('%s', (_, bytes, words) => {
    const run = (): unknown => decodeModel(bytes, { source: 'a.onnx' });
    expect(run).toThrow(ModelError);
    expect(run).toThrow(words);
    expect(run).toThrow(/^a\.onnx/);
  });

  test('every shorter form of a model', () => {
    for (let n = 0; n < control.byteLength; n++) {
      const cut = control.subarray(0, n);
      expect(() => verifyModel(decodeModel(cut)), `${n} bytes`).toThrow(ModelError);
    }
  });

  test('damaged files give a model or an error of ours, and no damaged one is written differently', () => {
    fc.assert(
      fc.property(fc.nat(control.byteLength - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const bytes = Uint8Array.from(control);
        bytes[at] ^= flip;
        try {
          const model = decodeModel(bytes);
          verifyModel(model);
          const once = encodeModel(model);
          expect(Buffer.compare(encodeModel(decodeModel(once)), once)).toBe(0);
        } catch (error) {
          if (!(error instanceof InputError)) throw error;
        }
      }),
      { numRuns: 1500, seed: 11 },
    );
  });
});

describe('nesting', () => {
  function nested(depth: number): Buffer {
    let graph: Buffer = Buffer.alloc(0);
    for (let i = 0; i < depth; i++) {
      const attribute = Buffer.concat([
        field(1, 2, Buffer.from('g')),
        field(6, 2, graph),
        Buffer.from([0xa0, 1, 5]),
      ]);
      graph = field(1, 2, Buffer.concat([field(4, 2, Buffer.from('If')), field(5, 2, attribute)]));
    }
    return modelWith(graph);
  }

  test('of 25 graphs is read', () => {
    expect(() => decodeModel(nested(25))).not.toThrow();
  });

  test.each([100, 2500, 5000])('of %i graphs is refused, not run into', (depth) => {
    expect(() => decodeModel(nested(depth))).toThrow(/nested/);
  });

  test('of groups is refused too', () => {
    expect(() => decodeModel(Buffer.alloc(100_000, 0xfb & 0xff))).toThrow(ModelError);
    const groups = Buffer.concat(Array.from({ length: 5000 }, () => Buffer.from([0xe3, 0x3f])));
    expect(() => decodeModel(groups)).toThrow(/nested/);
  });
});

test('a file of nothing but tiny parts is refused before they become objects', () => {
  const nodes = Buffer.alloc(1_200_000);
  for (let i = 0; i < nodes.byteLength; i += 2) nodes[i] = 0x0a;
  expect(() => decodeModel(modelWith(nodes))).toThrow(/too many nodes.* in graph\.node/);
});

describe('declared sizes', () => {
  const float = field(2, 0, 1);

  test('are compared with the data before anything is made', () => {
    const dims = [2 ** 40, 2 ** 40].map((d) => field(1, 0, d));
    expect(() => decodeModel(initializer(...dims, float, field(9, 2, Buffer.alloc(4))))).toThrow(
      /than can exist/,
    );
    const huge = initializer(field(1, 0, 2 ** 50), float, field(9, 2, Buffer.alloc(4)));
    expect(() => decodeModel(huge)).toThrow(/too short/);
    expect(() => decodeModel(initializer(field(1, 0, 2 ** 50), float))).toThrow(/no data/);
  });

  test('hold for typed fields', () => {
    const two = field(1, 0, 2);
    const ints = (...values: number[]): Buffer => field(7, 2, Buffer.from(values.flatMap((v) => varint(v))));
    const int64 = field(2, 0, 7);
    expect(
      decodeModel(initializer(two, int64, ints(1, 300)))
        .graph.find('w')
        ?.initializer?.typed(),
    ).toEqual(BigInt64Array.of(1n, 300n));
    expect(() => decodeModel(initializer(two, int64, ints(1)))).toThrow(
      /too short; expected 2 elements of int64_data/,
    );
    expect(() => decodeModel(initializer(two, int64, ints(1, 2, 3)))).toThrow(/too long/);
    expect(() => decodeModel(initializer(two, int64, field(7, 2, Buffer.from([1, 0x80]))))).toThrow(
      /cut inside/,
    );
    expect(() => decodeModel(initializer(two, float, ints(1, 2)))).toThrow(/found int64_data/);
    const mixed = initializer(two, int64, ints(1), field(7, 0, 5));
    expect(() => decodeModel(mixed)).toThrow(/mixes packed and single/);
  });

  test('of strings are counted', () => {
    const strings = initializer(field(1, 0, 2), field(2, 0, 8), field(6, 2, Buffer.from('one')));
    expect(() => decodeModel(strings)).toThrow(/expected 2 strings; found 1/);
  });

  test('of sparse tensors: indices outside the dims', () => {
    const value = Buffer.concat([
      field(8, 2, Buffer.from('w')),
      field(1, 0, 1),
      float,
      field(9, 2, Buffer.alloc(4)),
    ]);
    const index = (i: number): Buffer =>
      Buffer.concat([field(1, 0, 1), field(2, 0, 7), field(7, 2, Buffer.from(varint(i)))]);
    const sparse = (i: number, ...dims: number[]): Buffer => {
      const parts = [field(1, 2, value), field(2, 2, index(i)), ...dims.map((d) => field(3, 0, d))];
      return modelWith(field(15, 2, Buffer.concat(parts)));
    };
    expect(() =>
      decodeModel(sparse(4, 2, 2))
        .graph.find('w')
        ?.initializer?.bytes(),
    ).toThrow(/sparse index 4/);
    expect(
      decodeModel(sparse(3, 2, 2))
        .graph.find('w')
        ?.initializer?.bytes().byteLength,
    ).toBe(16);
    const vast = decodeModel(sparse(3, 2 ** 40, 2)).graph.find('w')?.initializer;
    expect(() => vast?.bytes()).toThrow(/too large/);
  });
});

describe('external data', () => {
  function external(entries: Readonly<Record<string, string>>): Buffer {
    const pairs = Object.entries(entries).map(([k, v]) =>
      field(13, 2, Buffer.concat([field(1, 2, Buffer.from(k)), field(2, 2, Buffer.from(v))])),
    );
    return initializer(field(1, 0, 2), field(2, 0, 1), ...pairs, field(14, 0, 1));
  }

  const inside = join(folder, 'models');
  mkdirSync(join(inside, 'sub'), { recursive: true });
  writeFileSync(join(inside, 'data.bin'), Buffer.alloc(16));
  writeFileSync(join(inside, 'sub', 'data.bin'), Buffer.alloc(8));
  writeFileSync(join(folder, 'secret.bin'), Buffer.alloc(16));
  symlinkSync(join(folder, 'secret.bin'), join(inside, 'link.bin'));
  symlinkSync(folder, join(inside, 'up'));
  symlinkSync(join(inside, 'data.bin'), join(inside, 'near.bin'));

  const read = (entries: Readonly<Record<string, string>>): Uint8Array | undefined =>
    decodeModel(external(entries), { source: 'm.onnx', folder: inside })
      .graph.find('w')
      ?.initializer?.bytes();

  test.each(['data.bin', './data.bin', 'sub/data.bin', 'near.bin'])('at %s is read', (location) => {
    expect(read({ location })?.byteLength).toBe(8);
    expect(read({ location, offset: '0', length: '8' })?.byteLength).toBe(8);
  });

  const refused: readonly [Readonly<Record<string, string>>, RegExp][] = [
    [{}, /no location/],
    [{ location: '' }, /is empty/],
    [{ location: '../secret.bin' }, /leaves the model's folder/],
    [{ location: 'sub/../../secret.bin' }, /leaves the model's folder/],
    [{ location: '..' }, /leaves the model's folder/],
    [{ location: '/etc/hostname' }, /absolute/],
    [{ location: 'C:/x.bin' }, /drive/],
    [{ location: 'c:x.bin' }, /drive/],
    [{ location: '..\\secret.bin' }, /backslash/],
    [{ location: '\\\\host\\share' }, /backslash/],
    [{ location: 'https://example.invalid/x' }, /URL/],
    [{ location: 'file:///etc/hostname' }, /URL/],
    [{ location: 'data.bin\0.txt' }, /zero byte/],
    [{ location: 'link.bin' }, /link that leaves/],
    [{ location: 'up/secret.bin' }, /link that leaves/],
    [{ location: '.' }, /not a regular file/],
    [{ location: 'sub' }, /not a regular file/],
    [{ location: 'absent.bin' }, /no such file/],
    [{ location: 'data.bin', offset: '12' }, /too short; expected 8 bytes at offset 12/],
    [{ location: 'data.bin', offset: '9007199254740993' }, /offset.*whole number/],
    [{ location: 'data.bin', offset: '1e1' }, /offset.*whole number/],
    [{ location: 'data.bin', offset: '-1' }, /offset.*whole number/],
    [{ location: 'data.bin', length: '16' }, /too long/],
  ];
  test.each(refused)('%o is refused', (entries, words) => {
    expect(() => read(entries)).toThrow(InputError);
    expect(() => read(entries)).toThrow(words);
    expect(() => read(entries)).toThrow(/m\.onnx: initializer 'w'/);
  });

  test('needs a folder', () => {
    expect(() => decodeModel(external({ location: 'data.bin' }))).toThrow(/without a folder/);
  });
});

describe('loadModel', () => {
  test('names a missing file and a folder', async () => {
    await expect(loadModel(join(folder, 'none.onnx'))).rejects.toThrow(/none\.onnx: no such file/);
    await expect(loadModel(folder)).rejects.toThrow(/it is a folder/);
    await expect(loadModel(folder)).rejects.toThrow(InputError);
  });

  test('names the file in every refusal', async () => {
    const path = join(folder, 'cut.onnx');
    writeFileSync(path, control.subarray(0, 500));
    await expect(loadModel(path)).rejects.toThrow(`${path}: not a readable ONNX model`);
  });
});
