/**
 * MobileNetV3 (Howard et al., 2019, arXiv:1905.02244, tables 1 and 2): MobileNetV2's inverted residuals with kernels of 3
 * and 5, squeeze-and-excite on the depthwise output, and hard swish in the first layer, the later blocks and the head. The
 * head pools before its last expansion: 1x1 convolution to six times the channels, global average, two fully connected
 * layers.
 *
 * Names, residuals and initialization are torchvision's (kaiming_normal, fan_out, for convolutions; normal 0.01 for fully
 * connected layers; biases 0; BatchNormalization with ε = 0.001 and the paper's decay of 0.99); its dropout of 0.2 before
 * the classifier is left out of the inference graph. The squeeze has makeDivisible(⌊expanded / 4⌋) channels.
 *
 * Width multiplier: torchvision's rule, every figure c of the tables, expanded and last channels too, becomes
 * makeDivisible(width·c). The authors' TensorFlow code multiplies a block's input channels by the table's ratio instead,
 * and keeps the last layer below width 1, so its counts differ except at width 1.
 */
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { makeDivisible } from './mobilenetv2.js';
import { type ConvInit, Network } from './network.js';
import { squeezeExcite } from './squeeze-excite.js';

/** One row of the tables: kernel, expanded and output channels, squeeze-and-excite, activation, stride. */
export interface MobileNetV3Block {
  readonly kernel: 3 | 5;
  readonly expanded: number;
  readonly out: number;
  readonly se: boolean;
  /** RE: ReLU, HS: hard swish. */
  readonly activation: 'RE' | 'HS';
  readonly stride: 1 | 2;
}

export type MobileNetV3Size = 'large' | 'small';

interface Architecture {
  readonly blocks: readonly MobileNetV3Block[];
  /** Channels of the first fully connected layer. */
  readonly lastChannels: number;
  readonly parametersM: number;
  readonly multAddsM: number;
}

/** Channels of the first convolution. */
const FIRST_CHANNELS = 16;

/** Tables 1 and 2, with torchvision's counts in millions. */
const ARCHITECTURES: Readonly<Record<MobileNetV3Size, Architecture>> = {
  large: {
    blocks: [
      row(3, 16, 16, false, 'RE', 1),
      row(3, 64, 24, false, 'RE', 2),
      row(3, 72, 24, false, 'RE', 1),
      row(5, 72, 40, true, 'RE', 2),
      row(5, 120, 40, true, 'RE', 1),
      row(5, 120, 40, true, 'RE', 1),
      row(3, 240, 80, false, 'HS', 2),
      row(3, 200, 80, false, 'HS', 1),
      row(3, 184, 80, false, 'HS', 1),
      row(3, 184, 80, false, 'HS', 1),
      row(3, 480, 112, true, 'HS', 1),
      row(3, 672, 112, true, 'HS', 1),
      row(5, 672, 160, true, 'HS', 2),
      row(5, 960, 160, true, 'HS', 1),
      row(5, 960, 160, true, 'HS', 1),
    ],
    lastChannels: 1280,
    parametersM: 5.483032,
    multAddsM: 217,
  },
  small: {
    blocks: [
      row(3, 16, 16, true, 'RE', 2),
      row(3, 72, 24, false, 'RE', 2),
      row(3, 88, 24, false, 'RE', 1),
      row(5, 96, 40, true, 'HS', 2),
      row(5, 240, 40, true, 'HS', 1),
      row(5, 240, 40, true, 'HS', 1),
      row(5, 120, 48, true, 'HS', 1),
      row(5, 144, 48, true, 'HS', 1),
      row(5, 288, 96, true, 'HS', 2),
      row(5, 576, 96, true, 'HS', 1),
      row(5, 576, 96, true, 'HS', 1),
    ],
    lastChannels: 1024,
    parametersM: 2.542856,
    multAddsM: 57,
  },
};

function row(
  kernel: 3 | 5,
  expanded: number,
  out: number,
  se: boolean,
  activation: 'RE' | 'HS',
  stride: 1 | 2,
): MobileNetV3Block {
  return { kernel, expanded, out, se, activation, stride };
}

export interface MobileNetV3Options extends ZooOptions {
  /** In place of the table's. */
  readonly blocks?: readonly MobileNetV3Block[];
  /** Channels of the first fully connected layer, as they are. Default: the table's times the width. */
  readonly lastChannels?: number;
}

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const HE = { kind: 'he', fan: 'out' } as const;
const NORMAL = { kind: 'normal', std: 0.01 } as const;
const BATCH_NORM = { epsilon: 0.001, momentum: 0.99 } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function mobileNetV3(which: MobileNetV3Size, options: MobileNetV3Options = {}): Model {
  const arch = `mobilenetv3${which}`;
  const table = ARCHITECTURES[which];
  const { blocks = table.blocks, lastChannels, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const scaled = (c: number): number => makeDivisible(c * width);
  const net = new Network(arch, size, seed);
  let channels = scaled(FIRST_CHANNELS);
  let x = convBn(net, 'features.0', net.input, { in: 3, out: channels, kernel: 3, stride: 2 }, 'HS');
  for (const [i, block] of blocks.entries()) {
    const adjusted = { ...block, expanded: scaled(block.expanded), out: scaled(block.out) };
    x = invertedResidual(net, `features.${i + 1}`, x, channels, adjusted);
    channels = adjusted.out;
  }
  const pooled = 6 * channels;
  x = convBn(net, `features.${blocks.length + 1}`, x, { in: channels, out: pooled, kernel: 1 }, 'HS');
  const last = lastChannels ?? scaled(table.lastChannels);
  let y = net.linear('classifier.0', net.globalAverage(x), { in: pooled, out: last, init: NORMAL });
  y = net.hardSwish('classifier.1', y);
  net.logits('classifier.3', y, { in: last, classes, init: NORMAL });
  const published = blocks === table.blocks && lastChannels === undefined;
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: published ? arch : `${arch}-custom`, width, size, classes, seed },
    presetPreprocess('imagenet', size),
  );
}

function convBn(
  net: Network,
  path: string,
  x: Value,
  layer: Omit<ConvInit, 'init'>,
  activation?: 'RE' | 'HS',
): Value {
  const y = net.batchNorm(
    `${path}.1`,
    net.conv(`${path}.0`, x, { ...layer, init: HE }),
    layer.out,
    BATCH_NORM,
  );
  switch (activation) {
    case undefined:
      return y;
    case 'RE':
      return net.relu(`${path}.2`, y);
    case 'HS':
      return net.hardSwish(`${path}.2`, y);
  }
}

function invertedResidual(
  net: Network,
  path: string,
  x: Value,
  channels: number,
  block: MobileNetV3Block,
): Value {
  const { kernel, expanded, out, activation, stride } = block;
  let y = x;
  // torchvision numbers the layers without a gap: what is left out takes no number.
  let layer = 0;
  const next = (): string => `${path}.block.${layer++}`;
  if (expanded !== channels)
    y = convBn(net, next(), y, { in: channels, out: expanded, kernel: 1 }, activation);
  y = convBn(net, next(), y, { in: expanded, out: expanded, kernel, stride, groups: expanded }, activation);
  if (block.se)
    y = squeezeExcite(net, next(), y, {
      channels: expanded,
      squeezed: makeDivisible(Math.floor(expanded / 4)),
      activation: (n, p, v) => n.relu(p, v),
      gate: (n, p, v) => n.hardSigmoid(p, v),
      init: HE,
    });
  y = convBn(net, next(), y, { in: expanded, out, kernel: 1 });
  return stride === 1 && channels === out ? net.add(`${path}.add`, x, y) : y;
}

const PAPER = { title: 'Searching for MobileNetV3', year: 2019, arxiv: '1905.02244' } as const;
const MOBILENETV3_SIZES = ['large', 'small'] as const;

export const MOBILENETV3S: readonly ZooEntry[] = MOBILENETV3_SIZES.map((which): ZooEntry => {
  const { parametersM, multAddsM } = ARCHITECTURES[which];
  const title = which === 'large' ? 'Large' : 'Small';
  return {
    name: `mobilenetv3${which}`,
    family: 'MobileNetV3',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000 },
    published: [
      {
        options: {},
        parametersM,
        multAddsM,
        rule: 'all',
        source: `torchvision 0.28, MobileNet_V3_${title}_Weights: num_params ${Math.round(parametersM * 1e6)}, _ops ${multAddsM / 1000} G`,
      },
    ],
    build: (options) => mobileNetV3(which, options),
  };
});
