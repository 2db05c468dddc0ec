import type { Preprocess } from '../../base/preprocess.js';
import { type Dataset, Loader } from '../../data/index.js';

/**
 * Makes the network input of the first readable image, so that a set whose pictures do not fit the preprocessing is
 * refused before anything is trained, and not at the first evaluation.
 * @throws InputError as {@link Loader.epoch}
 */
export async function checkImages(set: Dataset, preprocess: Preprocess): Promise<void> {
  const loader = new Loader(set, { preprocess, batch: 1, seed: 0 });
  try {
    for await (const { count } of loader.epoch(0)) if (count > 0) return;
  } finally {
    await loader.close();
  }
}
