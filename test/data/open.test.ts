import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gzipSync } from 'node:zlib';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { InputError, UsageError } from '../../src/base/errors.js';
import { openDataset } from '../../src/data/open.js';
import { goldenTest, sharedFile } from '../support/goldens.js';

let root = '';
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reparam-open-'));
});
afterAll(() => rm(root, { recursive: true }));

let folders = 0;
/** A new folder with the given files. */
async function folder(files: Record<string, Uint8Array | string>): Promise<string> {
  const dir = join(root, `${folders++}`);
  await mkdir(dir, { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, name)), { recursive: true });
    await writeFile(join(dir, name), content);
  }
  return dir;
}

const png = (value: number): Promise<Uint8Array> =>
  sharp({ create: { width: 4, height: 3, channels: 3, background: { r: value, g: 0, b: 0 } } })
    .png()
    .toBuffer();

/** Records of one class each: pixel i of record n, channel c is (n·7 + c·50 + i) mod 256. */
function records(labels: readonly (readonly number[])[]): Uint8Array {
  const parts = labels.map((l, n) => [
    ...l,
    ...Array.from({ length: 3072 }, (_, i) => (n * 7 + Math.floor(i / 1024) * 50 + (i % 1024)) % 256),
  ]);
  return Uint8Array.from(parts.flat());
}

function idx(dims: readonly number[], values: readonly number[], magic = 0x800 + dims.length): Uint8Array {
  const out = new Uint8Array(4 + 4 * dims.length + values.length);
  const view = new DataView(out.buffer);
  view.setUint32(0, magic);
  for (const [i, d] of dims.entries()) view.setUint32(4 + 4 * i, d);
  out.set(values, 4 + 4 * dims.length);
  return out;
}

async function refused(spec: string, ...words: (string | RegExp)[]): Promise<void> {
  const error = await openDataset(spec, { role: 'train' }).catch((e: unknown) => e);
  expect(error).toBeInstanceOf(InputError);
  for (const word of words) expect(String(error)).toMatch(word);
}

describe('specs', () => {
  test('an unknown kind is answered with the nearest, a bare folder with a way to say it', async () => {
    await expect(openDataset('imgfolder:x', { role: 'train' })).rejects.toThrow(/did you mean imagefolder/);
    await expect(openDataset(root, { role: 'train' })).rejects.toThrow(/say what it is.*imagefolder:/);
    await expect(openDataset('cifar10', { role: 'train' })).rejects.toThrow(
      /does not say where.*cifar10:DIR/s,
    );
    await expect(openDataset('constructor:x', { role: 'train' })).rejects.toBeInstanceOf(UsageError);
  });

  test('a missing folder and a file in its place are named', async () => {
    const file = join(await folder({ a: 'x' }), 'a');
    for (const kind of ['imagefolder', 'cifar10', 'cifar100', 'idx']) {
      await refused(`${kind}:${root}/none`, /none: no such file or folder/);
      await refused(`${kind}:${file}`, /not a folder/);
    }
    await refused(`list:${root}/none.tsv`, /none\.tsv: no such file/);
  });
});

describe('cifar10', () => {
  test('planes become pixels, test files are the test set, gzip does not matter', async () => {
    const train = records([[3], [9]]);
    const dir = await folder({
      'data_batch_1.bin': train,
      'data_batch_2.bin.gz': gzipSync(records([[0]])),
      'test_batch.bin.gz': gzipSync(records([[5]])),
      'batches.meta.txt': 'a\nb\nc\nd\ne\nf\ng\nh\ni\nj\n\n',
    });
    const set = await openDataset(`cifar10:${dir}`, { role: 'train' });
    expect([set.length, set.classes, set.classNames?.[9]]).toEqual([3, 10, 'j']);
    expect([0, 1, 2].map((i) => set.label(i))).toEqual([3, 9, 0]);
    const image = await set.image(1);
    expect([image.width, image.height, image.channels]).toEqual([32, 32, 3]);
    expect(Array.from(image.pixels.subarray(0, 6))).toEqual([7, 57, 107, 8, 58, 108]);
    const test = await openDataset(`cifar10:${dir}`, { role: 'eval' });
    expect([test.length, test.label(0)]).toEqual([1, 5]);
  });

  test('a folder without test files is one set for both', async () => {
    const dir = await folder({ 'data_batch_1.bin': records([[1], [2]]) });
    for (const role of ['train', 'eval'] as const)
      expect((await openDataset(`cifar10:${dir}`, { role })).length).toBe(2);
  });

  test('cifar100 counts the fine label', async () => {
    const dir = await folder({ 'train.bin': records([[3, 77]]) });
    const set = await openDataset(`cifar100:${dir}`, { role: 'train' });
    expect([set.classes, set.label(0)]).toEqual([100, 77]);
    expect((await set.image(0)).pixels[1]).toBe(50);
  });

  test('what is broken is said', async () => {
    const good = records([[1]]);
    const open = async (files: Record<string, Uint8Array>): Promise<string> =>
      `cifar10:${await folder(files)}`;
    await refused(await open({}), 'holds no data', 'an empty folder');
    await refused(await open({ 'notes.txt': good }), 'holds no data', 'notes.txt');
    await refused(await open({ 'a.bin': good.subarray(1) }), /a\.bin.*3073-byte records.*found 3072/s);
    await refused(await open({ 'a.bin': new Uint8Array(0) }), /found 0 bytes/);
    await refused(await open({ 'a.bin': records([[1], [10]]) }), /label of record 1.*0 to 9.*found 10/s);
    const packed = gzipSync(good);
    await refused(
      await open({ 'a.bin.gz': packed.subarray(0, packed.length - 9) }),
      /a\.bin\.gz.*corrupt gzip/s,
    );
    const bomb = new Uint8Array(packed);
    new DataView(bomb.buffer).setUint32(bomb.length - 4, 0xfffffff0, true);
    await refused(await open({ 'a.bin.gz': bomb }), /declared length of 4294967280/);
    const short = new Uint8Array(packed);
    new DataView(short.buffer).setUint32(short.length - 4, 10, true);
    await refused(await open({ 'a.bin.gz': short }), /corrupt gzip/);
  });
});

describe('idx', () => {
  const images = idx([2, 2, 3], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  const labels = idx([2], [4, 1]);

  test('pairs of files, grey, gzipped or not', async () => {
    const dir = await folder({
      'train-images-idx3-ubyte': images,
      'train-labels-idx1-ubyte.gz': gzipSync(labels),
      't10k-images.idx3-ubyte.gz': gzipSync(idx([1, 2, 3], [9, 9, 9, 9, 9, 9])),
      't10k-labels.idx1-ubyte': idx([1], [0]),
    });
    const set = await openDataset(`idx:${dir}`, { role: 'train' });
    expect([set.length, set.classes, set.label(0), set.label(1)]).toEqual([2, 5, 4, 1]);
    expect(await set.image(1)).toEqual({
      width: 3,
      height: 2,
      channels: 1,
      pixels: Uint8Array.from([7, 8, 9, 10, 11, 12]),
    });
    expect((await openDataset(`idx:${dir}`, { role: 'eval' })).length).toBe(1);
  });

  test('what is broken is said', async () => {
    const open = async (i: Uint8Array, l: Uint8Array): Promise<string> =>
      `idx:${await folder({ 'train-images-idx3-ubyte': i, 'train-labels-idx1-ubyte': l })}`;
    await refused(await open(idx([2, 2, 3], [1], 0xd03), labels), /magic number 2051.*found 3331/s);
    await refused(
      await open(images.subarray(0, 27), labels),
      /truncated.*28 bytes for \[2, 2, 3\].*found 27/s,
    );
    await refused(await open(images.subarray(0, 10), labels), /not an idx file/);
    await refused(await open(new Uint8Array(0), labels), /not an idx file/);
    await refused(await open(idx([0xffffffff, 0xffff, 0xffff], [1]), labels), /truncated or damaged/);
    await refused(await open(images, idx([3], [1, 2, 3])), /number of labels.*expected 2.*found 3/s);
    await refused(await open(images, images), /not an idx file of labels/);
    const dir = await folder({ 'train-images-idx3-ubyte': images });
    await refused(`idx:${dir}`, /no label file beside it.*train-labels-idx1-ubyte/s);
  });
});

describe('imagefolder', () => {
  test('classes and images in the order of torchvision', async () => {
    const dir = await folder({
      'b/2.png': await png(1),
      'b/10.PNG': await png(2),
      'b/deep/a.png': await png(3),
      'a b/x.png': await png(4),
      'B/x.png': await png(5),
      'B/notes.txt': 'no image',
      'top.txt': 'no class',
    });
    await symlink(join(dir, 'b'), join(dir, 'link'));
    const set = await openDataset(`imagefolder:${dir}`, { role: 'train' });
    expect(set.classNames).toEqual(['B', 'a b', 'b', 'link']);
    expect(Array.from({ length: set.length }, (_, i) => set.sampleName(i).slice(dir.length + 1))).toEqual([
      'B/x.png',
      'a b/x.png',
      'b/10.PNG',
      'b/2.png',
      'b/deep/a.png',
      'link/10.PNG',
      'link/2.png',
      'link/deep/a.png',
    ]);
    expect((await set.image(1)).pixels[0]).toBe(4);
    expect(set.label(4)).toBe(2);
  });

  test('train and val are a pair with the classes of train', async () => {
    const dir = await folder({
      'train/a/1.png': await png(1),
      'train/b/1.png': await png(2),
      'train/c/1.png': await png(3),
      'val/a/2.png': await png(4),
      'val/c/2.png': await png(5),
    });
    const set = await openDataset(`imagefolder:${dir}`, { role: 'eval' });
    expect([set.length, set.classes, set.label(1)]).toEqual([2, 3, 2]);
    expect((await openDataset(`imagefolder:${dir}`, { role: 'train' })).length).toBe(3);
    await mkdir(join(dir, 'val/d'));
    await writeFile(join(dir, 'val/d/2.png'), await png(1));
    await expect(openDataset(`imagefolder:${dir}`, { role: 'eval' })).rejects.toThrow(
      /no class 'd'.*3 classes/s,
    );
  });

  test('classes called train and test are classes', async () => {
    const dir = await folder({
      'train/1.png': await png(1),
      'test/1.png': await png(2),
      'car/1.png': await png(3),
    });
    const set = await openDataset(`imagefolder:${dir}`, { role: 'train' });
    expect(set.classNames).toEqual(['car', 'test', 'train']);
  });

  test('what is missing is said', async () => {
    await refused(`imagefolder:${await folder({})}`, /has no class folders/);
    await refused(
      `imagefolder:${await folder({ 'a.png': await png(1) })}`,
      /1 images that lie in it directly/,
    );
    const dir = await folder({ 'a/1.png': await png(1), 'b/notes.txt': '' });
    await refused(`imagefolder:${dir}`, /class folder .*b has no images/);
    const loop = await folder({ 'a/1.png': await png(1) });
    await symlink(loop, join(loop, 'a', 'up'));
    await refused(`imagefolder:${loop}`, /nested too deep.*a link to a folder above/s);
  });
});

describe('list', () => {
  test('paths relative to the file; a heading, blank lines and CRLF are passed over', async () => {
    const dir = await folder({ 'images/1.png': await png(1), 'images/2 b.png': await png(2) });
    const file = join(dir, 'list.tsv');
    await writeFile(file, '\uFEFFpath\tclass\r\nimages/1.png\t4\r\n\r\nimages/2 b.png\t0\r\n');
    const set = await openDataset(`list:${file}`, { role: 'train' });
    expect([set.length, set.classes, set.label(0), set.label(1)]).toEqual([2, 5, 4, 0]);
    expect((await set.image(1)).pixels[0]).toBe(2);
  });

  test('what is wrong is named by line', async () => {
    const list = async (text: string): Promise<string> =>
      `list:${join(await folder({ 'l.tsv': text }), 'l.tsv')}`;
    await refused(await list(''), /lists no images/);
    await refused(await list('a.png\t1\na.png 2\n'), /l\.tsv, line 2.*found a\.png 2/s);
    await refused(await list('0\tn01440764\ttench\tx.jpg\n'), /line 1/);
    await refused(await list('a.png\t-1\n'), /line 1/);
    await refused(await list('a.png\t1.5\n'), /line 1/);
    await refused(await list('a.png\t999999999\n'), /line 1/);
    await refused(await list('a.png\t1\nb.png\t2\n'), /none of 2 images looked for is there.*a\.png/s);
  });
});

describe('the real sets', () => {
  goldenTest('CIFAR-10, MNIST and the ImageNet samples open with the right counts', async () => {
    const cases = [
      [`cifar10:${sharedFile('data/cifar10')}`, 'eval', 10_000, 10],
      [`cifar10:${sharedFile('data/cifar10')}`, 'train', 5_000, 10],
      [`idx:${sharedFile('data/mnist')}`, 'eval', 10_000, 10],
      [`idx:${sharedFile('data/mnist')}`, 'train', 12_000, 10],
      [`list:${sharedFile('data/imagenet-samples/list.tsv')}`, 'eval', 500, 999],
    ] as const;
    for (const [spec, role, length, classes] of cases) {
      const set = await openDataset(spec, { role });
      expect([set.length, set.classes], spec).toEqual([length, classes]);
    }
  });
});
