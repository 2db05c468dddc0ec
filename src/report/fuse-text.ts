import type { FuseResult, VerifyReport } from '../reparam/index.js';
import { small } from './format.js';

/** What fusing did, as text. */
export function fuseText(file: string, fused: FuseResult, verified: VerifyReport | null): string {
  const { modified, weights, batchNorms, branches, kept } = fused;
  const parts = [
    ...(weights.length > 0
      ? [`${weights.length} computed ${weights.length === 1 ? 'kernel' : 'kernels'}`]
      : []),
    ...(batchNorms.length > 0 ? [`${batchNorms.length} BatchNormalization`] : []),
    ...(branches.length > 0
      ? [`the branches of ${branches.length} ${branches.length === 1 ? 'convolution' : 'convolutions'}`]
      : []),
  ];
  const what =
    parts.length > 0
      ? `folded ${parts.join(', ').replace(/, (?=[^,]*$)/, ' and ')}`
      : modified
        ? 'removed the markers'
        : 'nothing to fold; written as it is';
  const check =
    verified === null
      ? modified
        ? '; not verified'
        : ''
      : `; equivalent to the model it was made from, largest error ${small(verified.maxRelative)} of the output's scale`;
  return [`${file}: ${what}${check}`, ...kept.map((k) => `  kept: ${k.name}: ${k.reason}`)].join('\n');
}
