/**
 * VGG (Simonyan and Zisserman, 2014, arXiv:1409.1556, table 1, configurations A, B, D and E: 11, 13, 16 and 19 layers): 3x3
 * convolutions in five groups, a 2x2 max pool of stride 2 after each group, two hidden layers of 4096 with dropout, fully
 * connected. The variants with BatchNormalization after every convolution are torchvision's.
 *
 * Names, structure and initialization are torchvision's: means over a 7x7 grid before the hidden layers (the map of a
 * 224-pixel image as it is), so that any size has the same weights; He's normal, fan_out, for convolutions, normal 0.01 for
 * the others. A width multiplier scales channels and hidden layers: max(1, round(width·c)).
 */
import { presetPreprocess } from '../base/preprocess.js';
import type { Model } from '../onnx/index.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { Network } from './network.js';
import { adaptiveAverage } from './pooling.js';

interface Architecture {
  /** Convolutions of each group. */
  readonly groups: readonly number[];
  /** The paper's table 2. */
  readonly paperM: number;
  /** torchvision's counts, without and with BatchNormalization. */
  readonly parameters: readonly [plain: number, normalized: number];
  readonly multAddsM: number;
}

const ARCHITECTURES = {
  11: { groups: [1, 1, 2, 2, 2], paperM: 133, parameters: [132863336, 132868840], multAddsM: 7609 },
  13: { groups: [2, 2, 2, 2, 2], paperM: 133, parameters: [133047848, 133053736], multAddsM: 11308 },
  16: { groups: [2, 2, 3, 3, 3], paperM: 138, parameters: [138357544, 138365992], multAddsM: 15470 },
  19: { groups: [2, 2, 4, 4, 4], paperM: 144, parameters: [143667240, 143678248], multAddsM: 19632 },
} as const satisfies Record<number, Architecture>;

export type VggDepth = keyof typeof ARCHITECTURES;
export const VGG_DEPTHS = [11, 13, 16, 19] as const satisfies readonly VggDepth[];

const CHANNELS = [64, 128, 256, 512, 512] as const;
const HIDDEN = 4096;
const GRID = 7;
const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const CONV = { kind: 'he', fan: 'out' } as const;
const DENSE = { kind: 'normal', std: 0.01 } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function vgg(depth: VggDepth, batchNorm: boolean, options: ZooOptions = {}): Model {
  const arch = nameOf(depth, batchNorm);
  checkOptions(arch, ACCEPTS, options);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const net = new Network(arch, size, seed);
  let x = net.input;
  let channels = 3;
  let index = 0;
  const next = (): string => `features.${index++}`;
  for (const [group, convolutions] of ARCHITECTURES[depth].groups.entries()) {
    const out = scaled(CHANNELS[group]);
    for (let i = 0; i < convolutions; i++) {
      x = net.conv(next(), x, { in: channels, out, kernel: 3, bias: true, init: CONV });
      if (batchNorm) x = net.batchNorm(next(), x, out);
      x = net.relu(next(), x);
      channels = out;
    }
    x = net.maxPool(next(), x, { kernel: 2, stride: 2 });
  }
  x = adaptiveAverage(net, 'avgpool', x, GRID);
  x = net.builder.op('Flatten', [x], { axis: 1 }, { name: 'flatten' });
  const hidden = scaled(HIDDEN);
  for (const [first, fanIn] of [
    [0, channels * GRID ** 2],
    [3, hidden],
  ] as const) {
    x = net.linear(`classifier.${first}`, x, { in: fanIn, out: hidden, init: DENSE });
    x = net.dropout(`classifier.${first + 2}`, net.relu(`classifier.${first + 1}`, x), 0.5);
  }
  net.logits('classifier.6', x, { in: hidden, classes, init: DENSE });
  return net.model({ arch, width, size, classes, seed }, presetPreprocess('imagenet', size));
}

function nameOf(depth: VggDepth, batchNorm: boolean): string {
  return `vgg${depth}${batchNorm ? 'bn' : ''}`;
}

const PAPER = {
  title: 'Very Deep Convolutional Networks for Large-Scale Image Recognition',
  year: 2014,
  arxiv: '1409.1556',
} as const;

export const VGGS: readonly ZooEntry[] = [false, true].flatMap((batchNorm) =>
  VGG_DEPTHS.map((depth): ZooEntry => {
    const { paperM, parameters, multAddsM } = ARCHITECTURES[depth];
    const exact = parameters[batchNorm ? 1 : 0];
    const published: Published[] = [
      {
        options: {},
        parametersM: exact / 1e6,
        multAddsM,
        rule: 'all',
        source: `torchvision 0.28, VGG${depth}${batchNorm ? '_BN' : ''}_Weights: num_params ${exact}, _ops ${multAddsM / 1000} G`,
      },
    ];
    if (!batchNorm)
      published.push({
        options: {},
        parametersM: paperM,
        rule: 'all',
        source: 'Simonyan and Zisserman 2014, arXiv:1409.1556, table 2',
      });
    return {
      name: nameOf(depth, batchNorm),
      family: 'VGG',
      paper: PAPER,
      accepts: ACCEPTS,
      defaults: { width: 1, size: 224, classes: 1000 },
      published,
      build: (options) => vgg(depth, batchNorm, options),
    };
  }),
);
