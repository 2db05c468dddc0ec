import type { Preprocess } from '../../base/preprocess.js';
import type { KnownTop1, ZooOptions } from '../entry.js';

/** Who publishes weights, in the order in which a network's are looked for. */
export const SOURCE_NAMES = ['torchvision', 'timm', 'keras', 'onnx'] as const;
export type SourceName = (typeof SOURCE_NAMES)[number];

/** What a file's bytes must hash to. */
export interface Checksum {
  readonly algorithm: 'sha256' | 'md5';
  /** Lower-case hex; the first digits of it where the publisher gives no more. */
  readonly hex: string;
}

/** A published file of weights for a network of the zoo. */
export interface WeightSource {
  readonly source: SourceName;
  /** Name in the zoo. */
  readonly network: string;
  /** What the publisher calls these weights, e.g. `IMAGENET1K_V2` or `resnet50.a1_in1k`. */
  readonly tag: string;
  /** What the builder needs to make the network that these weights fit; the image size is that of `preprocess`. */
  readonly options: ZooOptions;
  /** Where the file is, the first place first. */
  readonly urls: readonly string[];
  /** Its name in the cache, unique within the source. */
  readonly file: string;
  readonly checksum?: Checksum;
  /** Exact size of the file. */
  readonly bytes?: number;
  /** How pixels become the input; undefined where the publisher does not say. */
  readonly preprocess: Preprocess | undefined;
  readonly top1?: KnownTop1;
  /** Trained values of the network, as the publisher counts them. */
  readonly parameters?: number;
  /** Licence of the weights, where the publisher gives one. */
  readonly licence?: string;
  /** `weights`: named tensors, put into the zoo's own graph. `graph`: a whole ONNX model, used as it is. */
  readonly content: 'weights' | 'graph';
}
