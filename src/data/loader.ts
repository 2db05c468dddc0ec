import { availableParallelism } from 'node:os';
import { InputError, UsageError } from '../base/errors.js';
import type { Preprocess } from '../base/preprocess.js';
import { permutation } from '../base/random.js';
import { type ChunkResult, rowBytes } from './chunk.js';
import type { Dataset } from './dataset.js';
import { InlinePool, type Pool, WorkerPool } from './pool.js';
import { type Augment, inputSize } from './view.js';

export interface LoaderOptions {
  readonly preprocess: Preprocess;
  /** Images per batch. */
  readonly batch: number;
  readonly seed: number;
  /** default none */
  readonly augment?: Augment;
  /** A new order in each epoch; else index order. default false */
  readonly shuffle?: boolean;
  /** Leave out the last batch when it is short. default false */
  readonly dropLast?: boolean;
  /**
   * What stands in the rows of a batch that have no image of their own (corrupt files; a short last batch):
   * `zeros` for evaluation, black images with label 0, behind the `count` real ones;
   * `repeat` for training, the batch's readable images again from the first on, so that every row can be trained on.
   * default zeros
   */
  readonly fill?: 'zeros' | 'repeat';
  /** The first image that cannot be read is an error, instead of being skipped and named. default false */
  readonly strict?: boolean;
  /** Worker threads; 0 works in this thread. default 0 for sets in memory, else one less than the processors, 1 to 8 */
  readonly workers?: number;
}

export interface Skipped {
  readonly index: number;
  /** Its file. */
  readonly name: string;
  readonly reason: string;
}

export interface Batch {
  /** Position in the epoch, from 0. */
  readonly number: number;
  /** uint8 [batch, C, H, W], C in the order of the preprocessing; not normalized (the network graph does that). */
  readonly images: Uint8Array;
  /** [batch]: class index plus the preprocessing's labelOffset, that is the network's output index. */
  readonly labels: Int32Array;
  /** Rows 0 … count − 1 are different images; the others are filler (`fill`). */
  readonly count: number;
  /** Sample indices of the `count` rows. */
  readonly indices: Uint32Array;
  /** Samples of this batch that could not be read. */
  readonly skipped: readonly Skipped[];
}

/** Rows a worker gets at a time: enough to make a message cheap, few enough to share a batch among workers. */
const CHUNK = 16;

/**
 * Turns a data set into batches of network inputs.
 *
 * Batch b of an epoch is made of samples b·batch … of that epoch's order and of nothing else. Order and augmentation are
 * functions of (seed, epoch, sample index): the number of workers, their speed and where an epoch is taken up again
 * cannot change a byte. Each sample is decoded once per epoch. Batches are prepared ahead while the consumer computes,
 * at most two or what keeps the workers busy.
 *
 * One epoch at a time; close() when done. Leaving a `for await` early is fine.
 */
export class Loader {
  readonly dataset: Dataset;
  /** Batches per epoch. */
  readonly steps: number;
  /** [N, C, H, W] of a batch. */
  readonly shape: readonly [number, number, number, number];
  readonly #options: Required<LoaderOptions>;
  readonly #pool: Pool;
  #decoded = 0;

  /** @throws UsageError for a batch that is no positive whole number, or (with dropLast) larger than the set */
  constructor(dataset: Dataset, options: LoaderOptions, pool?: Pool) {
    const { batch } = options;
    if (!Number.isInteger(batch) || batch < 1)
      throw new UsageError({ problem: 'batch', expected: 'a positive whole number', found: `${batch}` });
    if (dataset.length === 0) throw new InputError({ problem: `${dataset.name} holds no images` });
    if (options.dropLast === true && batch > dataset.length)
      throw new UsageError({
        problem: `a batch of ${batch} images is larger than ${dataset.name}`,
        found: `${dataset.length} images`,
        hint: `use --batch ${dataset.length} or less`,
      });
    const workers =
      options.workers ??
      (dataset.storage === 'memory' ? 0 : Math.max(1, Math.min(8, availableParallelism() - 1)));
    this.dataset = dataset;
    this.#options = {
      augment: 'none',
      shuffle: false,
      dropLast: false,
      fill: 'zeros',
      strict: false,
      ...options,
      workers,
    };
    this.steps = options.dropLast ? Math.floor(dataset.length / batch) : Math.ceil(dataset.length / batch);
    const { width, height } = inputSize(options.preprocess);
    this.shape = [batch, options.preprocess.channels === 'GRAY' ? 1 : 3, height, width];
    this.#pool = pool ?? (workers === 0 ? new InlinePool() : new WorkerPool(workers));
  }

  /** Images decoded so far (sets in memory need none). */
  get decoded(): number {
    return this.#decoded;
  }

  /**
   * The batches of one epoch in order.
   * @param from number of the first batch, to go on where an epoch was left
   * @throws InputError when strict and an image cannot be read, when no image of the epoch can, and when one does not
   * have the size that the preprocessing needs; EnvironmentError when a worker dies
   */
  async *epoch(epoch: number, from = 0): AsyncGenerator<Batch, void, undefined> {
    const { batch, shuffle, seed } = this.#options;
    const order = shuffle
      ? permutation(this.dataset.length, seed, 'order', epoch)
      : Uint32Array.from({ length: this.dataset.length }, (_, i) => i);
    const ahead = Math.max(2, Math.ceil((2 * this.#pool.lanes * CHUNK) / batch));
    const queue: Promise<Batch>[] = [];
    let next = from;
    let read = 0;
    const prepare = (): void => {
      while (queue.length < ahead && next < this.steps) {
        const prepared = this.#prepare(epoch, order, next++);
        // Reported when its turn comes; until then it must not count as unhandled.
        prepared.catch(() => undefined);
        queue.push(prepared);
      }
    };
    prepare();
    for (let first = queue.shift(); first !== undefined; first = queue.shift()) {
      const ready = await first;
      prepare();
      read += ready.count;
      // Of an epoch that is gone on with, the images before `from` were read.
      if (from === 0 && read === 0 && ready.number === this.steps - 1)
        throw new InputError({
          problem: `no image of ${this.dataset.name} can be read`,
          found: ready.skipped[0]?.reason ?? 'nothing',
        });
      yield ready;
    }
  }

  /** Stops the workers. */
  async close(): Promise<void> {
    await this.#pool.close();
  }

  async #prepare(epoch: number, order: Uint32Array, number: number): Promise<Batch> {
    const { batch, preprocess, augment, seed, strict, fill } = this.#options;
    const { dataset } = this;
    const mine = order.subarray(number * batch, (number + 1) * batch);
    const chunks: Promise<ChunkResult>[] = [];
    for (let at = 0; at < mine.length; at += CHUNK) {
      const rows = Array.from(mine.subarray(at, at + CHUNK), (index) => ({
        index,
        name: dataset.sampleName(index),
        source: dataset.source(index),
      }));
      chunks.push(this.#pool.submit({ rows, preprocess, augment, seed, epoch }));
    }
    const results = await Promise.all(chunks);
    const bytes = rowBytes(preprocess);
    const images = new Uint8Array(batch * bytes);
    const labels = new Int32Array(batch);
    const indices: number[] = [];
    const skipped: Skipped[] = [];
    for (const [c, result] of results.entries()) {
      this.#decoded += result.decoded;
      const reasons = new Map(result.failed.map((f) => [f.row, f.reason]));
      const rows = Math.min(CHUNK, mine.length - c * CHUNK);
      for (let row = 0; row < rows; row++) {
        const index = mine[c * CHUNK + row];
        const reason = reasons.get(row);
        if (reason !== undefined) {
          if (strict)
            throw new InputError({ problem: reason, hint: 'without --strict it is skipped and counted' });
          skipped.push({ index, name: dataset.sampleName(index), reason });
          continue;
        }
        images.set(result.images.subarray(row * bytes, (row + 1) * bytes), indices.length * bytes);
        labels[indices.length] = dataset.label(index) + preprocess.labelOffset;
        indices.push(index);
      }
    }
    const count = indices.length;
    if (fill === 'repeat' && count > 0)
      for (let row = count; row < batch; row++) {
        const of = row % count;
        images.copyWithin(row * bytes, of * bytes, (of + 1) * bytes);
        labels[row] = labels[of];
      }
    return { number, images, labels, count, indices: Uint32Array.from(indices), skipped };
  }
}

/** One epoch's batches with a loader of their own, closed at the end or when the consumer leaves. */
export async function* batches(
  dataset: Dataset,
  options: LoaderOptions & { readonly epoch?: number; readonly startBatch?: number },
): AsyncGenerator<Batch, void, undefined> {
  const { epoch = 0, startBatch = 0, ...rest } = options;
  const loader = new Loader(dataset, rest);
  try {
    yield* loader.epoch(epoch, startBatch);
  } finally {
    await loader.close();
  }
}
