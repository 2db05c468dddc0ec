/**
 * GoogLeNet (Szegedy et al., 2014, arXiv:1409.4842, table 1 and figure 3): Inception modules, whose four branches (1x1; 1x1,
 * 3x3; 1x1, 5x5; 3x3 max pool, 1x1) are joined along the channels. Two auxiliary classifiers, of the outputs of modules 4a
 * and 4d, help in training: option `aux`, graph outputs aux1 and aux2, of weight 0.3 each in the loss (metadata).
 *
 * googlenet: the paper's network, with local response normalization around the stem's 1x1 and 3x3 and means of 5x5 windows of
 * stride 3 before the auxiliary classifiers; initialization as BVLC published it (Xavier, evenly in ±√(3/fan_in); biases 0.2,
 * of the last layers 0). googlenet-bn: BatchNormalization after every convolution in place of the biases, none of the
 * other normalization. googlenet-torchvision: torchvision's, with BatchNormalization, 3x3 in place of 5x5, a last max pool of
 * 2x2, dropout 0.2, means over a 4x4 grid before the auxiliary classifiers; normal 0.01. study-googlenet: the paper's
 * without the stem's 1x1 reduction and without local response normalization.
 *
 * Dropout is 0.4 before the last layer and 0.7 in the auxiliary classifiers (paper, sections 5 and 6). Max pools keep a
 * last window that ends outside the map. Names are torchvision's. A width multiplier scales every branch and hidden layer:
 * max(1, round(width·c)).
 */
import type { AuxiliaryOutput } from '../base/auxiliary.js';
import { UsageError } from '../base/errors.js';
import { type Preprocess, presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { mapOf } from './channels.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { type GoogLeNetStyle, Inception, type InceptionChannels } from './inception.js';
import { Network } from './network.js';
import { adaptiveAverage } from './pooling.js';

/** A module, with what stands around it. */
export interface GoogLeNetModule {
  readonly name: string;
  readonly channels: InceptionChannels;
  /** Side of a max pool of stride 2 before it. */
  readonly pool?: number;
  /** Name of the auxiliary classifier that reads its output. */
  readonly aux?: string;
}

export interface GoogLeNetOptions extends ZooOptions {
  /** In place of 64, 64, 192: the stem's 7x7, 1x1 and 3x3. */
  readonly stemChannels?: readonly [number, number, number];
  /** In place of table 1's. */
  readonly modules?: readonly GoogLeNetModule[];
  /** In place of 128, 1024 and 4: an auxiliary classifier's 1x1, its hidden layer, and the grid of torchvision's means. */
  readonly head?: { readonly channels: number; readonly hidden: number; readonly grid: number };
  /** Of the third branch, in place of the variant's. */
  readonly kernel?: 5 | 3;
  /** Of BatchNormalization, in place of 0.001. */
  readonly epsilon?: number;
}

export const GOOGLENET_VARIANTS = [
  'googlenet',
  'googlenetbn',
  'googlenettorchvision',
  'studygooglenet',
] as const;
export type GoogLeNetVariant = (typeof GOOGLENET_VARIANTS)[number];

interface Architecture extends GoogLeNetStyle {
  readonly localNorm: boolean;
  /** A 1x1 convolution before the stem's 3x3. */
  readonly reduction: boolean;
  /** Of the max pool before module 5a. */
  readonly lastPool: number;
  readonly dropout: number;
  /** Before the auxiliary classifiers: 5x5 windows of stride 3, or a grid. */
  readonly means: 'windows' | 'grid';
  readonly preprocess: (size: number) => Preprocess;
  readonly published: readonly Published[];
}

const XAVIER: Pick<Architecture, 'init' | 'bias'> = {
  init: (fanIn) => ({ kind: 'uniform', bound: Math.sqrt(3 / fanIn) }),
  bias: 0.2,
};
const NORMAL: Pick<Architecture, 'init' | 'bias'> = { init: () => ({ kind: 'normal', std: 0.01 }), bias: 0 };

const PAPER_NETWORK: Architecture = {
  ...XAVIER,
  batchNorm: false,
  kernel: 5,
  localNorm: true,
  reduction: true,
  lastPool: 3,
  dropout: 0.4,
  means: 'windows',
  preprocess: (size) => presetPreprocess('caffe', size),
  published: [],
};

const ARCHITECTURES: Readonly<Record<GoogLeNetVariant, Architecture>> = {
  googlenet: {
    ...PAPER_NETWORK,
    published: [
      {
        options: {},
        multAddsM: 1500,
        multAddsRoundedToM: 100,
        rule: 'all',
        source: 'Szegedy et al. 2014, arXiv:1409.4842, section 1: a budget of 1.5 billion multiply-adds',
      },
    ],
  },
  googlenetbn: {
    ...PAPER_NETWORK,
    localNorm: false,
    batchNorm: true,
    preprocess: (size) => presetPreprocess('imagenet', size),
  },
  googlenettorchvision: {
    ...PAPER_NETWORK,
    ...NORMAL,
    batchNorm: true,
    kernel: 3,
    localNorm: false,
    lastPool: 2,
    dropout: 0.2,
    means: 'grid',
    // Its published weights are Google's, for pixels from -1 to 1.
    preprocess: (size) => presetPreprocess('tf', size),
    published: [
      {
        options: {},
        parametersM: 6.624904,
        multAddsM: 1498,
        rule: 'all',
        source: 'torchvision 0.28, GoogLeNet_Weights: num_params 6624904, _ops 1.498 G',
      },
    ],
  },
  studygooglenet: { ...PAPER_NETWORK, localNorm: false, reduction: false },
};

/** Table 1. */
export const GOOGLENET_MODULES: readonly GoogLeNetModule[] = [
  { name: 'inception3a', channels: [64, 96, 128, 16, 32, 32], pool: 3 },
  { name: 'inception3b', channels: [128, 128, 192, 32, 96, 64] },
  { name: 'inception4a', channels: [192, 96, 208, 16, 48, 64], pool: 3, aux: 'aux1' },
  { name: 'inception4b', channels: [160, 112, 224, 24, 64, 64] },
  { name: 'inception4c', channels: [128, 128, 256, 24, 64, 64] },
  { name: 'inception4d', channels: [112, 144, 288, 32, 64, 64], aux: 'aux2' },
  { name: 'inception4e', channels: [256, 160, 320, 32, 128, 128] },
  { name: 'inception5a', channels: [256, 160, 320, 32, 128, 128], pool: 3 },
  { name: 'inception5b', channels: [384, 192, 384, 48, 128, 128] },
];

const AUXILIARY = [
  { output: 'aux1', weight: 0.3 },
  { output: 'aux2', weight: 0.3 },
] as const satisfies readonly AuxiliaryOutput[];

const LOCAL_NORM = { size: 5, alpha: { float: 1e-4 }, beta: { float: 0.75 }, bias: { float: 1 } } as const;
const HEAD = { channels: 128, hidden: 1024, grid: 4 } as const;
const AUX_DROPOUT = 0.7;
const ACCEPTS = ['width', 'size', 'classes', 'seed', 'aux'] as const;

/**
 * Builds the network. Input [N, 3, size, size], output `logits` [N, classes], and with `aux` also aux1 and aux2.
 * @throws UsageError for bad options
 */
export function googLeNet(variant: GoogLeNetVariant, options: GoogLeNetOptions = {}): Model {
  const { stemChannels, modules, head, kernel, epsilon = 1e-3, ...common } = options;
  checkOptions(variant, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0, aux = false } = options;
  const style = { ...ARCHITECTURES[variant], ...(kernel !== undefined && { kernel }) };
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const net = new Network(variant, size, seed);
  const inception = new Inception(net, style, epsilon);
  const [first, reduced, last] = (stemChannels ?? [64, 64, 192]).map(scaled);
  let x = inception.conv('conv1', net.input, { in: 3, out: first, kernel: 7, stride: 2 });
  x = halve(net, 'maxpool1', x, 3);
  if (style.localNorm) x = net.builder.op('LRN', [x], LOCAL_NORM, { name: 'norm1' });
  if (style.reduction) x = inception.conv('conv2', x, { in: first, out: reduced, kernel: 1 });
  x = inception.conv('conv3', x, { in: style.reduction ? reduced : first, out: last, kernel: 3 });
  if (style.localNorm) x = net.builder.op('LRN', [x], LOCAL_NORM, { name: 'norm2' });
  let channels = last;
  const heads: { readonly name: string; readonly of: Value; readonly channels: number }[] = [];
  for (const [i, module] of (modules ?? publishedModules(style)).entries()) {
    if (module.pool !== undefined) x = halve(net, `maxpool${poolNumber(i)}`, x, module.pool);
    ({ x, channels } = inception.module(module.name, x, channels, module.channels.map(scaled)));
    if (aux && module.aux !== undefined) heads.push({ name: module.aux, of: x, channels });
  }
  const kept = net.dropout('dropout', net.globalAverage(x), style.dropout);
  net.logits('fc', kept, { in: channels, classes, init: style.init(channels) });
  for (const { name, of, channels: wide } of heads) auxiliaryHead(name, of, wide);
  const custom = stemChannels || modules || head || kernel || options.epsilon !== undefined;
  const arch = custom ? `${variant}-custom` : variant;
  const auxiliary = AUXILIARY.filter(({ output }) => heads.some((h) => h.name === output));
  return net.model({ arch, width, size, classes, seed, aux }, style.preprocess(size), auxiliary);

  /** The stem has the first max pool, the modules the others. */
  function poolNumber(upTo: number): number {
    const before = (modules ?? publishedModules(style)).slice(0, upTo + 1);
    return 1 + before.filter((m) => m.pool !== undefined).length;
  }

  function auxiliaryHead(name: string, of: Value, wide: number): void {
    const { channels: unscaled, hidden: unscaledHidden, grid } = head ?? HEAD;
    const [out, hidden] = [scaled(unscaled), scaled(unscaledHidden)];
    let y =
      style.means === 'grid' ? adaptiveAverage(net, `${name}.avgpool`, of, grid) : windowMeans(name, of);
    y = inception.conv(`${name}.conv`, y, { in: wide, out, kernel: 1 });
    const [height, across] = mapOf(y);
    y = net.builder.op('Flatten', [y], { axis: 1 }, { name: `${name}.flatten` });
    const fanIn = out * height * across;
    y = net.linear(`${name}.fc1`, y, { in: fanIn, out: hidden, bias: style.bias, init: style.init(fanIn) });
    y = net.dropout(`${name}.dropout`, net.relu(`${name}.relu`, y), AUX_DROPOUT);
    net.logits(`${name}.fc2`, y, { in: hidden, classes, init: style.init(hidden) }, name);
  }

  function windowMeans(name: string, of: Value): Value {
    const [height] = mapOf(of);
    if (height < 5)
      throw new UsageError({
        problem: `${variant}: auxiliary classifiers take means of 5x5 windows`,
        found: `a map of ${height} pixels from an image of ${size}`,
        hint: 'take larger images, or leave the auxiliary classifiers out',
      });
    return net.windowAverage(`${name}.avgpool`, of, { kernel: 5, stride: 3 });
  }
}

function publishedModules(style: Architecture): readonly GoogLeNetModule[] {
  return GOOGLENET_MODULES.map((m) => (m.name === 'inception5a' ? { ...m, pool: style.lastPool } : m));
}

function halve(net: Network, path: string, x: Value, kernel: number): Value {
  return net.maxPool(path, x, { kernel, stride: 2, ceil: true });
}

const PAPER = { title: 'Going Deeper with Convolutions', year: 2014, arxiv: '1409.4842' } as const;

export const GOOGLENETS: readonly ZooEntry[] = GOOGLENET_VARIANTS.map(
  (name): ZooEntry => ({
    name,
    family: 'GoogLeNet',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000, aux: false },
    auxiliary: AUXILIARY,
    published: ARCHITECTURES[name].published,
    build: (options) => googLeNet(name, options),
  }),
);
