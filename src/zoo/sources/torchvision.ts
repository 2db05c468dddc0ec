/**
 * Weights of torchvision: https://docs.pytorch.org/vision/stable/models.html. A file's name ends with the first digits of
 * its SHA-256.
 */
import { type Preprocess, presetPreprocess } from '../../base/preprocess.js';
import { plainName } from '../names.js';
import { INCEPTION } from './normalization.js';
import type { WeightSource } from './source.js';
import { TORCHVISION_ROWS, TORCHVISION_VERSION } from './torchvision.generated.js';

export type TorchvisionRow = readonly [
  architecture: string,
  tag: string,
  file: string,
  parameters: number,
  top1: number,
  size: number,
  resize: number,
  interpolation: Preprocess['interpolation'],
];

/** Networks that the zoo also has as their papers describe them. */
const VARIANTS: Readonly<Record<string, string>> = {
  alexnet: 'alexnettorchvision',
  googlenet: 'googlenettorchvision',
};

const HOST = 'https://download.pytorch.org/models/';

export const TORCHVISION: readonly WeightSource[] = TORCHVISION_ROWS.map(
  ([architecture, tag, file, parameters, top1, size, resize, interpolation]): WeightSource => ({
    source: 'torchvision',
    network: VARIANTS[architecture] ?? plainName(architecture),
    tag,
    options: {},
    urls: [HOST + file],
    file,
    checksum: { algorithm: 'sha256', hex: digits(file) },
    preprocess: {
      ...presetPreprocess('imagenet', size),
      ...normalization(architecture),
      resize,
      interpolation,
    },
    top1: { percent: top1, source: `${TORCHVISION_VERSION}, ${tag}` },
    parameters,
    content: 'weights',
  }),
);

function digits(file: string): string {
  const found = /-([0-9a-f]{8,})\.pth$/.exec(file);
  if (!found) throw new Error(`${file} does not end with digits of its SHA-256`);
  return found[1];
}

/** torchvision's GoogLeNet has Google's weights, and undoes ImageNet's normalization for Inception's inside the network. */
function normalization(architecture: string): Partial<Preprocess> {
  return architecture === 'googlenet' ? INCEPTION : {};
}
