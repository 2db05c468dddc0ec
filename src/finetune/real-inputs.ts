import { Loader, openDataset } from '../data/index.js';
import type { Model } from '../onnx/index.js';
import type { Feeds } from '../reparam/index.js';
import { resolvePreprocess } from './run/resolve.js';
import { normalize } from './step/input.js';
import { onlyInput } from './step/prepare.js';

export interface RealInputOptions {
  /** `--data`: which images; of a place with two sets, the evaluation one. */
  readonly data: string;
  /** Preset or file, for a model that stores none. */
  readonly preprocess?: string;
  /** At most this many images, from the first on. */
  readonly images: number;
}

/** Images in one run, where the model does not say. */
const BATCH = 16;

/**
 * Images of a data set as a model's float input [N,C,H,W], preprocessed as the model says; for comparing models on real
 * data. A model with a fixed batch gets whole batches only, one at least.
 * @throws UsageError without preprocessing or for an unknown data set, UnsupportedError for a model without image input
 */
export async function* realInputs(model: Model, options: RealInputOptions): AsyncGenerator<Feeds> {
  const preprocess = await resolvePreprocess(model, options.preprocess);
  const set = await openDataset(options.data, { role: 'eval' });
  const input = onlyInput(model);
  const declared = input.type?.kind === 'tensor' ? input.type.shape?.[0] : undefined;
  const fixed = typeof declared === 'number';
  const batch = fixed ? declared : Math.min(BATCH, options.images, set.length);
  const loader = new Loader(set, { preprocess, batch, seed: 0, dropLast: fixed });
  const [, ...image] = loader.shape;
  try {
    let left = options.images;
    for await (const { images, count } of loader.epoch(0)) {
      const rows = fixed ? batch : Math.min(count, left);
      if (rows === 0 || count < rows) continue;
      const pixels = images.subarray(0, (images.length / batch) * rows);
      yield new Map([[input.name, normalize(pixels, [rows, ...image], preprocess)]]);
      left -= rows;
      if (left <= 0) return;
    }
  } finally {
    await loader.close();
  }
}
