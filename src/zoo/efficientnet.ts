/**
 * EfficientNet (Tan and Le, 2019, arXiv:1905.11946, table 1): MobileNetV2's inverted residuals with kernels of 3 and 5,
 * squeeze-and-excite on the depthwise output and SiLU. B1 to B7 are B0 with more channels, more blocks and larger images
 * (compound scaling; the factors are those of the authors' code).
 *
 * Names, residuals and initialization are torchvision's (kaiming_normal, fan_out, for convolutions; uniform within
 * 1/√classes for the classifier; biases 0), and so is BatchNormalization: PyTorch's ε and decay in B0 to B4, the paper's
 * decay of 0.99 and ε = 0.001 in B5 to B7, whose published weights come from the authors. Dropout before the classifier as
 * in the paper; its stochastic depth (0.2 at the last block) is left out. The squeeze has ⌊input channels / 4⌋ channels of
 * the block's input, at least 1.
 *
 * A width multiplier is a further factor on the compound one: every figure c of the table, the stem's too, becomes
 * makeDivisible(c·factor·width), expansions makeDivisible(in·t), and the last convolution has four times the channels of
 * the last block. Blocks of a stage: ⌈n·factor⌉.
 *
 * The paper's table 2 rounds its figures to two digits, and some are of another count (B2 has 9.2 M there; torchvision
 * and the authors' code 9.11 M).
 */
import type { Model, Value } from '../onnx/index.js';
import { sigmoid, silu } from './activations.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { makeDivisible } from './mobilenetv2.js';
import { type BatchNormInit, type ConvInit, Network } from './network.js';
import { type ImageCut, imagenetPreprocess } from './preprocess.js';
import { squeezeExcite } from './squeeze-excite.js';

/** One row of table 1: expansion, kernel, stride of the first block, output channels, blocks. */
export interface EfficientNetStage {
  readonly t: number;
  readonly kernel: 3 | 5;
  readonly s: 1 | 2;
  readonly c: number;
  readonly n: number;
}

const STAGES: readonly EfficientNetStage[] = [
  { t: 1, kernel: 3, s: 1, c: 16, n: 1 },
  { t: 6, kernel: 3, s: 2, c: 24, n: 2 },
  { t: 6, kernel: 5, s: 2, c: 40, n: 2 },
  { t: 6, kernel: 3, s: 2, c: 80, n: 3 },
  { t: 6, kernel: 5, s: 1, c: 112, n: 3 },
  { t: 6, kernel: 5, s: 2, c: 192, n: 4 },
  { t: 6, kernel: 3, s: 1, c: 320, n: 1 },
];
const STEM = 32;

export type EfficientNetScale = 0 | 1 | 2 | 3 | 4 | 5 | 6 | 7;
export const EFFICIENTNET_SCALES = [0, 1, 2, 3, 4, 5, 6, 7] as const satisfies readonly EfficientNetScale[];

interface Architecture {
  readonly width: number;
  readonly depth: number;
  readonly size: number;
  readonly dropout: number;
  /** Of torchvision's weights. */
  readonly cut: ImageCut;
  readonly parametersM: number;
  /** For images of cut.size. */
  readonly multAddsM: number;
}

/** Compound factors of the authors' code, with torchvision's cuts and its counts in millions. */
const ARCHITECTURES: Readonly<Record<EfficientNetScale, Architecture>> = {
  0: row([1, 1], 224, 0.2, [224, 256], [5.288548, 386]),
  1: row([1, 1.1], 240, 0.2, [240, 256], [7.794184, 687]),
  2: row([1.1, 1.2], 260, 0.3, [288, 288], [9.109994, 1088]),
  3: row([1.2, 1.4], 300, 0.3, [300, 320], [12.233232, 1827]),
  4: row([1.4, 1.8], 380, 0.4, [380, 384], [19.341616, 4394]),
  5: row([1.6, 2.2], 456, 0.4, [456, 456], [30.389784, 10266]),
  6: row([1.8, 2.6], 528, 0.5, [528, 528], [43.040704, 19068]),
  7: row([2, 3.1], 600, 0.5, [600, 600], [66.34796, 37746]),
};

function row(
  [width, depth]: readonly [number, number],
  size: number,
  dropout: number,
  [cut, resize]: readonly [number, number],
  [parametersM, multAddsM]: readonly [number, number],
): Architecture {
  const interpolation = 'bicubic';
  return { width, depth, size, dropout, cut: { size: cut, resize, interpolation }, parametersM, multAddsM };
}

export interface EfficientNetOptions extends ZooOptions {
  /** In place of table 1's. */
  readonly stages?: readonly EfficientNetStage[];
  /** Channels of the last convolution, as they are. Default: four times those of the last block. */
  readonly lastChannels?: number;
  /** Of BatchNormalization. */
  readonly epsilon?: number;
}

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const HE = { kind: 'he', fan: 'out' } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function efficientNet(scale: EfficientNetScale, options: EfficientNetOptions = {}): Model {
  const arch = `efficientnetb${scale}`;
  const table = ARCHITECTURES[scale];
  const { stages = STAGES, lastChannels, epsilon, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = table.size, classes = 1000, seed = 0 } = options;
  const scaled = (c: number): number => makeDivisible(c * table.width * width);
  const norm = {
    ...(scale >= 5 && { epsilon: 0.001, momentum: 0.99 }),
    ...(epsilon !== undefined && { epsilon }),
  };
  const net = new Network(arch, size, seed);
  let channels = scaled(STEM);
  let x = convBn(net, 'features.0', net.input, { in: 3, out: channels, kernel: 3, stride: 2 }, norm, true);
  for (const [i, { t, kernel, s, c, n }] of stages.entries()) {
    const out = scaled(c);
    for (let repeat = 0; repeat < Math.ceil(n * table.depth); repeat++) {
      const stride = repeat === 0 ? s : 1;
      x = block(net, `features.${i + 1}.${repeat}`, x, { in: channels, out, t, kernel, stride, norm });
      channels = out;
    }
  }
  const last = lastChannels ?? 4 * channels;
  x = convBn(net, `features.${stages.length + 1}`, x, { in: channels, out: last, kernel: 1 }, norm, true);
  const y = net.dropout('classifier.0', net.globalAverage(x), table.dropout);
  const init = { kind: 'uniform', bound: 1 / Math.sqrt(classes) } as const;
  net.logits('classifier.1', y, { in: last, classes, init });
  const published = stages === STAGES && lastChannels === undefined && epsilon === undefined;
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: published ? arch : `${arch}-custom`, width, size, classes, seed },
    imagenetPreprocess(size, table.cut),
  );
}

function convBn(
  net: Network,
  path: string,
  x: Value,
  layer: Omit<ConvInit, 'init'>,
  norm: BatchNormInit,
  activated: boolean,
): Value {
  const y = net.batchNorm(`${path}.1`, net.conv(`${path}.0`, x, { ...layer, init: HE }), layer.out, norm);
  return activated ? silu(net, `${path}.2`, y) : y;
}

interface Block {
  readonly in: number;
  readonly out: number;
  readonly t: number;
  readonly kernel: 3 | 5;
  readonly stride: number;
  readonly norm: BatchNormInit;
}

function block(
  net: Network,
  path: string,
  x: Value,
  { in: channels, out, t, kernel, stride, norm }: Block,
): Value {
  const expanded = makeDivisible(channels * t);
  let y = x;
  // torchvision numbers the layers without a gap: what is left out takes no number.
  let layer = 0;
  const next = (): string => `${path}.block.${layer++}`;
  if (expanded !== channels)
    y = convBn(net, next(), y, { in: channels, out: expanded, kernel: 1 }, norm, true);
  y = convBn(net, next(), y, { in: expanded, out: expanded, kernel, stride, groups: expanded }, norm, true);
  y = squeezeExcite(net, next(), y, {
    channels: expanded,
    squeezed: Math.max(1, Math.floor(channels / 4)),
    activation: silu,
    gate: sigmoid,
    init: HE,
  });
  y = convBn(net, next(), y, { in: expanded, out, kernel: 1 }, norm, false);
  return stride === 1 && channels === out ? net.add(`${path}.add`, y, x) : y;
}

const PAPER = {
  title: 'EfficientNet: Rethinking Model Scaling for Convolutional Neural Networks',
  year: 2019,
  arxiv: '1905.11946',
} as const;

export const EFFICIENTNETS: readonly ZooEntry[] = EFFICIENTNET_SCALES.map((scale): ZooEntry => {
  const { size, cut, parametersM, multAddsM } = ARCHITECTURES[scale];
  return {
    name: `efficientnetb${scale}`,
    family: 'EfficientNet',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size, classes: 1000 },
    published: [
      {
        options: cut.size === size ? {} : { size: cut.size },
        parametersM,
        multAddsM,
        rule: 'all',
        source: `torchvision 0.28, EfficientNet_B${scale}_Weights: num_params ${Math.round(parametersM * 1e6)}, _ops ${multAddsM / 1000} G`,
      },
    ],
    build: (options) => efficientNet(scale, options),
  };
});
