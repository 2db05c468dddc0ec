import { ReparamError } from '../base/errors.js';
import type { Preprocess } from '../base/preprocess.js';
import { randomFor } from '../base/random.js';
import type { Source } from './dataset.js';
import { decodeFile } from './decode/decode.js';
import type { Image } from './image.js';
import { type Augment, augmentedView, evalView, inputSize, renderView } from './view.js';

/** Some rows of a batch: what a worker gets. Everything in it can be posted to another thread. */
export interface ChunkJob {
  readonly rows: readonly { readonly index: number; readonly name: string; readonly source: Source }[];
  readonly preprocess: Preprocess;
  readonly augment: Augment;
  readonly seed: number;
  readonly epoch: number;
}

export interface ChunkResult {
  /** [rows, C, H, W]; a failed row is zero. */
  readonly images: Uint8Array<ArrayBuffer>;
  readonly failed: readonly { readonly row: number; readonly reason: string }[];
  readonly decoded: number;
}

export function rowBytes(preprocess: Preprocess): number {
  const { width, height } = inputSize(preprocess);
  return width * height * (preprocess.channels === 'GRAY' ? 1 : 3);
}

/** Reads, decodes, augments and lays out the rows. A row that cannot be read is reported, not thrown. */
export async function renderChunk(job: ChunkJob): Promise<ChunkResult> {
  const bytes = rowBytes(job.preprocess);
  const images = new Uint8Array(job.rows.length * bytes);
  const failed: { row: number; reason: string }[] = [];
  let decoded = 0;
  // The next images are decoded (in the runtime's own threads) while this one is resized here.
  const fetch = (row: number): Promise<Image | ReparamError> | undefined => {
    if (row >= job.rows.length) return undefined;
    const { source } = job.rows[row];
    if (source.kind === 'pixels') return Promise.resolve(source.image);
    decoded++;
    return decodeFile(source.path).catch((error: unknown) => {
      if (error instanceof ReparamError) return error;
      throw error;
    });
  };
  const ahead = [fetch(0), fetch(1)];
  for (const [row, { index, name }] of job.rows.entries()) {
    ahead.push(fetch(row + 2));
    const image = await ahead.shift();
    if (image === undefined) break;
    if (image instanceof ReparamError) {
      failed.push({ row, reason: image.message });
      continue;
    }
    const view =
      job.augment === 'none'
        ? evalView(image, job.preprocess, name)
        : augmentedView(
            image,
            job.preprocess,
            job.augment,
            randomFor(job.seed, 'augment', job.epoch, index),
            name,
          );
    renderView(image, view, job.preprocess, images.subarray(row * bytes, (row + 1) * bytes));
  }
  return { images, failed, decoded };
}
