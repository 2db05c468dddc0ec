/**
 * The ImageNet residual networks (He et al., 2015, arXiv:1512.03385, table 1): a 7x7 convolution and a 3x3 max pool, each
 * of stride 2; four stages of blocks with 64, 128, 256 and 512 channels on maps of a quarter to a thirty-second of the
 * image's side; global average, fully connected. Depths 18 and 34 have basic blocks of two 3x3 convolutions, the others
 * bottlenecks: 1x1, 3x3, and 1x1 to four times the channels.
 *
 * Shortcut B: where a block changes the dims, its shortcut is a 1x1 convolution with BatchNormalization. Variant v1.5
 * (torchvision's) has the stride of a bottleneck in the 3x3 convolution, v1 (the paper's) in the first 1x1.
 *
 * Names and structure are torchvision's. All weights start as He's normal, fan_in (paper, section 3.4). `zeroGamma` starts
 * the scale of each block's last BatchNormalization at 0, so that every block starts as its shortcut (Goyal et al., 2017,
 * arXiv:1706.02677, section 5.1). A width multiplier scales the channels: max(1, round(width·c)).
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { Network } from './network.js';

export interface ResNetStage {
  /** Of the basic block, and of a bottleneck's 3x3 convolution. */
  readonly channels: number;
  readonly blocks: number;
}

export interface ResNetOptions extends ZooOptions {
  /** In place of table 1's; every stage after the first halves the map. The stem has the channels of the first. */
  readonly stages?: readonly ResNetStage[];
}

interface Architecture {
  readonly block: 'basic' | 'bottleneck';
  readonly blocks: readonly number[];
  readonly parametersM: number;
  readonly multAddsM: number;
}

/** Table 1, with torchvision's counts of the v1.5 networks, in millions. */
const ARCHITECTURES = {
  18: { block: 'basic', blocks: [2, 2, 2, 2], parametersM: 11.689512, multAddsM: 1814 },
  34: { block: 'basic', blocks: [3, 4, 6, 3], parametersM: 21.797672, multAddsM: 3664 },
  50: { block: 'bottleneck', blocks: [3, 4, 6, 3], parametersM: 25.557032, multAddsM: 4089 },
  101: { block: 'bottleneck', blocks: [3, 4, 23, 3], parametersM: 44.54916, multAddsM: 7801 },
  152: { block: 'bottleneck', blocks: [3, 8, 36, 3], parametersM: 60.192808, multAddsM: 11514 },
} as const satisfies Record<number, Architecture>;

export type ResNetDepth = keyof typeof ARCHITECTURES;
export const RESNET_DEPTHS = [18, 34, 50, 101, 152] as const satisfies readonly ResNetDepth[];

/** Channels that a block puts out, in units of its stage's. */
const EXPANSION = { basic: 1, bottleneck: 4 } as const;
const ACCEPTS = {
  basic: ['width', 'size', 'classes', 'seed', 'zeroGamma'],
  bottleneck: ['width', 'size', 'classes', 'seed', 'zeroGamma', 'variant'],
} as const;
const HE = { kind: 'he', fan: 'in' } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function resNet(depth: ResNetDepth, options: ResNetOptions = {}): Model {
  const arch = `resnet${depth}`;
  const { block: kind, blocks: counts } = ARCHITECTURES[depth];
  const { stages, ...common } = options;
  checkOptions(arch, ACCEPTS[kind], common);
  const { width = 1, size = 224, classes = 1000, seed = 0, variant = 'v1.5', zeroGamma = false } = options;
  if (variant !== 'v1' && variant !== 'v1.5')
    throw new UsageError({
      problem: `${arch}: variant`,
      expected: 'v1 or v1.5',
      found: `${String(variant)}`,
    });
  if (stages?.length === 0) throw new UsageError({ problem: `${arch}: stages`, expected: 'at least one' });
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const planned = stages ?? counts.map((blocks, i) => ({ channels: 64 * 2 ** i, blocks }));
  const stem = scaled(planned[0].channels);
  const net = new Network(arch, size, seed);
  let x = net.conv('conv1', net.input, { in: 3, out: stem, kernel: 7, stride: 2, init: HE });
  x = net.relu('relu', net.batchNorm('bn1', x, stem));
  x = net.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  let channels = stem;
  for (const [stage, { channels: inner, blocks }] of planned.entries()) {
    for (let index = 0; index < blocks; index++) {
      const block = {
        in: channels,
        inner: scaled(inner),
        out: scaled(inner) * EXPANSION[kind],
        stride: stage > 0 && index === 0 ? 2 : 1,
        variant,
        lastScale: zeroGamma ? 0 : 1,
      };
      x = residual(
        net,
        `layer${stage + 1}.${index}`,
        x,
        block,
        kind === 'basic' ? basicBranch : bottleneckBranch,
      );
      channels = block.out;
    }
  }
  net.logits('fc', net.globalAverage(x), { in: channels, classes, init: HE });
  return net.model(
    {
      // Provenance promises that the registry can build the model again.
      arch: stages ? `${arch}-custom` : arch,
      width,
      size,
      classes,
      seed,
      zeroGamma,
      ...(kind === 'bottleneck' && { variant }),
    },
    presetPreprocess('imagenet', size),
  );
}

interface Block {
  readonly in: number;
  /** Channels between the convolutions. */
  readonly inner: number;
  readonly out: number;
  readonly stride: number;
  readonly variant: 'v1' | 'v1.5';
  /** First γ of the last BatchNormalization. */
  readonly lastScale: number;
}

/** The weighted path of a block, before the sum. */
type Branch = (net: Network, path: string, x: Value, block: Block) => Value;

function residual(net: Network, path: string, x: Value, block: Block, branch: Branch): Value {
  const { out, stride } = block;
  const y = branch(net, path, x, block);
  let shorter = x;
  if (stride !== 1 || block.in !== out) {
    shorter = net.conv(`${path}.downsample.0`, x, { in: block.in, out, kernel: 1, stride, init: HE });
    shorter = net.batchNorm(`${path}.downsample.1`, shorter, out);
  }
  return net.relu(`${path}.relu`, net.add(`${path}.add`, y, shorter));
}

function basicBranch(net: Network, path: string, x: Value, block: Block): Value {
  const { inner, out, stride, lastScale } = block;
  let y = net.conv(`${path}.conv1`, x, { in: block.in, out: inner, kernel: 3, stride, init: HE });
  y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.bn1`, y, inner));
  y = net.conv(`${path}.conv2`, y, { in: inner, out, kernel: 3, init: HE });
  return net.batchNorm(`${path}.bn2`, y, out, { scale: lastScale });
}

function bottleneckBranch(net: Network, path: string, x: Value, block: Block): Value {
  const { inner, out, variant, lastScale } = block;
  const [first, second] = variant === 'v1' ? [block.stride, 1] : [1, block.stride];
  let y = net.conv(`${path}.conv1`, x, { in: block.in, out: inner, kernel: 1, stride: first, init: HE });
  y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.bn1`, y, inner));
  y = net.conv(`${path}.conv2`, y, { in: inner, out: inner, kernel: 3, stride: second, init: HE });
  y = net.relu(`${path}.relu2`, net.batchNorm(`${path}.bn2`, y, inner));
  y = net.conv(`${path}.conv3`, y, { in: inner, out, kernel: 1, init: HE });
  return net.batchNorm(`${path}.bn3`, y, out, { scale: lastScale });
}

const PAPER = {
  title: 'Deep Residual Learning for Image Recognition',
  year: 2015,
  arxiv: '1512.03385',
} as const;

export const RESNETS: readonly ZooEntry[] = RESNET_DEPTHS.map((depth): ZooEntry => {
  const { block, parametersM, multAddsM } = ARCHITECTURES[depth];
  const defaults = { width: 1, size: 224, classes: 1000, zeroGamma: false } as const;
  return {
    name: `resnet${depth}`,
    family: 'ResNet',
    paper: PAPER,
    accepts: ACCEPTS[block],
    defaults: block === 'bottleneck' ? { ...defaults, variant: 'v1.5' } : defaults,
    published: [
      {
        options: {},
        parametersM,
        multAddsM,
        rule: 'all',
        source: `torchvision 0.28, ResNet${depth}_Weights: num_params ${Math.round(parametersM * 1e6)}, _ops ${multAddsM / 1000} G`,
      },
    ],
    build: (options) => resNet(depth, options),
  };
});
