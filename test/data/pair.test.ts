import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { MemoryDataset } from '../../src/data/dataset.js';
import { openTrainEval, splitDataset } from '../../src/data/pair.js';
import { goldenTest, sharedFile } from '../support/goldens.js';

let root = '';
/** Classes cat (10 images), dog (5), fox (1), all different. */
let animals = '';

async function images(dir: string, names: readonly string[], shade: number): Promise<void> {
  await mkdir(dir, { recursive: true });
  for (const [i, name] of names.entries()) {
    const background = { r: i * 9, g: shade, b: 40 };
    const file = join(dir, name);
    await sharp({ create: { width: 6, height: 6, channels: 3, background } })
      .png()
      .toFile(file);
  }
}

const numbered = (count: number): string[] => Array.from({ length: count }, (_, i) => `${i}.png`);

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reparam-pair-'));
  animals = join(root, 'animals');
  await images(join(animals, 'cat'), numbered(10), 10);
  await images(join(animals, 'dog'), numbered(5), 60);
  await images(join(animals, 'fox'), numbered(1), 110);
});
afterAll(() => rm(root, { recursive: true }));

describe('one set for both', () => {
  test('is split within each class, the same way for the same seed', async () => {
    const first = await openTrainEval({ data: `imagefolder:${animals}` });
    expect(first.how).toMatch(/split.*80 %.*20 %.*seed 0/);
    expect([first.train.length, first.eval.length, first.shared, first.coincide]).toEqual([13, 3, 0, false]);
    const classes = Array.from({ length: 3 }, (_, i) => first.eval.label(i));
    expect(classes).toEqual([0, 0, 1]);
    const again = await openTrainEval({ data: `imagefolder:${animals}`, seed: 0 });
    expect(await again.eval.fingerprint()).toBe(await first.eval.fingerprint());
    const names = new Set<string>();
    for (let seed = 0; seed < 12; seed++) {
      const { eval: e } = await openTrainEval({ data: `imagefolder:${animals}`, seed });
      names.add(`${e.sampleName(0)}+${e.sampleName(1)}`);
    }
    expect(names.size).toBeGreaterThan(4);
  });

  test('the parts are the whole, and each keeps names, labels and pixels', async () => {
    const { train, eval: evaluation } = await openTrainEval({ data: `imagefolder:${animals}` });
    const all = [train, evaluation].flatMap((set) =>
      Array.from({ length: set.length }, (_, i) => ({ name: set.sampleName(i), label: set.label(i) })),
    );
    expect(new Set(all.map((s) => s.name)).size).toBe(16);
    for (const { name, label } of all) expect(name).toContain(['/cat/', '/dog/', '/fox/'][label]);
    expect(evaluation.classNames).toEqual(['cat', 'dog', 'fox']);
    expect((await evaluation.image(2)).pixels[1]).toBe(60);
  });

  test('cannot be split where every class has one image', () => {
    const set = new MemoryDataset(
      { name: 'tiny', spec: 'tiny', classes: 3 },
      { width: 1, height: 1, channels: 1, pixels: new Uint8Array(3), labels: Int32Array.of(0, 1, 2) },
    );
    expect(() => splitDataset(set, 0)).toThrow(/tiny cannot be split.*--eval/s);
  });

  test('shapes generates two', async () => {
    const both = await openTrainEval({ data: 'shapes:train=40,eval=20' });
    expect([both.train.length, both.eval.length, both.coincide, both.shared]).toEqual([40, 20, false, 0]);
    expect(both.how).toMatch(/40 training and 20 other/);
  });

  test('a train/val pair of folders', async () => {
    const dir = join(root, 'pair');
    await cp(animals, join(dir, 'train'), { recursive: true });
    await images(join(dir, 'val', 'dog'), ['new.png'], 200);
    const both = await openTrainEval({ data: `imagefolder:${dir}` });
    expect([both.train.length, both.eval.length, both.eval.label(0), both.shared]).toEqual([16, 1, 1, 0]);
    expect(both.how).toMatch(/train and .*val/);
  });
});

describe('two sets', () => {
  test('that are one: it says so', async () => {
    for (const spec of [`imagefolder:${animals}`, 'shapes:train=20,eval=20']) {
      const other = spec.startsWith('shapes') ? spec : `imagefolder:${join(animals, '.')}`;
      const both = await openTrainEval({ train: spec, eval: other });
      const same = !spec.startsWith('shapes');
      expect(both.coincide).toBe(same);
      expect(both.how.includes('they coincide')).toBe(same);
    }
  });

  test('a copy under another folder, and a list of the same files', async () => {
    const copy = join(root, 'copy');
    await cp(animals, copy, { recursive: true });
    const copied = await openTrainEval({ train: `imagefolder:${animals}`, eval: `imagefolder:${copy}` });
    expect([copied.coincide, copied.shared]).toEqual([true, 16]);
    const list = join(animals, 'some.tsv');
    await writeFile(list, 'cat/0.png\t0\ndog/1.png\t1\n');
    const listed = await openTrainEval({ train: `imagefolder:${animals}`, eval: `list:${list}` });
    expect([listed.coincide, listed.shared]).toEqual([true, 2]);
  });

  test('equal names and sizes are not enough', async () => {
    const other = join(root, 'other');
    await images(join(other, 'cat'), numbered(10), 11);
    const both = await openTrainEval({ train: `imagefolder:${animals}`, eval: `imagefolder:${other}` });
    expect([both.coincide, both.shared]).toEqual([false, 0]);
  });

  test('some images in common are counted', async () => {
    const mixed = join(root, 'mixed');
    await images(join(mixed, 'dog'), ['x.png', 'y.png'], 77);
    await cp(join(animals, 'dog', '3.png'), join(mixed, 'dog', '3.png'));
    const both = await openTrainEval({ train: `imagefolder:${animals}`, eval: `imagefolder:${mixed}` });
    expect([both.coincide, both.shared]).toEqual([false, 1]);
    expect(both.how).toMatch(/1 of 3 evaluation images are training images too/);
  });

  test('of other classes are refused; one that is missing is asked for', async () => {
    const birds = join(root, 'birds');
    await images(join(birds, 'owl'), ['1.png'], 5);
    const train = `imagefolder:${animals}`;
    await expect(openTrainEval({ train, eval: `imagefolder:${birds}` })).rejects.toThrow(/no class 'owl'/);
    await expect(openTrainEval({ train, eval: 'shapes:eval=10' })).rejects.toThrow(
      /does not have the classes/,
    );
    await expect(openTrainEval({ train })).rejects.toThrow(/no evaluation data.*--data/s);
    await expect(openTrainEval({})).rejects.toThrow(/no training data/);
  });
});

goldenTest('CIFAR-10 comes with its test set, which shares no image with the training set', async () => {
  const both = await openTrainEval({ data: `cifar10:${sharedFile('data/cifar10')}` });
  expect([both.train.length, both.eval.length, both.shared]).toEqual([5000, 10_000, 0]);
  expect(both.how).toMatch(/test records/);
});
