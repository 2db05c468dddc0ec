/**
 * AlexNet (Krizhevsky, Sutskever and Hinton, NIPS 2012): five convolutions, the first 11x11 of stride 4, overlapping 3x3 max
 * pools of stride 2 after the first, second and fifth, two hidden layers of 4096 with dropout, fully connected.
 *
 * alexnet: the paper's network. Convolutions 2, 4 and 5 see one half of the channels each (the two GPUs): two groups. Local
 * response normalization after the first two convolutions, (2 + 10⁻⁴ · Σ of 5 squares)^0.75 as the paper writes it (ONNX
 * divides its alpha by the size). The input is 227 pixels: the paper's 224 do not give its 55x55 maps. Weights start as
 * N(0, 0.01²), biases at 1 in convolutions 2, 4 and 5 and in the hidden layers, at 0 elsewhere (paper, section 5).
 * alexnet-one-tower: the same without groups.
 * alexnet-torchvision: that of One weird trick for parallelizing convolutional neural networks (Krizhevsky, 2014,
 * arXiv:1404.5997) as torchvision has it: one tower of 64, 192, 384, 256 and 256 channels, no normalization, 224 pixels, means
 * over a 6x6 grid, so that any size has the same weights. Weights start as PyTorch's default has it (evenly in ±1/√fan_in),
 * biases at 0.
 *
 * Names are torchvision's; with normalization layers, which also take numbers, `features` counts on. A width multiplier
 * scales channels and hidden layers: max(1, round(width·c)), in multiples of the groups.
 */
import { type Preprocess, presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { mapOf } from './channels.js';
import { checkOptions, type Paper, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import type { Init } from './init.js';
import { Network } from './network.js';
import { adaptiveAverage } from './pooling.js';

/** What ONNX's operator takes: x / (bias + alpha / size · Σ of size squares)^beta. */
export interface LocalResponseNorm {
  readonly size: number;
  readonly alpha: number;
  readonly beta: number;
  readonly bias: number;
}

/** A convolution, rectified. */
export interface AlexNetLayer {
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly padding: number;
  readonly groups?: number;
  /** First value of the bias. Default: 0. */
  readonly bias?: number;
  readonly norm?: LocalResponseNorm;
  /** A 3x3 max pool of stride 2 behind it. */
  readonly pool?: boolean;
}

export interface AlexNetOptions extends ZooOptions {
  /** In place of the published convolutions. */
  readonly layers?: readonly AlexNetLayer[];
  /** In place of 4096. */
  readonly hidden?: number;
  /** torchvision's: side of the grid of means, in place of 6. */
  readonly grid?: number;
}

export const ALEXNET_VARIANTS = ['alexnet', 'alexnetonetower', 'alexnettorchvision'] as const;
export type AlexNetVariant = (typeof ALEXNET_VARIANTS)[number];

interface Architecture {
  readonly layers: readonly AlexNetLayer[];
  readonly size: number;
  readonly grid: number | undefined;
  readonly hiddenBias: number;
  readonly init: (fanIn: number) => Init;
  readonly preprocess: (size: number) => Preprocess;
  readonly paper: Paper;
  readonly published: readonly Published[];
}

const NORM = { size: 5, alpha: 5e-4, beta: 0.75, bias: 2 } as const;

function paperLayers(groups: number): readonly AlexNetLayer[] {
  return [
    { out: 96, kernel: 11, stride: 4, padding: 0, norm: NORM, pool: true },
    { out: 256, kernel: 5, padding: 2, groups, bias: 1, norm: NORM, pool: true },
    { out: 384, kernel: 3, padding: 1 },
    { out: 384, kernel: 3, padding: 1, groups, bias: 1 },
    { out: 256, kernel: 3, padding: 1, groups, bias: 1, pool: true },
  ];
}

const PAPER_NETWORK = {
  size: 227,
  grid: undefined,
  hiddenBias: 1,
  init: () => ({ kind: 'normal', std: 0.01 }),
  // Shorter side 256, then the crop; the mean colour stands for the paper's mean image.
  preprocess: (size) => ({ ...presetPreprocess('caffe', size), resize: Math.round((size * 256) / 227) }),
  paper: {
    title: 'ImageNet Classification with Deep Convolutional Neural Networks',
    year: 2012,
    venue: 'NIPS',
  },
} as const satisfies Partial<Architecture>;

const ARCHITECTURES: Readonly<Record<AlexNetVariant, Architecture>> = {
  alexnet: {
    ...PAPER_NETWORK,
    layers: paperLayers(2),
    published: [
      { options: {}, parametersM: 60, rule: 'all', source: 'Krizhevsky et al. 2012, abstract: 60 million' },
    ],
  },
  alexnetonetower: { ...PAPER_NETWORK, layers: paperLayers(1), published: [] },
  alexnettorchvision: {
    layers: [
      { out: 64, kernel: 11, stride: 4, padding: 2, pool: true },
      { out: 192, kernel: 5, padding: 2, pool: true },
      { out: 384, kernel: 3, padding: 1 },
      { out: 256, kernel: 3, padding: 1 },
      { out: 256, kernel: 3, padding: 1, pool: true },
    ],
    size: 224,
    grid: 6,
    hiddenBias: 0,
    init: (fanIn) => ({ kind: 'uniform', bound: 1 / Math.sqrt(fanIn) }),
    preprocess: (size) => presetPreprocess('imagenet', size),
    paper: {
      title: 'One weird trick for parallelizing convolutional neural networks',
      year: 2014,
      arxiv: '1404.5997',
    },
    published: [
      {
        options: {},
        parametersM: 61.10084,
        multAddsM: 714,
        rule: 'all',
        source: 'torchvision 0.28, AlexNet_Weights: num_params 61100840, _ops 0.714 G',
      },
    ],
  },
};

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function alexNet(variant: AlexNetVariant, options: AlexNetOptions = {}): Model {
  const { layers, hidden, grid, ...common } = options;
  checkOptions(variant, ACCEPTS, common);
  const published = ARCHITECTURES[variant];
  const { width = 1, size = published.size, classes = 1000, seed = 0 } = options;
  const scaled = (c: number, groups: number): number =>
    Math.max(1, Math.round((c * width) / groups)) * groups;
  const planned = layers ?? published.layers;
  // A grouped layer's channels, and those of the layer that feeds it, are multiples of the groups.
  const multiple = Math.max(...planned.map((l) => l.groups ?? 1));
  const net = new Network(variant, size, seed);
  let x = net.input;
  let channels = 3;
  let index = 0;
  const next = (): string => `features.${index++}`;
  for (const layer of planned) {
    const { out: unscaled, kernel, stride = 1, padding, groups = 1, bias = 0, norm, pool } = layer;
    const out = scaled(unscaled, multiple);
    const init = published.init((channels / groups) * kernel ** 2);
    x = net.conv(next(), x, { in: channels, out, kernel, stride, padding, groups, bias, init });
    x = net.relu(next(), x);
    if (norm) x = net.builder.op('LRN', [x], normAttributes(norm), { name: next() });
    if (pool) x = net.maxPool(next(), x, { kernel: 3, stride: 2 });
    channels = out;
  }
  const sides = grid ?? published.grid;
  if (sides !== undefined) x = adaptiveAverage(net, 'avgpool', x, sides);
  const [height, across] = mapOf(x);
  const inner = scaled(hidden ?? 4096, 1);
  x = net.builder.op('Flatten', [x], { axis: 1 }, { name: 'flatten' });
  x = hiddenLayer(net, 0, x, channels * height * across, inner, published);
  x = hiddenLayer(net, 3, x, inner, inner, published);
  net.logits('classifier.6', x, { in: inner, classes, init: published.init(inner) });
  const custom = layers || hidden !== undefined || grid !== undefined;
  const arch = custom ? `${variant}-custom` : variant;
  return net.model({ arch, width, size, classes, seed }, published.preprocess(size));
}

function normAttributes({ size, alpha, beta, bias }: LocalResponseNorm) {
  return { size, alpha: { float: alpha }, beta: { float: beta }, bias: { float: bias } };
}

/** Dropout, fully connected, rectified: three numbers of `classifier`. */
function hiddenLayer(
  net: Network,
  first: number,
  x: Value,
  fanIn: number,
  out: number,
  { init, hiddenBias }: Architecture,
): Value {
  const kept = net.dropout(`classifier.${first}`, x, 0.5);
  const layer = { in: fanIn, out, bias: hiddenBias, init: init(fanIn) };
  return net.relu(`classifier.${first + 2}`, net.linear(`classifier.${first + 1}`, kept, layer));
}

export const ALEXNETS: readonly ZooEntry[] = ALEXNET_VARIANTS.map((name): ZooEntry => {
  const { size, paper, published } = ARCHITECTURES[name];
  return {
    name,
    family: 'AlexNet',
    paper,
    accepts: ACCEPTS,
    defaults: { width: 1, size, classes: 1000 },
    published,
    build: (options) => alexNet(name, options),
  };
});
