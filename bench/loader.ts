// npm run bench:loader -- [options]: see bench/README.md.

import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { presetPreprocess } from '../src/base/preprocess.js';
import { type Augment, type Dataset, Loader, openDataset } from '../src/data/index.js';
import { median } from '../src/finetune/run/trainer.js';
import { renderTable } from '../src/report/table.js';
import { writePhotos } from './loader/photos.js';
import { program } from './program.js';
import { count, name } from './speed/arguments.js';
import { machine } from './speed/machine.js';

const AUGMENTS = ['none', 'flip', 'crop', 'cifar', 'imagenet'] as const satisfies readonly Augment[];

const USAGE = `npm run bench:loader -- [options]

Images per second of the data loader alone: reading, decoding, augmenting and resizing, without training.

  --data SPEC       a data set, as of reparam train (default: generated photographs, 500×375 JPEG)
  --images N        how many of those (default: 256)
  --size N          side of what the network gets (default: 224)
  --augment NAME    ${AUGMENTS.join(', ')} (default: imagenet)
  --batch N         (default: 64)
  --workers NUMBERS threads (default: 1, 2, 4 … as many as there are cores)
  --rounds N        passes over the set, after one that does not count (default: 3)
  --markdown        the table as in docs/benchmarks.md
  --help

NUMBERS are separated by commas.`;

interface Speed {
  readonly workers: number;
  /** Images per second of each pass. */
  readonly passes: readonly number[];
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      data: { type: 'string' },
      images: { type: 'string', default: '256' },
      size: { type: 'string', default: '224' },
      augment: { type: 'string', default: 'imagenet' },
      batch: { type: 'string', default: '64' },
      workers: { type: 'string', default: upToCores().join(',') },
      rounds: { type: 'string', default: '3' },
      markdown: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    console.log(USAGE);
    return;
  }
  const options = {
    size: count('--size', values.size),
    batch: count('--batch', values.batch),
    augment: name('--augment', values.augment, AUGMENTS),
    rounds: count('--rounds', values.rounds),
  };
  const workers = values.workers.split(',').map((w) => count('--workers', w.trim()));
  const folder = mkdtempSync(join(tmpdir(), 'reparam-loader-'));
  try {
    if (values.data === undefined) await writePhotos(folder, count('--images', values.images));
    const set = await openDataset(values.data ?? `imagefolder:${folder}`, { role: 'train' });
    const speeds: Speed[] = [];
    for (const n of workers) {
      process.stderr.write(`${n === 1 ? '1 worker' : `${n} workers`}\n`);
      speeds.push({ workers: n, passes: await passes(set, n, options) });
    }
    print(set, speeds, options, values.markdown ? 'markdown' : 'text');
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

interface Options {
  readonly size: number;
  readonly batch: number;
  readonly augment: Augment;
  readonly rounds: number;
}

async function passes(set: Dataset, workers: number, options: Options): Promise<number[]> {
  const { size, batch, augment, rounds } = options;
  const preprocess = presetPreprocess('imagenet', size);
  const loader = new Loader(set, {
    preprocess,
    batch,
    seed: 0,
    augment,
    shuffle: true,
    workers,
    fill: 'repeat',
  });
  const found: number[] = [];
  try {
    for (let epoch = 0; epoch <= rounds; epoch++) {
      const start = performance.now();
      let images = 0;
      for await (const { count: read } of loader.epoch(epoch)) images += read;
      // In the first the threads start and the files come into the system's cache.
      if (epoch > 0) found.push((1000 * images) / (performance.now() - start));
    }
    return found;
  } finally {
    await loader.close();
  }
}

function print(set: Dataset, speeds: readonly Speed[], options: Options, format: 'text' | 'markdown'): void {
  const rows = speeds.map(({ workers, passes: found }) => [
    `${workers}`,
    median(found).toFixed(0),
    `${Math.min(...found).toFixed(0)}–${Math.max(...found).toFixed(0)}`,
    ((1000 * workers) / median(found)).toFixed(2),
  ]);
  const columns = ['workers', 'images/s', 'passes', 'ms of a worker for an image'].map(
    (title) => ({ title, align: 'right' }) as const,
  );
  const m = machine();
  const { size, batch, augment, rounds } = options;
  console.log(
    [
      renderTable({ columns, rows }, format),
      '',
      `${m.date}; ${m.cpu}, ${m.cores} cores, ${m.memoryGiB} GiB, ${m.system}; node ${m.node.replace(/^v/, '')}.`,
      `${set.length} images (${set.name.replace(/\/\S*reparam-loader-\S*/, 'generated photographs')}) to ${size}², augment ${augment}, batch ${batch}; median of ${rounds} passes after one.`,
    ].join('\n'),
  );
}

function upToCores(): number[] {
  const cores = availableParallelism();
  const list: number[] = [];
  for (let n = 1; n < cores; n *= 2) list.push(n);
  return [...list, cores];
}

await program(main);
