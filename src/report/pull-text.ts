import type { Pulled } from '../zoo/pull/pull.js';
import { megabytes } from './format.js';

const VERIFIED = {
  publisher: 'as its publisher says',
  server: 'as the server said',
  'size only': 'nobody says what it should be',
} as const;

/** What `zoo pull` says at its end. */
export function pulledText(pulled: Pulled): string {
  const { network, file, published, weights, bytes, sha256, verified, downloaded, preprocess } = pulled;
  const what = pulled.ownGraph ? 'the graph' : 'the weights';
  const lines = [
    published
      ? `${file}: ${network} with ${what} ${published.tag} of ${published.source}`
      : `${file}: ${network} with ${what} of ${weights}`,
    `  ${downloaded ? 'downloaded to' : 'read from'} ${weights} (${megabytes(bytes)})`,
    `  sha256 ${sha256}, ${VERIFIED[verified]}`,
  ];
  if (published?.top1) lines.push(`  top-1 ${published.top1.percent} % (${published.top1.source})`);
  if (published?.licence) lines.push(`  licence ${published.licence}`);
  lines.push(
    preprocess === null
      ? '  nobody says how pixels become its input: give --preprocess where it is used'
      : `  preprocessing ${preprocess}`,
  );
  return lines.join('\n');
}
