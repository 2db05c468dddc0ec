import type { Model } from '../../src/onnx/index.js';
import { expand } from '../../src/reparam/index.js';
import { buildModel } from '../../src/zoo/index.js';

/** What is trained: a network, its images and the batch. Peers build the same (bench/peers/networks.py). */
interface Network {
  /** For people. */
  readonly title: string;
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

export const NETWORKS = {
  resnet20: {
    title: 'ResNet-20 32², batch 128',
    arch: 'resnet20',
    options: { width: 1, size: 32, classes: 10, stem: null },
    batch: 128,
  },
  mobilenetv2: {
    title: 'MobileNetV2 224², batch 16',
    arch: 'mobilenetv2',
    options: { width: 1, size: 224, classes: 1000, stem: 'imagenet' },
    batch: 16,
  },
  'mobilenetv2-small': {
    title: 'MobileNetV2 0.25 32², batch 64',
    arch: 'mobilenetv2',
    options: { width: 0.25, size: 32, classes: 10, stem: 'cifar' },
    batch: 64,
  },
} as const satisfies Record<string, Network>;

export type NetworkName = keyof typeof NETWORKS;
export const NETWORK_NAMES = keysOf(NETWORKS);

/** Plain convolutions, or every k×k one refocused (RefConv, explicit, map kernel 3, from zero). */
export const FORMS = ['plain', 'refconv'] as const;
export type Form = (typeof FORMS)[number];

/** Who trains; the forms that are measured with it. */
export const SIDES = {
  reparam: { title: 'reparam', forms: FORMS },
  eager: { title: 'PyTorch eager', forms: FORMS },
  channels_last: { title: 'PyTorch channels_last', forms: ['plain'] },
} as const satisfies Record<string, { readonly title: string; readonly forms: readonly Form[] }>;

export type Side = keyof typeof SIDES;
export const SIDE_NAMES = keysOf(SIDES);

/** Whether a side is measured with a form. */
export function measures(side: Side, form: Form): boolean {
  const forms: readonly Form[] = SIDES[side].forms;
  return forms.includes(form);
}

/** The untrained network, before any form; its weights depend on nothing but the seed. */
export function plainModel(name: NetworkName): Model {
  const { arch, options } = NETWORKS[name];
  const { stem, ...common } = options;
  return buildModel(arch, { ...common, ...(stem === null ? {} : { stem }), seed: 0 });
}

/** The network as it is trained. */
export function trainedForm(name: NetworkName, form: Form): Model {
  return asForm(plainModel(name), form);
}

/** A plain network in a form. */
export function asForm(model: Model, form: Form): Model {
  switch (form) {
    case 'plain':
      return model;
    case 'refconv':
      return expand(model, { method: 'refconv', init: 'zero', mapKernel: 3 }).model;
    default:
      return form satisfies never;
  }
}

function keysOf<Key extends string>(table: Readonly<Record<Key, unknown>>): readonly Key[] {
  const known = (key: string): key is Key => Object.hasOwn(table, key);
  return Object.keys(table).filter(known);
}
