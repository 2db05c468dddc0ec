/**
 * Weights of timm on the Hugging Face hub, one repository for each, as safetensors. Which is the main revision changes with
 * time: the hub itself tells a file's SHA-256 when it is downloaded.
 */
import { type Preprocess, presetPreprocess } from '../../base/preprocess.js';
import type { ZooOptions } from '../entry.js';
import { plainName } from '../names.js';
import { CLIP, IMAGENET, INCEPTION, UNIT } from './normalization.js';
import type { WeightSource } from './source.js';
import { TIMM_ROWS, TIMM_VERSION } from './timm.generated.js';

const NORMALIZATIONS = { imagenet: IMAGENET, inception: INCEPTION, unit: UNIT, clip: CLIP } as const;

export type TimmRow = readonly [
  name: string,
  parametersM: number,
  top1: number,
  size: number,
  cropShare: number,
  interpolation: Preprocess['interpolation'],
  normalization: keyof typeof NORMALIZATIONS,
  licence: string,
];

/** Ports of TensorFlow's weights: the same network, with TensorFlow's padding and ε. */
const FROM_TENSORFLOW = /^tf_/;

/** timm's names end with the width in hundredths. */
const WIDTHS = /^(mobilenetv[12]|mobilenetv3_(?:large|small))_(\d{3})$/;

export const TIMM: readonly WeightSource[] = TIMM_ROWS.map(
  ([name, parametersM, top1, size, cropShare, interpolation, normalization, licence]): WeightSource => ({
    source: 'timm',
    ...architecture(name.split('.')[0].replace(FROM_TENSORFLOW, '')),
    tag: name,
    urls: [`https://huggingface.co/timm/${name}/resolve/main/model.safetensors`],
    file: `${name}.safetensors`,
    preprocess: {
      ...presetPreprocess('imagenet', size),
      ...NORMALIZATIONS[normalization],
      resize: Math.floor(size / cropShare),
      interpolation,
    },
    top1: { percent: top1, source: `${TIMM_VERSION}, results-imagenet.csv, ${size} px` },
    parameters: Math.round(parametersM * 1e6),
    licence,
    content: 'weights',
  }),
);

function architecture(name: string): { readonly network: string; readonly options: ZooOptions } {
  const [, network, width] = WIDTHS.exec(name) ?? [];
  return network === undefined
    ? { network: plainName(name), options: {} }
    : { network: plainName(network), options: { width: Number(width) / 100 } };
}
