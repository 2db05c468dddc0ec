import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { EnvironmentError, InputError, UsageError } from '../../src/base/errors.js';
import { type Preprocess, presetPreprocess } from '../../src/base/preprocess.js';
import { randomFor } from '../../src/base/random.js';
import type { Dataset } from '../../src/data/dataset.js';
import { type Batch, batches, Loader, type LoaderOptions } from '../../src/data/loader.js';
import { openDataset } from '../../src/data/open.js';
import { WorkerPool } from '../../src/data/pool.js';
import { evalView, renderView } from '../../src/data/view.js';

let root = '';
let files: Dataset;
/** Images 3 and 4 are corrupt, 30 is missing. */
let damaged: Dataset;

const preprocess: Preprocess = { ...presetPreprocess('imagenet'), size: 24, resize: 28, labelOffset: 1 };
const options: LoaderOptions = { preprocess, batch: 8, seed: 5, augment: 'imagenet', shuffle: true };

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'reparam-loader-'));
  const r = randomFor('loader test');
  const lines: string[] = [];
  await mkdir(join(root, 'images'));
  for (let i = 0; i < 37; i++) {
    const [width, height] = [30 + r.int(20), 30 + r.int(20)];
    const raw = Uint8Array.from({ length: width * height * 3 }, () => r.int(256));
    const image = sharp(raw, { raw: { width, height, channels: 3 } });
    await (i % 2 === 0 ? image.png() : image.jpeg()).toFile(join(root, 'images', `${i}`));
    lines.push(`images/${i}\t${i % 5}`);
  }
  await writeFile(join(root, 'list.tsv'), lines.join('\n'));
  await writeFile(join(root, 'images', 'bad'), 'not an image');
  const bad = lines.map((l, i) => (i === 3 || i === 4 ? 'images/bad\t3' : i === 30 ? 'images/none\t0' : l));
  await writeFile(join(root, 'damaged.tsv'), bad.join('\n'));
  files = await openDataset(`list:${join(root, 'list.tsv')}`, { role: 'train' });
  damaged = await openDataset(`list:${join(root, 'damaged.tsv')}`, { role: 'train' });
});
afterAll(() => rm(root, { recursive: true }));

async function all(
  set: Dataset,
  more: Partial<LoaderOptions> & { epoch?: number; startBatch?: number } = {},
) {
  const out: Batch[] = [];
  for await (const batch of batches(set, { ...options, workers: 0, ...more })) out.push(batch);
  return out;
}

/** Everything in a batch that a run depends on. */
const content = (b: Batch) => [
  b.number,
  Buffer.from(b.images).toString('base64'),
  [...b.labels],
  b.count,
  [...b.indices],
  b.skipped,
];

describe('what is in the batches', () => {
  test('evaluation: every image once, in order, as its own view; the last batch filled up with zeros', async () => {
    const got = await all(files, { augment: 'none', shuffle: false });
    expect(got.map((b) => b.count)).toEqual([8, 8, 8, 8, 5]);
    expect(got.flatMap((b) => [...b.indices])).toEqual(Array.from({ length: 37 }, (_, i) => i));
    const bytes = 3 * 24 * 24;
    for (const batch of got) {
      expect(batch.images.length).toBe(8 * bytes);
      for (const [row, index] of batch.indices.entries()) {
        const image = await files.image(index);
        const expected = new Uint8Array(bytes);
        renderView(image, evalView(image, preprocess, 'x'), preprocess, expected);
        expect(Buffer.compare(batch.images.subarray(row * bytes, (row + 1) * bytes), expected)).toBe(0);
        expect(batch.labels[row]).toBe((index % 5) + 1);
      }
    }
    expect(got[4].images.subarray(5 * bytes).every((v) => v === 0)).toBe(true);
    expect([...got[4].labels.subarray(5)]).toEqual([0, 0, 0]);
  });

  test('training: another order and other windows in each epoch, the same again for the same seed', async () => {
    const [first, second, again, other] = [
      await all(files),
      await all(files, { epoch: 1 }),
      await all(files),
      await all(files, { seed: 6 }),
    ];
    expect(first.map(content)).toEqual(again.map(content));
    for (const different of [second, other]) {
      expect(different.flatMap((b) => [...b.indices])).not.toEqual(first.flatMap((b) => [...b.indices]));
      expect(new Set(different.flatMap((b) => [...b.indices])).size).toBe(37);
    }
  });

  test('dropLast leaves the short batch out; a set smaller than the batch is refused with a way out', async () => {
    expect((await all(files, { dropLast: true })).map((b) => b.count)).toEqual([8, 8, 8, 8]);
    expect(() => new Loader(files, { ...options, batch: 64, dropLast: true, workers: 0 })).toThrow(
      /batch of 64 .*larger than.*37 images.*--batch 37 or less/s,
    );
    expect(() => new Loader(files, { ...options, batch: 0 })).toThrow(UsageError);
  });

  test('repeat fills a short batch with its own images', async () => {
    const [only] = await all(files, { batch: 64, fill: 'repeat' });
    const bytes = 3 * 24 * 24;
    expect([only.count, only.indices.length]).toEqual([37, 37]);
    expect(only.images.subarray(37 * bytes)).toEqual(only.images.subarray(0, 27 * bytes));
    expect(only.labels.subarray(37)).toEqual(only.labels.subarray(0, 27));
  });

  test('sets in memory: grey and colour, the whole network size', async () => {
    const shapes = await openDataset('shapes:train=20', { role: 'train' });
    const cifar = presetPreprocess('cifar10');
    const [batch] = await all(shapes, { preprocess: cifar, augment: 'none', shuffle: false, batch: 20 });
    const { pixels } = await shapes.image(7);
    expect(batch.images[7 * 3072 + 1024]).toBe(pixels[1]);
    const loader = new Loader(shapes, { preprocess: { ...cifar, channels: 'GRAY' }, batch: 4, seed: 0 });
    expect(loader.shape).toEqual([4, 1, 32, 32]);
    await loader.close();
  });
});

describe('where and when it is made does not matter', () => {
  test('any number of workers gives the same bytes, files and memory alike', async () => {
    const shapes = await openDataset('shapes:train=50', { role: 'train' });
    for (const set of [files, damaged, shapes]) {
      const inline = (await all(set)).map(content);
      for (const workers of [1, 3]) expect((await all(set, { workers })).map(content)).toEqual(inline);
    }
  });

  test('an epoch taken up in the middle goes on as it would have', async () => {
    for (const set of [files, damaged]) {
      const whole = (await all(set, { epoch: 2 })).map(content);
      for (const startBatch of [1, 3, 5])
        expect((await all(set, { epoch: 2, startBatch, workers: startBatch % 2 })).map(content)).toEqual(
          whole.slice(startBatch),
        );
    }
  });

  test('no image is decoded twice in an epoch, nor before the batch taken up', async () => {
    const loader = new Loader(files, { ...options, workers: 2 });
    for await (const _ of loader.epoch(0));
    expect(loader.decoded).toBe(37);
    for await (const _ of loader.epoch(1, 3));
    expect(loader.decoded).toBe(37 + 13);
    await loader.close();
  });

  test('leaving early is fine, and the loader can be used again', async () => {
    for (const workers of [0, 2]) {
      const loader = new Loader(files, { ...options, workers });
      for await (const batch of loader.epoch(0)) if (batch.number === 1) break;
      let count = 0;
      for await (const batch of loader.epoch(1)) count += batch.count;
      expect(count).toBe(37);
      await loader.close();
    }
  });

  test('only so much is prepared ahead', async () => {
    const loader = new Loader(files, { ...options, batch: 4, workers: 0 });
    const epoch = loader.epoch(0);
    await epoch.next();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(loader.decoded).toBeLessThanOrEqual(4 + 8 * 4);
    await epoch.return(undefined);
    await loader.close();
  });
});

describe('images that cannot be read', () => {
  test('are skipped, named and counted; the rest of the batch stays', async () => {
    const got = await all(damaged, { augment: 'none', shuffle: false });
    expect(got.map((b) => b.count)).toEqual([6, 8, 8, 7, 5]);
    expect([...got[0].indices]).toEqual([0, 1, 2, 5, 6, 7]);
    const skipped = got.flatMap((b) => b.skipped);
    expect(skipped.map((s) => s.index)).toEqual([3, 4, 30]);
    expect(skipped[0].name).toBe(join(root, 'images', 'bad'));
    expect(skipped[0].reason).toMatch(/bad: the image cannot be decoded/);
    expect(skipped[2].reason).toMatch(/none: no such file/);
    const bytes = 3 * 24 * 24;
    expect(got[0].images.subarray(6 * bytes).every((v) => v === 0)).toBe(true);
  });

  test('in training their rows repeat readable images of the batch', async () => {
    const [first] = await all(damaged, { augment: 'none', shuffle: false, fill: 'repeat' });
    const bytes = 3 * 24 * 24;
    expect(first.images.subarray(6 * bytes)).toEqual(first.images.subarray(0, 2 * bytes));
    expect([...first.labels]).toEqual([1, 2, 3, 1, 2, 3, 1, 2]);
  });

  test('stop a strict run, by name', async () => {
    for (const workers of [0, 1])
      await expect(all(damaged, { strict: true, workers, shuffle: false })).rejects.toThrow(
        /images\/bad: the image cannot be decoded.*without --strict/s,
      );
  });

  test('when there are no others: an error, not an empty epoch', async () => {
    await writeFile(join(root, 'worst.tsv'), 'images/bad\t0\nimages/bad\t1\n');
    const worst = await openDataset(`list:${join(root, 'worst.tsv')}`, { role: 'train' });
    await expect(all(worst)).rejects.toThrow(/no image of list .*worst\.tsv can be read.*bad/s);
  });

  test('an epoch gone on with may have unreadable images only in the rest', async () => {
    await writeFile(join(root, 'rest.tsv'), 'images/0\t0\nimages/bad\t1\n');
    const rest = await openDataset(`list:${join(root, 'rest.tsv')}`, { role: 'train' });
    const change = { batch: 1, shuffle: false, preprocess: { ...preprocess, labelOffset: 0 } };
    const whole = await all(rest, change);
    expect((await all(rest, { ...change, startBatch: 1 })).map(content)).toEqual([content(whole[1])]);
  });

  test('an image of another size than a network without resizing needs stops the run, in workers too', async () => {
    const exact = { ...preprocess, resize: null, crop: 'none' as const };
    for (const workers of [0, 2]) {
      const run = all(files, { preprocess: exact, augment: 'none', workers });
      await expect(run).rejects.toBeInstanceOf(InputError);
      await expect(all(files, { preprocess: exact, augment: 'none', workers })).rejects.toThrow(
        /expected images of 24×24/,
      );
    }
  });
});

test('a process that leaves an epoch and forgets to close the loader still ends', async () => {
  const built = (path: string): string =>
    JSON.stringify(new URL(`../../dist/src/${path}`, import.meta.url).href);
  const script = `
    import { Loader, openDataset } from ${built('data/index.js')};
    const set = await openDataset(${JSON.stringify(`list:${join(root, 'list.tsv')}`)}, { role: 'train' });
    const preprocess = ${JSON.stringify(preprocess)};
    const loader = new Loader(set, { preprocess, batch: 4, seed: 0, workers: 2 });
    for await (const batch of loader.epoch(0)) { console.log(batch.count); break; }`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 20_000,
  });
  expect(stdout).toBe('4\n');
});

test('who waits for close() goes on, also when nothing else holds the process', async () => {
  const index = new URL('../../dist/src/data/index.js', import.meta.url).href;
  const script = `
    import { Loader, openDataset } from ${JSON.stringify(index)};
    const set = await openDataset(${JSON.stringify(`list:${join(root, 'list.tsv')}`)}, { role: 'eval' });
    const options = { preprocess: ${JSON.stringify(preprocess)}, batch: 1, seed: 0, workers: 2 };
    for (let i = 0; i < 8; i++) {
      const loader = new Loader(set, options);
      for await (const { count } of loader.epoch(0)) if (count > 0) break;
      await loader.close();
    }
    console.log('closed');`;
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', script], {
    timeout: 20_000,
  });
  expect(stdout).toBe('closed\n');
});

describe('a worker that dies', () => {
  const script = async (name: string, text: string): Promise<URL> => {
    await writeFile(join(root, name), text);
    return pathToFileURL(join(root, name));
  };
  test.each([
    [
      'throws',
      `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => { throw new Error('boom'); });`,
      /stopped.*boom/s,
    ],
    [
      'exits',
      `import { parentPort } from 'node:worker_threads'; parentPort.on('message', () => process.exit(7));`,
      /stopped.*code 7/s,
    ],
    ['cannot start', `import './nowhere.mjs';`, /stopped.*nowhere/s],
  ])('%s: a clear error, no hanging', async (name, text, message) => {
    const pool = new WorkerPool(2, await script(`${name}.mjs`, text));
    const loader = new Loader(files, options, pool);
    const run = (async () => {
      for await (const _ of loader.epoch(0));
    })();
    await expect(run).rejects.toThrow(message);
    await expect(run).rejects.toBeInstanceOf(EnvironmentError);
    await loader.close();
  });
});
