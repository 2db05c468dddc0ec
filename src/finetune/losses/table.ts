import { type CrossEntropyOptions, crossEntropy } from './cross-entropy.js';
import type { Loss } from './loss.js';
import { mse } from './mse.js';
import { type PixelCrossEntropyOptions, pixelCrossEntropy } from './pixel-cross-entropy.js';
import { softCrossEntropy } from './soft-cross-entropy.js';

/** Which loss, and what it takes. */
export type LossOptions =
  | ({ readonly kind: 'cross-entropy' } & CrossEntropyOptions)
  | ({ readonly kind: 'soft-cross-entropy' } & CrossEntropyOptions)
  | ({ readonly kind: 'pixel-cross-entropy' } & PixelCrossEntropyOptions)
  | { readonly kind: 'mse' };

export function lossOf(options: LossOptions): Loss {
  switch (options.kind) {
    case 'cross-entropy':
      return crossEntropy(options);
    case 'soft-cross-entropy':
      return softCrossEntropy(options);
    case 'pixel-cross-entropy':
      return pixelCrossEntropy(options);
    case 'mse':
      return mse();
  }
}
