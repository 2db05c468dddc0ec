import { describe, expect, test } from 'vitest';
import { randomFor } from '../../../src/base/random.js';
import { Tensor } from '../../../src/onnx/index.js';
import {
  fromTensor,
  type RefTensor,
  realTensor,
  toNumbers,
  toTensor,
} from '../../../src/runtime/reference/index.js';

/** Every finite value of a 16-bit float type, by its bits. */
function finite(dataType: 'float16' | 'bfloat16'): { bits: number; value: number }[] {
  const all = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const values = toNumbers(fromTensor(Tensor.raw(dataType, [65536], new Uint8Array(all.buffer))));
  return Array.from(values, (value, bits) => ({ bits, value })).filter(({ value }) => Number.isFinite(value));
}

function encode(dataType: 'float16' | 'bfloat16', values: readonly number[]): Uint16Array {
  const bytes = toTensor(realTensor([values.length], values), dataType).bytes();
  return new Uint16Array(bytes.buffer, bytes.byteOffset, values.length);
}

describe('16-bit floats', () => {
  for (const dataType of ['float16', 'bfloat16'] as const) {
    test(`${dataType}: every value comes back as its own bits`, () => {
      const all = finite(dataType);
      expect(all.length).toBe(dataType === 'float16' ? 2 * 31 * 1024 : 2 * 255 * 128);
      const back = encode(
        dataType,
        all.map((v) => v.value),
      );
      expect(all.findIndex(({ bits }, i) => back[i] !== bits)).toBe(-1);
    });
    test(`${dataType}: between two values the nearer one, in the middle the even one`, () => {
      const positive = finite(dataType).filter(({ bits }) => bits < 0x8000);
      const random = randomFor('half', dataType);
      const [values, expected]: [number[], number[]] = [[], []];
      for (let i = 0; i + 1 < positive.length; i++) {
        const [low, high] = [positive[i], positive[i + 1]];
        const middle = low.value + (high.value - low.value) / 2;
        const at = low.value + (high.value - low.value) * random.next();
        const nudge = middle * 2 ** -50;
        values.push(middle, middle - nudge, middle + nudge, -middle, at);
        const even = low.bits % 2 === 0 ? low.bits : high.bits;
        expected.push(even, low.bits, high.bits, even | 0x8000, at < middle ? low.bits : high.bits);
      }
      const bits = encode(dataType, values);
      const wrong = expected.findIndex((e, i) => bits[i] !== e);
      expect(wrong < 0 ? undefined : [values[wrong], bits[wrong], expected[wrong]]).toBeUndefined();
    });
    test(`${dataType}: overflow, infinities, NaN, signed zeros`, () => {
      const last =
        finite(dataType)
          .filter(({ bits }) => bits < 0x8000)
          .at(-1)?.value ?? 0;
      const infinity = dataType === 'float16' ? 0x7c00 : 0x7f80;
      const top = infinity - 1;
      const step = last - (finite(dataType).find(({ bits }) => bits === top - 1)?.value ?? 0);
      const bits = encode(dataType, [
        last + step / 2,
        last + step * 0.49,
        -1e300,
        Number.NEGATIVE_INFINITY,
        Number.NaN,
        0,
        -0,
        -1e-300,
      ]);
      expect([...bits.slice(0, 4)]).toEqual([infinity, top, infinity | 0x8000, infinity | 0x8000]);
      expect(bits[4] & 0x7fff).toBeGreaterThan(infinity);
      expect([...bits.slice(5)]).toEqual([0, 0x8000, 0x8000]);
    });
  }
});

describe('fromTensor and toTensor', () => {
  test('every type comes back as it was', () => {
    const tensors = [
      Tensor.float32([2, 2], [1, -2.5, 1e-40, 3e38]),
      Tensor.float64([2], [1 / 3, -0]),
      Tensor.int64([2], BigInt64Array.of(-(2n ** 63n), 2n ** 63n - 1n)),
      Tensor.raw('uint64', [1], new Uint8Array(BigUint64Array.of(2n ** 64n - 1n).buffer)),
      Tensor.int32([2], [-(2 ** 31), 2 ** 31 - 1]),
      Tensor.raw('uint32', [1], new Uint8Array(Uint32Array.of(2 ** 32 - 1).buffer)),
      Tensor.raw('int16', [2], new Uint8Array(Int16Array.of(-32768, 32767).buffer)),
      Tensor.raw('uint16', [1], new Uint8Array(Uint16Array.of(65535).buffer)),
      Tensor.raw('int8', [2], new Uint8Array(Int8Array.of(-128, 127).buffer)),
      Tensor.uint8([2], Uint8Array.of(0, 255)),
      Tensor.bool([3], [true, false, true]),
      Tensor.float32([0, 3], []),
      Tensor.float32([], [7]),
    ];
    for (const t of tensors) {
      const back = toTensor(fromTensor(t));
      expect(back.dataType).toBe(t.dataType);
      expect(back.dims).toEqual(t.dims);
      expect([...back.bytes()], t.dataType).toEqual([...t.bytes()]);
    }
  });
  test('converts: float64 to float32 rounds once, integers wrap', () => {
    const x: RefTensor = realTensor([2], [1 + 2 ** -24, 1 + 3 * 2 ** -24]);
    expect([...toTensor(x, 'float32').typed()]).toEqual([1, 1 + 2 ** -22]);
    expect([...toTensor(realTensor([3], [-1.9, 300, 1e10]), 'int64').typed()]).toEqual([
      -1n,
      300n,
      10000000000n,
    ]);
    expect([...toTensor(realTensor([1], [300]), 'uint8').typed()]).toEqual([44]);
  });
  test('refuses what it cannot hold', () => {
    const strings = new Tensor({
      dataType: 'string',
      dims: [1],
      storage: { kind: 'strings', values: [new Uint8Array()] },
    });
    expect(() => fromTensor(strings)).toThrow(/type string in the reference interpreter/);
    expect(() => fromTensor(Tensor.raw('float8e4m3fn', [1], Uint8Array.of(1)))).toThrow(/float8e4m3fn/);
    expect(() => realTensor([2, 2], [1, 2, 3])).toThrow(/needs 4 elements, not 3/);
  });
  test('decoding does not share memory with the model', () => {
    const t = Tensor.float64([2], [1, 2]);
    const x = fromTensor(t);
    expect(x.data.buffer).not.toBe(t.bytes().buffer);
  });
});
