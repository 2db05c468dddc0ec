import type { Model } from '../../src/onnx/index.js';
import { expand } from '../../src/reparam/index.js';
import { buildModel } from '../../src/zoo/index.js';

/** What is trained: a network, its images and the batch. Peers build the same (bench/peers). */
export interface Network {
  /** For people. */
  readonly name: string;
  /** Name in the zoo, and in bench/peers/networks.py. */
  readonly arch: string;
  readonly options: {
    readonly width: number;
    readonly size: number;
    readonly classes: number;
    /** null: the family has no choice of stems. */
    readonly stem: 'imagenet' | 'cifar' | null;
  };
  readonly batch: number;
}

const IMAGENET = { width: 1, size: 224, classes: 1000 } as const;

export const NETWORKS = {
  mobilenetv2: {
    name: 'MobileNetV2',
    arch: 'mobilenetv2',
    options: { ...IMAGENET, stem: 'imagenet' },
    batch: 16,
  },
  mobilenetv3large: {
    name: 'MobileNetV3-L',
    arch: 'mobilenetv3large',
    options: { ...IMAGENET, stem: null },
    batch: 16,
  },
  resnet18: {
    name: 'ResNet-18',
    arch: 'resnet18',
    options: { ...IMAGENET, stem: null },
    batch: 16,
  },
  resnet50: {
    name: 'ResNet-50',
    arch: 'resnet50',
    options: { ...IMAGENET, stem: null },
    batch: 8,
  },
  resnet20: {
    name: 'ResNet-20',
    arch: 'resnet20',
    options: { width: 1, size: 32, classes: 10, stem: null },
    batch: 128,
  },
  'mobilenetv2-small': {
    name: 'MobileNetV2 0.25',
    arch: 'mobilenetv2',
    options: { width: 0.25, size: 32, classes: 10, stem: 'cifar' },
    batch: 64,
  },
} as const satisfies Record<string, Network>;

export type NetworkName = keyof typeof NETWORKS;
export const NETWORK_NAMES = keysOf(NETWORKS);
/** Those that are measured when none is named. */
export const USUAL_NETWORKS = ['mobilenetv2', 'mobilenetv3large', 'resnet18', 'resnet20'] as const;

/** Other images or another batch than the network's own, for a quick check. */
export interface Scale {
  readonly size?: number;
  readonly batch?: number;
}

/** The network at another scale. */
export function scaled(name: NetworkName, { size, batch }: Scale): Network {
  const network: Network = NETWORKS[name];
  return {
    ...network,
    batch: batch ?? network.batch,
    options: { ...network.options, ...(size !== undefined && { size }) },
  };
}

/** `ResNet-18 224², batch 16` */
export function titleOf({ name, options, batch }: Network): string {
  return `${name} ${options.size}², batch ${batch}`;
}

/** Plain convolutions, or every k×k one refocused (RefConv, map kernel 3, from zero). */
export const TRAININGS = ['plain', 'refocus'] as const;
export type Training = (typeof TRAININGS)[number];

/** Who trains; what is measured with it. Only PyTorch has the published RefConv. */
export const SIDES = {
  reparam: { title: 'reparam', trainings: TRAININGS },
  eager: { title: 'PyTorch eager', trainings: TRAININGS },
  channels_last: { title: 'PyTorch channels_last', trainings: ['plain'] },
  compile: { title: 'PyTorch torch.compile', trainings: ['plain'] },
  tensorflow: { title: 'TensorFlow graph', trainings: ['plain'] },
  tfjs: { title: 'tfjs-node', trainings: ['plain'] },
} as const satisfies Record<string, { readonly title: string; readonly trainings: readonly Training[] }>;

export type Side = keyof typeof SIDES;
export type Peer = Exclude<Side, 'reparam'>;
export const SIDE_NAMES = keysOf(SIDES);

/** Whether a side is measured with a training. */
export function measures(side: Side, training: Training): boolean {
  const trainings: readonly Training[] = SIDES[side].trainings;
  return trainings.includes(training);
}

/** The untrained network, before any expansion; its weights depend on nothing but the seed. */
export function plainModel({ arch, options }: Network): Model {
  const { stem, ...common } = options;
  return buildModel(arch, { ...common, ...(stem === null ? {} : { stem }), seed: 0 });
}

/** The network as it is trained. */
export function trainedForm(network: Network, training: Training): Model {
  return expanded(plainModel(network), training);
}

/** A plain network as it is trained. */
export function expanded(model: Model, training: Training): Model {
  switch (training) {
    case 'plain':
      return model;
    case 'refocus':
      return expand(model, { method: 'refconv', init: 'zero', mapKernel: 3 }).model;
    default:
      return training satisfies never;
  }
}

function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): readonly Key[] {
  const known = (key: string): key is Key => Object.hasOwn(table, key);
  return Object.keys(table).filter(known);
}
