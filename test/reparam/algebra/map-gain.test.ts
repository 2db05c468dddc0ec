import { describe, expect, test } from 'vitest';
import { randomFor } from '../../../src/base/random.js';
import { gram } from '../../../src/reparam/algebra/gram.js';
import { mapGain } from '../../../src/reparam/algebra/map-gain.js';
import { refConvShape, refConvTransform } from '../../../src/reparam/algebra/refconv.js';

const cases: readonly { name: string; dims: readonly number[]; groups: number; map: readonly number[] }[] = [
  { name: 'depthwise', dims: [6, 1, 3, 3], groups: 6, map: [3, 3] },
  { name: 'dense', dims: [4, 3, 3, 3], groups: 1, map: [3, 3] },
  { name: 'grouped, non-square', dims: [4, 2, 3, 5], groups: 2, map: [3, 5] },
  { name: 'one axis', dims: [4, 1, 5], groups: 4, map: [3] },
];

describe('the gain of a map', () => {
  for (const c of cases)
    test(`${c.name}: no step moves the kernel farther, and one moves it as far`, () => {
      const shape = refConvShape(c.dims, c.groups, c.map);
      const random = randomFor('gain', c.name);
      const area = shape.kernel.reduce((a, b) => a * b, 1);
      const base = Float64Array.from({ length: shape.n * area }, () => random.normal());
      const gain = mapGain(base, shape);
      // Movement of W_t by a map step D·Uᵀ, by the definition: the transform is linear in the map.
      const taps = shape.mapKernel.reduce((a, b) => a * b, 1);
      const move = (d: Float64Array): Float64Array => {
        const map = new Float64Array(shape.n * shape.channels * taps);
        for (let i = 0; i < map.length; i++) {
          const one = new Float64Array(map.length);
          one[i] = 1;
          const row = refConvTransform(base, one, shape);
          for (let k = 0; k < row.length; k++) map[i] += (row[k] - base[k]) * d[k];
        }
        return refConvTransform(base, map, shape).map((v, k) => v - base[k]);
      };
      let d: Float64Array = Float64Array.from({ length: base.length }, () => random.normal());
      let ratio = 0;
      for (let n = 0; n < 80; n++) {
        const moved = move(d);
        ratio = Math.hypot(...moved) / Math.hypot(...d);
        expect(ratio).toBeLessThanOrEqual(gain * (1 + 1e-6));
        d = moved.map((v) => v / Math.hypot(...moved));
      }
      // Power iteration over all kernels at once converges more slowly than over one group's K.
      expect(ratio).toBeGreaterThan(gain * 0.99);
    });

  test('K is symmetric and grows with the square of the kernels', () => {
    const shape = refConvShape([3, 1, 3, 3], 3, [3, 3]);
    const base = Float64Array.from({ length: 27 }, (_, i) => Math.sin(i));
    const k = gram(base, shape);
    for (let i = 0; i < 9; i++) for (let j = 0; j < 9; j++) expect(k[i * 9 + j]).toBe(k[j * 9 + i]);
    expect(
      mapGain(
        base.map((v) => 10 * v),
        shape,
      ),
    ).toBeCloseTo(100 * mapGain(base, shape), 6);
  });
});
