import { type CrossEntropyOptions, crossEntropy } from './cross-entropy.js';
import type { Loss } from './loss.js';

/** Which loss, and what it takes. */
export type LossOptions = { readonly kind: 'cross-entropy' } & CrossEntropyOptions;

export function lossOf(options: LossOptions): Loss {
  switch (options.kind) {
    case 'cross-entropy':
      return crossEntropy(options);
  }
}
