import type { AuxiliaryOutput } from '../base/auxiliary.js';
import { UsageError } from '../base/errors.js';
import type { Model } from '../onnx/index.js';

/** What a caller may choose about a zoo network. A family accepts some of these ({@link ZooEntry.accepts}). */
export interface ZooOptions {
  /** Channel multiplier; 1 is the published network. */
  readonly width?: number;
  /** Side of the square input, pixels. */
  readonly size?: number;
  readonly classes?: number;
  /** Seed of the initial weights. Default: 0. */
  readonly seed?: number;
  /** Strides of the first layers: as published for ImageNet, or for 32-pixel images. */
  readonly stem?: 'imagenet' | 'cifar';
  /**
   * Shortcut of a ResNet's block that changes the dims: A pads channels with zeros, B projects by a 1x1 convolution. C
   * projects in every block.
   */
  readonly shortcut?: 'A' | 'B' | 'C';
  /** Stride of a ResNet stage's first bottleneck: in its first 1x1 convolution (v1, as published) or in its 3x3 (v1.5). */
  readonly variant?: 'v1' | 'v1.5';
  /** The last BatchNormalization scale of each residual block starts at 0 instead of 1. */
  readonly zeroGamma?: boolean;
  /** With the auxiliary classifiers, as further outputs. */
  readonly aux?: boolean;
}

export interface Paper {
  readonly title: string;
  readonly year: number;
  /** arXiv identifier, where there is one. */
  readonly arxiv?: string;
  /** Where it appeared, for papers that are not on arXiv. */
  readonly venue?: string;
}

/** A figure that somebody published, with what was counted; tests hold the builders to it. */
export interface Published {
  readonly options: ZooOptions;
  /** Millions, rounded as published. */
  readonly parametersM?: number;
  /** Millions of multiply-adds for one image, rounded as published. */
  readonly multAddsM?: number;
  /** Millions: what `multAddsM` was rounded to, where it ends in zeros that are no digits (3.6 G: 100). */
  readonly multAddsRoundedToM?: number;
  readonly rule: CountingRule;
  readonly source: string;
}

/**
 * What published figures include. Mult-adds are those of convolutions and fully connected layers, with `convolutions` of
 * the former alone. Parameters are weights, biases, BatchNormalization scale and bias, with `without-bn` weights and biases
 * only.
 */
export type CountingRule = 'all' | 'without-bn' | 'convolutions';

/** A top-1 accuracy, as published: on the validation images of ImageNet, or the test images of what the source says. */
export interface KnownTop1 {
  readonly percent: number;
  readonly source: string;
}

/** A network the zoo can build. */
export interface ZooEntry {
  readonly name: string;
  readonly family: string;
  readonly paper: Paper;
  readonly accepts: readonly (keyof ZooOptions)[];
  /** The published network: every option this family accepts, except the seed. */
  readonly defaults: ZooOptions & { readonly size: number; readonly classes: number; readonly width: number };
  readonly published: readonly Published[];
  /** Of the network as published, where no weights to download have one of theirs. */
  readonly top1?: KnownTop1;
  /** Outputs of option `aux`, and their weights in the training loss. */
  readonly auxiliary?: readonly AuxiliaryOutput[];
  build(options: ZooOptions): Model;
}

/** Largest values, so that a slip of the keyboard asks for no terabytes. */
const LIMITS = { width: 16, size: 4096, classes: 100_000 } as const;

/** Refuses options that a family does not have, and values out of range. @throws UsageError naming the option */
export function checkOptions(
  arch: string,
  accepts: readonly (keyof ZooOptions)[],
  options: ZooOptions,
): void {
  for (const [key, value] of Object.entries(options))
    if (value !== undefined && !accepts.some((a) => a === key))
      throw new UsageError({
        problem: `${arch} has no option '${key}'`,
        expected: accepts.join(', '),
      });
  const { width, size, classes, seed } = options;
  if (width !== undefined && !(width > 0 && width <= LIMITS.width))
    throw new UsageError({
      problem: `${arch}: width`,
      expected: `above 0 and at most ${LIMITS.width}`,
      found: `${width}`,
    });
  if (seed !== undefined && !Number.isSafeInteger(seed))
    throw new UsageError({ problem: `${arch}: seed`, expected: 'an integer', found: `${seed}` });
  for (const [name, value] of [
    ['size', size],
    ['classes', classes],
  ] as const)
    if (value !== undefined && !(Number.isInteger(value) && value >= 1 && value <= LIMITS[name]))
      throw new UsageError({
        problem: `${arch}: ${name}`,
        expected: `an integer from 1 to ${LIMITS[name]}`,
        found: `${value}`,
      });
}
