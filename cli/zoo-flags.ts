import type { ZooOptions } from '../src/zoo/index.js';
import { type FlagsFor, integer, number, oneOf, toggle, type Values } from './flags.js';
import { GROUPS } from './groups.js';

const zoo = { group: GROUPS.zoo } as const;

/** How a network of the zoo is built; its seed, which means the weights, is not among it. */
export const zooFlags = {
  width: {
    kind: number({ above: 0, atMost: 16 }),
    describe: 'Channel multiplier [default: as published]',
    maybe: true,
    ...zoo,
  },
  size: {
    kind: integer(1, { most: 4096 }),
    describe: 'Side of the input, pixels [default: as published]',
    maybe: true,
    ...zoo,
  },
  classes: {
    kind: integer(1, { most: 100_000 }),
    describe: 'Classes [default: as published]',
    maybe: true,
    ...zoo,
  },
  stem: {
    kind: oneOf('imagenet', 'cifar'),
    describe:
      'MobileNetV2: strides of the first layers, as published or for 32-pixel images [default: imagenet]',
    maybe: true,
    ...zoo,
  },
  shortcut: {
    kind: oneOf('A', 'B', 'C'),
    describe:
      'ResNets: where dims change pad channels with zeros (A) or project by a convolution (B); project in every block (C, ImageNet networks) [default: A for CIFAR, B for ImageNet]',
    maybe: true,
    ...zoo,
  },
  variant: {
    kind: oneOf('v1', 'v1.5'),
    describe:
      'ImageNet ResNets from 50 layers: stride in the first 1x1 or in the 3x3 convolution [default: v1.5]',
    maybe: true,
    ...zoo,
  },
  zeroGamma: {
    kind: toggle,
    describe: 'ResNets: the last BatchNormalization scale of each block starts at 0',
    maybe: true,
    ...zoo,
  },
  aux: {
    kind: toggle,
    describe: 'GoogLeNet: with the auxiliary classifiers, outputs aux1 and aux2',
    maybe: true,
    ...zoo,
  },
} as const satisfies FlagsFor<Omit<ZooOptions, 'seed'>>;

type Parsed = Values<typeof zooFlags>;

/** Those that were given, without what else a command has. */
export function givenZooOptions(
  args: {
    readonly [K in keyof Parsed]?: Parsed[K] | undefined;
  },
): Omit<ZooOptions, 'seed'> {
  const { width, size, classes, stem, shortcut, variant, zeroGamma, aux } = args;
  return {
    ...(width !== undefined && { width }),
    ...(size !== undefined && { size }),
    ...(classes !== undefined && { classes }),
    ...(stem !== undefined && { stem }),
    ...(shortcut !== undefined && { shortcut }),
    ...(variant !== undefined && { variant }),
    ...(zeroGamma && { zeroGamma }),
    ...(aux && { aux }),
  };
}
