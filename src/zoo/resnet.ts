/**
 * The ImageNet residual networks (He et al., 2015, arXiv:1512.03385, table 1): a 7x7 convolution and a 3x3 max pool, each
 * of stride 2; four stages of blocks with 64, 128, 256 and 512 channels on maps of a quarter to a thirty-second of the
 * image's side; global average, fully connected. Depths 18 and 34 have basic blocks of two 3x3 convolutions, the others
 * bottlenecks: 1x1, 3x3, and 1x1 to four times the channels.
 *
 * Shortcuts A, B and C are the paper's (section 4.1). B is what the paper's deeper networks and torchvision have: where a
 * block changes the dims, its shortcut is a 1x1 convolution with BatchNormalization. A takes every second pixel and appends
 * channels of zeros, as fb.resnet.torch does; C projects in every block. Variant v1.5 (torchvision's) has the stride of a
 * bottleneck in the 3x3 convolution, v1 (the paper's) in the first 1x1.
 *
 * Names and structure are torchvision's. All weights start as He's normal, fan_in (paper, section 3.4). `zeroGamma` starts
 * the scale of each block's last BatchNormalization at 0, so that every block starts as its shortcut (Goyal et al., 2017,
 * arXiv:1706.02677, section 5.1). A width multiplier scales the channels: max(1, round(width·c)).
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model } from '../onnx/index.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { Network, type PoolWindow } from './network.js';
import { type BlockKind, type BlockStyle, block, EXPANSION, HE } from './resnet-blocks.js';

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
  readonly block: BlockKind;
  readonly blocks: readonly number[];
  readonly parametersM: number;
  readonly multAddsM: number;
  readonly paperG: number;
}

/** Table 1, with its figures in units of 10⁹ and, in millions, torchvision's counts of the v1.5 networks. */
const ARCHITECTURES = {
  18: { block: 'basic', blocks: [2, 2, 2, 2], parametersM: 11.689512, multAddsM: 1814, paperG: 1.8 },
  34: { block: 'basic', blocks: [3, 4, 6, 3], parametersM: 21.797672, multAddsM: 3664, paperG: 3.6 },
  50: { block: 'bottleneck', blocks: [3, 4, 6, 3], parametersM: 25.557032, multAddsM: 4089, paperG: 3.8 },
  101: { block: 'bottleneck', blocks: [3, 4, 23, 3], parametersM: 44.54916, multAddsM: 7801, paperG: 7.6 },
  152: { block: 'bottleneck', blocks: [3, 8, 36, 3], parametersM: 60.192808, multAddsM: 11514, paperG: 11.3 },
} as const satisfies Record<number, Architecture>;

export type ResNetDepth = keyof typeof ARCHITECTURES;
export const RESNET_DEPTHS = [18, 34, 50, 101, 152] as const satisfies readonly ResNetDepth[];

const ACCEPTS = {
  basic: ['width', 'size', 'classes', 'seed', 'shortcut', 'zeroGamma'],
  bottleneck: ['width', 'size', 'classes', 'seed', 'shortcut', 'zeroGamma', 'variant'],
} as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function resNet(depth: ResNetDepth, options: ResNetOptions = {}): Model {
  const arch = `resnet${depth}`;
  const { block: kind } = ARCHITECTURES[depth];
  const { stages, ...common } = options;
  checkOptions(arch, ACCEPTS[kind], common);
  const { variant = 'v1.5', zeroGamma = false, shortcut = 'B' } = options;
  if (variant !== 'v1' && variant !== 'v1.5')
    throw new UsageError({
      problem: `${arch}: variant`,
      expected: 'v1 or v1.5',
      found: `${String(variant)}`,
    });
  checkShortcut(arch, shortcut);
  if (stages?.length === 0) throw new UsageError({ problem: `${arch}: stages`, expected: 'at least one' });
  return residualNetwork(
    {
      // Provenance promises that the registry can build the model again.
      arch: stages ? `${arch}-custom` : arch,
      stages: stages ?? stagesOf(depth),
      style: { kind, shortcut, variant, lastScale: zeroGamma ? 0 : 1 },
      chosen: { zeroGamma, shortcut, ...(kind === 'bottleneck' && { variant }) },
    },
    options,
  );
}

/** @throws UsageError for anything but A, B or C (a caller without types) */
export function checkShortcut(arch: string, shortcut: string): void {
  if (!['A', 'B', 'C'].includes(shortcut))
    throw new UsageError({ problem: `${arch}: shortcut`, expected: 'A, B or C', found: shortcut });
}

/** Table 1's stages. */
export function stagesOf(depth: ResNetDepth): readonly ResNetStage[] {
  return ARCHITECTURES[depth].blocks.map((blocks, i) => ({ channels: 64 * 2 ** i, blocks }));
}

export function blockKindOf(depth: ResNetDepth): BlockKind {
  return ARCHITECTURES[depth].block;
}

export interface ResidualPlan {
  readonly arch: string;
  readonly stages: readonly ResNetStage[];
  readonly style: BlockStyle;
  /** Of the max pool in the stem. Default: one pixel of padding. */
  readonly pool?: PoolWindow;
  /** What the metadata says beside width, size, classes and seed. */
  readonly chosen: Pick<ZooOptions, 'zeroGamma' | 'shortcut' | 'variant'>;
}

const POOL = { kernel: 3, stride: 2, padding: 1 } as const;

/** A network of this plan, with checked options. */
export function residualNetwork(plan: ResidualPlan, options: ZooOptions): Model {
  const { arch, stages, style, pool = POOL, chosen } = plan;
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const stem = scaled(stages[0].channels);
  const net = new Network(arch, size, seed);
  let x = net.conv('conv1', net.input, { in: 3, out: stem, kernel: 7, stride: 2, init: HE });
  x = net.relu('relu', net.batchNorm('bn1', x, stem));
  x = net.maxPool('maxpool', x, pool);
  let channels = stem;
  for (const [stage, { channels: unscaled, blocks }] of stages.entries()) {
    for (let index = 0; index < blocks; index++) {
      const inner = scaled(unscaled);
      const out = inner * EXPANSION[style.kind];
      const stride = stage > 0 && index === 0 ? 2 : 1;
      x = block(net, `layer${stage + 1}.${index}`, x, { in: channels, inner, out, stride }, style);
      channels = out;
    }
  }
  net.logits('fc', net.globalAverage(x), { in: channels, classes, init: HE });
  return net.model({ arch, width, size, classes, seed, ...chosen }, presetPreprocess('imagenet', size));
}

export const RESNET_PAPER = {
  title: 'Deep Residual Learning for Image Recognition',
  year: 2015,
  arxiv: '1512.03385',
} as const;

/** A figure of the paper's table 1, in 10⁹ mult-adds. */
export function paperFigure(giga: number) {
  return {
    multAddsM: Math.round(giga * 1000),
    multAddsRoundedToM: 100,
    rule: 'all',
    source: 'He et al. 2015, arXiv:1512.03385, table 1',
  } as const;
}

export const RESNETS: readonly ZooEntry[] = RESNET_DEPTHS.map((depth): ZooEntry => {
  const { block, parametersM, multAddsM, paperG } = ARCHITECTURES[depth];
  const defaults = { width: 1, size: 224, classes: 1000, shortcut: 'B', zeroGamma: false } as const;
  return {
    name: `resnet${depth}`,
    family: 'ResNet',
    paper: RESNET_PAPER,
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
      {
        options: block === 'bottleneck' ? { variant: 'v1' } : {},
        ...paperFigure(paperG),
      },
    ],
    build: (options) => resNet(depth, options),
  };
});
