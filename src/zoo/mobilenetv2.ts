/**
 * MobileNetV2 (Sandler et al., 2018, arXiv:1801.04381, table 2): inverted residual blocks, 1x1 expansion by t, depthwise
 * 3x3, linear 1x1 projection; a residual where stride is 1 and channels agree. Names, residuals and initialization are
 * torchvision's (kaiming_normal, fan_out, for convolutions; normal 0.01 for the classifier); its dropout of 0.2 before the
 * classifier is left out of the inference graph.
 *
 * Width multiplier: channels become makeDivisible(width·c), the rule that the authors' TensorFlow code and torchvision
 * share; the last 1x1 convolution keeps 1280 channels below width 1 and grows above it (paper, section 4).
 *
 * Stem `cifar`, for 32-pixel images: the first convolution and the 24-channel stage have stride 1 instead of 2, so that the
 * last feature map of a 32-pixel image is 4x4, as the CIFAR networks of kuangliu/pytorch-cifar and
 * chenyaofo/pytorch-cifar-models have it.
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { Network } from './network.js';

/** One row of table 2: expansion, output channels, repeats, stride of the first repeat. */
export interface InvertedResidualStage {
  readonly t: number;
  readonly c: number;
  readonly n: number;
  readonly s: number;
}

export const MOBILENETV2_STAGES: readonly InvertedResidualStage[] = [
  { t: 1, c: 16, n: 1, s: 1 },
  { t: 6, c: 24, n: 2, s: 2 },
  { t: 6, c: 32, n: 3, s: 2 },
  { t: 6, c: 64, n: 4, s: 2 },
  { t: 6, c: 96, n: 3, s: 1 },
  { t: 6, c: 160, n: 3, s: 2 },
  { t: 6, c: 320, n: 1, s: 1 },
];

export interface MobileNetV2Options extends ZooOptions {
  /** Channels are multiples of this. Default: 8. */
  readonly divisor?: number;
  readonly stages?: readonly InvertedResidualStage[];
  /** Channels of the last 1x1 convolution. Default: 1280, more above width 1. */
  readonly lastChannels?: number;
}

/**
 * `value` rounded to the nearest multiple of `divisor`, half up, at least `divisor`, and one multiple higher where rounding
 * would lose more than a tenth.
 */
export function makeDivisible(value: number, divisor = 8): number {
  const rounded = Math.max(divisor, Math.floor((value + divisor / 2) / divisor) * divisor);
  return rounded < 0.9 * value ? rounded + divisor : rounded;
}

const ACCEPTS = ['width', 'size', 'classes', 'seed', 'stem'] as const;
const HE = { kind: 'he', fan: 'out' } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function mobileNetV2(options: MobileNetV2Options = {}): Model {
  const { divisor = 8, stages = MOBILENETV2_STAGES, lastChannels, ...common } = options;
  checkOptions('mobilenetv2', ACCEPTS, common);
  const { width = 1, classes = 1000, seed = 0, stem = 'imagenet' } = options;
  const size = options.size ?? (stem === 'cifar' ? 32 : 224);
  if (stem !== 'imagenet' && stem !== 'cifar')
    throw new UsageError({
      problem: 'mobilenetv2: stem',
      expected: 'imagenet or cifar',
      found: `${String(stem)}`,
    });
  const net = new Network('mobilenetv2', size, seed);
  const first = makeDivisible(32 * width, divisor);
  let x = convBnRelu6(net, 'features.0', net.input, {
    in: 3,
    out: first,
    kernel: 3,
    stride: stem === 'cifar' ? 1 : 2,
  });
  let channels = first;
  let block = 1;
  for (const [i, { t, c, n, s }] of stages.entries()) {
    const out = makeDivisible(c * width, divisor);
    // The second stage is the first strided one (24 channels, stride 2).
    const firstStride = stem === 'cifar' && i === 1 ? 1 : s;
    for (let repeat = 0; repeat < n; repeat++, block++) {
      const stride = repeat === 0 ? firstStride : 1;
      x = invertedResidual(net, `features.${block}`, x, { in: channels, out, expansion: t, stride });
      channels = out;
    }
  }
  const last = lastChannels ?? makeDivisible(1280 * Math.max(1, width), divisor);
  x = convBnRelu6(net, `features.${block}`, x, { in: channels, out: last, kernel: 1 });
  const init = { kind: 'normal', std: 0.01 } as const;
  net.logits('classifier.1', net.globalAverage(x), { in: last, classes, init });
  const published = divisor === 8 && stages === MOBILENETV2_STAGES && lastChannels === undefined;
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: published ? 'mobilenetv2' : 'mobilenetv2-custom', width, size, classes, seed, stem },
    presetPreprocess(stem === 'cifar' ? 'cifar10' : 'imagenet', size),
  );
}

interface ConvBnLayer {
  readonly in: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride?: number;
  readonly groups?: number;
}

function convBnRelu6(net: Network, path: string, x: Value, layer: ConvBnLayer): Value {
  const y = net.conv(`${path}.0`, x, { ...layer, init: HE });
  return net.relu6(`${path}.2`, net.batchNorm(`${path}.1`, y, layer.out));
}

interface Block {
  readonly in: number;
  readonly out: number;
  readonly expansion: number;
  readonly stride: number;
}

function invertedResidual(net: Network, path: string, x: Value, block: Block): Value {
  const hidden = Math.round(block.in * block.expansion);
  let y = x;
  // torchvision numbers the layers without a gap: expansion 1 has no expanding layer.
  let layer = 0;
  if (block.expansion !== 1)
    y = convBnRelu6(net, `${path}.conv.${layer++}`, y, { in: block.in, out: hidden, kernel: 1 });
  y = convBnRelu6(net, `${path}.conv.${layer++}`, y, {
    in: hidden,
    out: hidden,
    kernel: 3,
    stride: block.stride,
    groups: hidden,
  });
  y = net.conv(`${path}.conv.${layer++}`, y, { in: hidden, out: block.out, kernel: 1, init: HE });
  y = net.batchNorm(`${path}.conv.${layer}`, y, block.out);
  return block.stride === 1 && block.in === block.out ? net.add(`${path}.add`, x, y) : y;
}

/** Table of the authors' code (also in the documentation of tf.keras.applications.mobilenet_v2), 1000 classes. */
const AUTHORS: readonly (readonly [
  width: number,
  parametersM: number,
  ...(readonly [size: number, multAddsM: number])[],
])[] = [
  [1.4, 6.06, [224, 582]],
  [1.3, 5.34, [224, 509]],
  [1, 3.47, [224, 300], [192, 221], [160, 154], [128, 99], [96, 56]],
  [0.75, 2.61, [224, 209], [192, 153], [160, 107], [128, 69], [96, 39]],
  [0.5, 1.95, [224, 97], [192, 71], [160, 50], [128, 32], [96, 18]],
  [0.35, 1.66, [224, 59], [192, 43], [160, 30], [128, 20], [96, 11]],
];

const published: readonly Published[] = [
  {
    options: { width: 1 },
    parametersM: 3.504872,
    multAddsM: 301,
    rule: 'all',
    source: 'torchvision 0.28, MobileNet_V2_Weights: num_params 3504872, _ops 0.301 G',
  },
  ...(
    [
      [1.4, 6.11],
      [0.75, 2.64],
      [0.5, 1.97],
      [0.35, 1.68],
    ] as const
  ).map(
    ([width, parametersM]): Published => ({
      options: { width },
      parametersM,
      rule: 'all',
      source: 'timm, results/model_metadata-in1k.csv and model cards: mobilenetv2_140, _075, _050, _035',
    }),
  ),
  ...AUTHORS.flatMap(([width, parametersM, ...sizes]) =>
    sizes.map(
      ([size, multAddsM]): Published => ({
        options: { width, size },
        parametersM,
        multAddsM,
        rule: 'without-bn',
        source: 'tensorflow/models, research/slim/nets/mobilenet: table of MobileNetV2 checkpoints',
      }),
    ),
  ),
  ...(
    [
      [0.5, 0.7, 27.97],
      [0.75, 1.37, 59.31],
      [1, 2.24, 87.98],
      [1.4, 4.33, 170.07],
    ] as const
  ).map(
    ([width, parametersM, multAddsM]): Published => ({
      options: { width, stem: 'cifar', size: 32, classes: 10 },
      parametersM,
      multAddsM,
      rule: 'all',
      source: 'chenyaofo/pytorch-cifar-models, README, CIFAR-10',
    }),
  ),
];

export const MOBILENETV2: ZooEntry = {
  name: 'mobilenetv2',
  family: 'MobileNetV2',
  paper: { title: 'MobileNetV2: Inverted Residuals and Linear Bottlenecks', year: 2018, arxiv: '1801.04381' },
  accepts: ACCEPTS,
  defaults: { width: 1, size: 224, classes: 1000, stem: 'imagenet' },
  published,
  build: mobileNetV2,
};
