import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { type Dataset, MemoryDataset } from '../dataset.js';
import { readMaybeGzip } from '../gzip.js';
import { listFolder, requireFiles } from './folder.js';

/**
 * The official binary records of CIFAR-10 and CIFAR-100 (https://www.cs.toronto.edu/~kriz/cifar.html): label bytes, then
 * 1024 bytes each of red, green and blue, rows of 32. CIFAR-100 has two label bytes, coarse and fine; the fine one counts.
 * Files may be gzipped. Those whose name begins with `test` are the test set, every other record file is for training.
 */
interface Variant {
  readonly classes: number;
  readonly labelBytes: number;
  readonly namesFile: string;
}

export const CIFAR = {
  cifar10: { classes: 10, labelBytes: 1, namesFile: 'batches.meta.txt' },
  cifar100: { classes: 100, labelBytes: 2, namesFile: 'fine_label_names.txt' },
} as const satisfies Record<string, Variant>;

const PIXELS = 32 * 32;
/** Far above the 184 MB of the whole set, far below what would exhaust memory. */
const MAX_FILE = 1 << 30;

export interface Parts {
  readonly train: readonly string[];
  readonly test: readonly string[];
}

/** The record files of a folder by part. @throws InputError when there are none */
export async function cifarParts(dir: string): Promise<Parts> {
  const { files } = await listFolder(dir);
  const records = files.filter((f) => /\.bin(\.gz)?$/i.test(f));
  requireFiles(
    dir,
    records,
    'CIFAR binary records (data_batch_1.bin, test_batch.bin, gzipped or not)',
    files,
  );
  return {
    train: records.filter((f) => !/^test/i.test(f)),
    test: records.filter((f) => /^test/i.test(f)),
  };
}

/** @throws InputError for a file of another length and a label out of range */
export async function openCifar(
  variant: keyof typeof CIFAR,
  dir: string,
  files: readonly string[],
  about: { readonly name: string; readonly spec: string },
): Promise<Dataset> {
  const { classes, labelBytes } = CIFAR[variant];
  const record = labelBytes + 3 * PIXELS;
  const parts: Uint8Array[] = [];
  for (const file of files) {
    const path = join(dir, file);
    const bytes = await readMaybeGzip(path, MAX_FILE);
    if (bytes.length === 0 || bytes.length % record !== 0)
      throw new InputError({
        problem: `${path}: not a ${variant} record file, or truncated`,
        expected: `a whole number of ${record}-byte records`,
        found: `${bytes.length} bytes`,
      });
    parts.push(bytes);
  }
  const total = parts.reduce((n, p) => n + p.length / record, 0);
  const labels = new Int32Array(total);
  const pixels = new Uint8Array(total * 3 * PIXELS);
  let index = 0;
  for (const [p, bytes] of parts.entries())
    for (let at = 0; at < bytes.length; at += record, index++) {
      const label = bytes[at + labelBytes - 1];
      if (label >= classes)
        throw new InputError({
          problem: `${join(dir, files[p])}: label of record ${at / record}`,
          expected: `0 to ${classes - 1}`,
          found: `${label}`,
          hint: `is this ${variant}?`,
        });
      labels[index] = label;
      const from = at + labelBytes;
      const to = index * 3 * PIXELS;
      for (let i = 0; i < PIXELS; i++) {
        pixels[to + 3 * i] = bytes[from + i];
        pixels[to + 3 * i + 1] = bytes[from + PIXELS + i];
        pixels[to + 3 * i + 2] = bytes[from + 2 * PIXELS + i];
      }
    }
  const classNames = await readClassNames(dir, CIFAR[variant]);
  return new MemoryDataset(
    { ...about, classes, ...(classNames && { classNames }) },
    { width: 32, height: 32, channels: 3, pixels, labels },
  );
}

/** The names beside the records, when they are there and are as many as there are classes. */
async function readClassNames(dir: string, variant: Variant): Promise<string[] | undefined> {
  const { files } = await listFolder(dir);
  if (!files.includes(variant.namesFile)) return undefined;
  const text = new TextDecoder().decode(await readMaybeGzip(join(dir, variant.namesFile), 1 << 16));
  const names = text
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);
  return names.length === variant.classes ? names : undefined;
}
