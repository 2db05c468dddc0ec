import { join } from 'node:path';
import { InputError } from '../../base/errors.js';
import { type Dataset, MemoryDataset } from '../dataset.js';
import { readMaybeGzip } from '../gzip.js';
import { listFolder, requireFiles } from './folder.js';

/**
 * The idx files of MNIST and its relatives (http://yann.lecun.com/exdb/mnist): two zero bytes, the type (8: unsigned
 * byte), the number of dimensions, the dimensions as big-endian uint32, the values. Images are [count, height, width],
 * grey; labels [count]. `X-images-idx3-ubyte` goes with `X-labels-idx1-ubyte`, either gzipped or not; X that begins with
 * t10k, test or val is for evaluation.
 */
const IMAGES = /^(.*)images([-.])idx3-ubyte(\.gz)?$/i;
const MAX_FILE = 2 ** 31;

interface IdxPair {
  readonly images: string;
  readonly labels: string;
}

export interface IdxParts {
  readonly train: readonly IdxPair[];
  readonly test: readonly IdxPair[];
}

/** The pairs of image and label files in a folder. @throws InputError where there are none or one lacks its labels */
export async function idxParts(dir: string): Promise<IdxParts> {
  const { files } = await listFolder(dir);
  const train: IdxPair[] = [];
  const test: IdxPair[] = [];
  const seen = new Set<string>();
  const images = files.filter((f) => IMAGES.test(f));
  requireFiles(
    dir,
    images,
    'idx files (train-images-idx3-ubyte, train-labels-idx1-ubyte, …, gzipped or not)',
    files,
  );
  for (const name of images) {
    const prefix = IMAGES.exec(name)?.[1] ?? '';
    // The same file unpacked and packed: the first, unpacked one is taken.
    if (seen.has(prefix)) continue;
    seen.add(prefix);
    const wanted = [`${prefix}labels-idx1-ubyte`, `${prefix}labels.idx1-ubyte`].flatMap((n) => [
      n,
      `${n}.gz`,
    ]);
    const labels = files.find((f) => wanted.includes(f));
    if (labels === undefined)
      throw new InputError({
        problem: `${join(dir, name)} has no label file beside it`,
        expected: wanted[0],
      });
    (/(^|[-_])(t10k|test|val)/i.test(prefix) ? test : train).push({ images: name, labels });
  }
  return { train, test };
}

/** Header and values of an idx file of bytes. @throws InputError for another magic number or length */
async function readIdx(path: string, rank: number): Promise<{ dims: number[]; values: Uint8Array }> {
  const bytes = await readMaybeGzip(path, MAX_FILE);
  const start = 4 + 4 * rank;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const magic = bytes.length >= 4 ? view.getUint32(0) : -1;
  if (magic !== 0x800 + rank || bytes.length < start)
    throw new InputError({
      problem: `${path}: not an idx file of ${rank === 1 ? 'labels' : 'images'}`,
      expected: `magic number ${0x800 + rank} (unsigned bytes, ${rank} dimensions)`,
      found: magic < 0 ? `${bytes.length} bytes` : `${magic}`,
    });
  const dims = Array.from({ length: rank }, (_, i) => view.getUint32(4 + 4 * i));
  const count = dims.reduce((a, b) => a * b, 1);
  if (count === 0 || bytes.length !== start + count)
    throw new InputError({
      problem: `${path}: truncated or damaged idx file`,
      expected: `${start + count} bytes for [${dims.join(', ')}]`,
      found: `${bytes.length}`,
    });
  return { dims, values: bytes.subarray(start) };
}

/** @throws InputError for a broken file, counts that differ, and images of several sizes */
export async function openIdx(
  dir: string,
  pairs: readonly IdxPair[],
  about: { readonly name: string; readonly spec: string },
): Promise<Dataset> {
  const images: Uint8Array[] = [];
  const labels: Uint8Array[] = [];
  let size: { width: number; height: number } | undefined;
  for (const pair of pairs) {
    const path = join(dir, pair.images);
    const picture = await readIdx(path, 3);
    const label = await readIdx(join(dir, pair.labels), 1);
    const [count, height, width] = picture.dims;
    if (label.dims[0] !== count)
      throw new InputError({
        problem: `${join(dir, pair.labels)}: number of labels`,
        expected: `${count}, as ${pair.images} has images`,
        found: `${label.dims[0]}`,
      });
    if (size && (size.width !== width || size.height !== height))
      throw new InputError({
        problem: `${path}: image size`,
        expected: `${size.width}×${size.height}, as in the files before it`,
        found: `${width}×${height}`,
      });
    size = { width, height };
    images.push(picture.values);
    labels.push(label.values);
  }
  if (size === undefined) throw new InputError({ problem: `${dir}: no idx files to open` });
  const all = Int32Array.from(labels.flatMap((l) => Array.from(l)));
  const pixels = images.length === 1 ? images[0] : new Uint8Array(Buffer.concat(images));
  return new MemoryDataset(
    { ...about, classes: all.reduce((most, l) => Math.max(most, l + 1), 0) },
    { ...size, channels: 1, pixels, labels: all },
  );
}
