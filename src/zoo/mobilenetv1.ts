/**
 * MobileNet (Howard et al., 2017, arXiv:1704.04861, table 1): a 3x3 convolution of stride 2, then thirteen depthwise
 * separable convolutions, each a depthwise 3x3 and a 1x1, all with BatchNormalization and an activation; global average,
 * fully connected. The activation is ReLU6, as in the authors' TensorFlow code and in timm; the paper's text says ReLU.
 *
 * Names and initialization are timm's (`mobilenetv1_100`): normal with √(2 / fan_out) for convolutions, fan_out being that
 * of one group; evenly in ±1/√classes for the classifier. BatchNormalization has ε = 1e-5 as in timm (0.001 in the
 * authors' code and in Keras). The authors' dropout of 0.001 is left out, as in timm.
 *
 * Width multiplier: the authors' rule, max(8, ⌊width·c⌋) for every c of the table, also the first convolution's.
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { type ConvInit, Network } from './network.js';

export interface MobileNetV1Stage {
  readonly channels: number;
  readonly blocks: number;
}

/** Every stage but the first halves the map. */
export interface MobileNetV1Layout {
  /** Channels of the first convolution. */
  readonly stem: number;
  readonly stages: readonly MobileNetV1Stage[];
}

const LAYOUT: MobileNetV1Layout = {
  stem: 32,
  stages: [
    { channels: 64, blocks: 1 },
    { channels: 128, blocks: 2 },
    { channels: 256, blocks: 2 },
    { channels: 512, blocks: 6 },
    { channels: 1024, blocks: 2 },
  ],
};

export interface MobileNetV1Options extends ZooOptions {
  /** In place of table 1's; the width does not scale it. */
  readonly layout?: MobileNetV1Layout;
  /** Default: relu6. */
  readonly activation?: 'relu' | 'relu6';
}

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
/** Of a depthwise convolution fan_in is one group's fan_out. */
const DEPTHWISE = { kind: 'he', fan: 'in' } as const;
const DENSE = { kind: 'he', fan: 'out' } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function mobileNetV1(options: MobileNetV1Options = {}): Model {
  const { layout, activation = 'relu6', ...common } = options;
  checkOptions('mobilenetv1', ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { stem, stages } = layout ?? scaled(width);
  if (stages.length === 0) throw new UsageError({ problem: 'mobilenetv1: stages', expected: 'at least one' });
  const net = new Network('mobilenetv1', size, seed);
  const layer = (conv: string, norm: string, x: Value, init: ConvInit): Value => {
    const y = net.batchNorm(norm, net.conv(conv, x, init), init.out);
    return activation === 'relu' ? net.relu(`${norm}.act`, y) : net.relu6(`${norm}.act`, y);
  };
  let channels = stem;
  let x = layer('conv_stem', 'bn1', net.input, { in: 3, out: stem, kernel: 3, stride: 2, init: DENSE });
  for (const [stage, { channels: out, blocks }] of stages.entries()) {
    for (let index = 0; index < blocks; index++) {
      const path = `blocks.${stage}.${index}`;
      x = layer(`${path}.conv_dw`, `${path}.bn1`, x, {
        in: channels,
        out: channels,
        kernel: 3,
        stride: stage > 0 && index === 0 ? 2 : 1,
        groups: channels,
        init: DEPTHWISE,
      });
      x = layer(`${path}.conv_pw`, `${path}.bn2`, x, { in: channels, out, kernel: 1, init: DENSE });
      channels = out;
    }
  }
  const init = { kind: 'uniform', bound: 1 / Math.sqrt(classes) } as const;
  net.logits('classifier', net.globalAverage(x), { in: channels, classes, init });
  const published = layout === undefined && activation === 'relu6';
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: published ? 'mobilenetv1' : 'mobilenetv1-custom', width, size, classes, seed },
    presetPreprocess('tf', size),
  );
}

function scaled(width: number): MobileNetV1Layout {
  const rule = (c: number): number => Math.max(8, Math.floor(c * width));
  return {
    stem: rule(LAYOUT.stem),
    stages: LAYOUT.stages.map(({ channels, blocks }) => ({ channels: rule(channels), blocks })),
  };
}

const PAPER = {
  title: 'MobileNets: Efficient Convolutional Neural Networks for Mobile Vision Applications',
  year: 2017,
  arxiv: '1704.04861',
} as const;
const SOURCE = 'Howard et al. 2017, arXiv:1704.04861';

/** Tables 6 and 7. */
const published: readonly Published[] = [
  ...(
    [
      [1, 4.2, 569],
      [0.75, 2.6, 325],
      [0.5, 1.3, 149],
      [0.25, 0.5, 41],
    ] as const
  ).map(
    ([width, parametersM, multAddsM]): Published => ({
      options: { width },
      parametersM,
      multAddsM,
      rule: 'all',
      source: `${SOURCE}, table 6`,
    }),
  ),
  ...(
    [
      [192, 418],
      [160, 290],
      [128, 186],
    ] as const
  ).map(
    ([size, multAddsM]): Published => ({
      options: { size },
      parametersM: 4.2,
      multAddsM,
      rule: 'all',
      source: `${SOURCE}, table 7`,
    }),
  ),
  // Of the authors' table of checkpoints, the sizes that the paper does not have at width 0.5 and 0.25. Left out: what it
  // prints at width 0.75 (317, 233, 162, 104 M) and at 0.25 and 192 pixels (34 M), which neither the paper (325 M at 0.75)
  // nor the layer table in the authors' own mobilenet_v1.py (106,002,432 without the classifier at 0.75 and 128) bears out.
  ...(
    [
      [0.5, 192, 110],
      [0.5, 160, 77],
      [0.5, 128, 49],
      [0.25, 160, 21],
      [0.25, 128, 14],
    ] as const
  ).map(
    ([width, size, multAddsM]): Published => ({
      options: { width, size },
      multAddsM,
      rule: 'all',
      source: 'tensorflow/models, research/slim/nets/mobilenet_v1.md',
    }),
  ),
  ...(
    [
      [1, 4.23],
      [1.25, 6.27],
    ] as const
  ).map(
    ([width, parametersM]): Published => ({
      options: { width },
      parametersM,
      rule: 'all',
      source: 'timm, model cards: mobilenetv1_100, mobilenetv1_125',
    }),
  ),
];

export const MOBILENETV1: ZooEntry = {
  name: 'mobilenetv1',
  family: 'MobileNet',
  paper: PAPER,
  accepts: ACCEPTS,
  defaults: { width: 1, size: 224, classes: 1000 },
  published,
  build: mobileNetV1,
};
