import { createHash } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { UsageError } from '../../src/base/errors.js';
import { openDataset } from '../../src/data/open.js';
import { FIGURES, unitVector } from '../../src/data/shapes/geometry.js';
import { parseShapes } from '../../src/data/shapes/shapes.js';

describe('the generated set', () => {
  test('has equally many pictures of ten classes, of the asked size and number', async () => {
    const set = await openDataset('shapes:size=40,train=60,eval=30', { role: 'train' });
    expect([set.length, set.classes, set.classNames?.length, set.storage]).toEqual([60, 10, 10, 'memory']);
    const counts = new Array(10).fill(0);
    for (let i = 0; i < set.length; i++) counts[set.label(i)]++;
    expect(counts).toEqual(new Array(10).fill(6));
    const image = await set.image(59);
    expect([image.width, image.height, image.channels, image.pixels.length]).toEqual([40, 40, 3, 4800]);
    expect((await openDataset('shapes:eval=30', { role: 'eval' })).length).toBe(30);
  });

  test('is the same bytes everywhere', async () => {
    const hash = createHash('sha256');
    for (const role of ['train', 'eval'] as const) {
      const set = await openDataset('shapes:train=200,eval=100', { role });
      for (let i = 0; i < set.length; i++) hash.update((await set.image(i)).pixels);
    }
    expect(hash.digest('hex')).toBe('083f4fa33eedc025bf544b830cecc1840cb9b3457e8aae16f7db417aeea5a0bf');
  });

  test('parts and seeds differ in every picture; a larger part begins with the smaller', async () => {
    const some = await openDataset('shapes:train=50', { role: 'train' });
    const more = await openDataset('shapes:train=80', { role: 'train' });
    const keys = await some.keys();
    expect(keys).toEqual((await more.keys()).slice(0, 50));
    const others = [
      ...(await (await openDataset('shapes:eval=50', { role: 'eval' })).keys()),
      ...(await (await openDataset('shapes:train=50,seed=1', { role: 'train' })).keys()),
    ];
    expect(new Set([...keys, ...others]).size).toBe(150);
  });

  test('wrong settings are named', () => {
    expect(() => parseShapes('sise=32')).toThrow(/no setting 'sise'.*did you mean size/s);
    for (const bad of ['size=8', 'size=x', 'train=0', 'train=1e3', 'seed', 'seed=1=2', 'eval=-5'])
      expect(() => parseShapes(bad)).toThrow(UsageError);
  });

  test('a set beyond memory is refused before it is made', async () => {
    await expect(openDataset('shapes:size=512,train=1000000', { role: 'train' })).rejects.toThrow(
      /need .* MiB/,
    );
  });
});

describe('geometry', () => {
  test('unit vectors agree with the math library', () => {
    for (let i = -40; i <= 40; i++) {
      const turns = i / 13;
      const [c, s] = unitVector(turns);
      expect(Math.abs(c - Math.cos(turns * 2 * Math.PI))).toBeLessThan(1e-14);
      expect(Math.abs(s - Math.sin(turns * 2 * Math.PI))).toBeLessThan(1e-14);
    }
  });

  test('figures are distances: inside somewhere, outside beyond reach, and no steeper than 1', () => {
    for (const { name, distance } of FIGURES) {
      let inside = 0;
      for (let y = -1.6; y <= 1.6; y += 0.08)
        for (let x = -1.6; x <= 1.6; x += 0.08) {
          const d = distance(x, y);
          if (d < 0) inside++;
          if (x * x + y * y > 1.06 ** 2) expect(d, `${name} at ${x}, ${y}`).toBeGreaterThan(0);
          expect(Math.abs(distance(x + 0.01, y) - d), `${name} at ${x}, ${y}`).toBeLessThan(0.0101);
          expect(Math.abs(distance(x, y + 0.01) - d), `${name} at ${x}, ${y}`).toBeLessThan(0.0101);
        }
      expect(inside, name).toBeGreaterThan(80);
    }
  });
});
