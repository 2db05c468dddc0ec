/**
 * MobileOne (Vasu et al., 2022, arXiv:2206.04040, tables 2 and 3): a block of stride 2 and four stages of pairs, depthwise
 * 3x3 and 1x1, each stage starting with stride 2; ReLU behind each block, global average, fully connected. A block trains
 * as parallel branches, each with BatchNormalization: k convolutions (4 in S0, else 1), a 1x1 beside a 3x3, and the input
 * where the dims stay; it is deployed as one convolution. `mobileones0` is the training form, `mobileones0deploy` what
 * fusing it makes, BatchNormalization included (`fuse --fold-batchnorm`: a block of one branch is no sum). S4 has
 * squeeze-and-excite behind the sums of the last five pairs of the third stage and of the fourth.
 *
 * Names and structure are timm's. Initialization is PyTorch's default, as in the authors' code (biases 0): evenly in
 * ±1/√fan_in; the deployed form, which has no BatchNormalization, starts as He's normal, fan_in. A width multiplier scales
 * the channels: max(1, round(width·c)); the squeeze has makeDivisible(channels / 16).
 *
 * The paper's 1299 M and 2978 M mult-adds of S2 and S4 are not those of its tables (1298.4 M and 2979.3 M).
 */
import type { Model, Value } from '../onnx/index.js';
import { sigmoid } from './activations.js';
import { type BranchBlock, type BranchForm, branchBlock, pytorchDefault } from './branch-block.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { makeDivisible } from './mobilenetv2.js';
import { Network } from './network.js';
import { imagenetPreprocess } from './preprocess.js';
import { squeezeExcite } from './squeeze-excite.js';

interface Architecture {
  /** Of each stage, in units of 64 · 2^stage. */
  readonly factors: readonly number[];
  /** Convolutions beside each other. */
  readonly k: number;
  /** Pairs with squeeze-and-excite at the end of each stage. */
  readonly excited: readonly number[];
  /** Shorter side before the cut of 224, of timm's weights. */
  readonly resize: number;
  /** The paper's table 9: the deployed network, in millions. */
  readonly deployed: readonly [parametersM: number, multAddsM?: number];
  /** Top-1, of the same table. */
  readonly percent: number;
  /** timm's model card: the training form, millions of parameters. */
  readonly trainingM: number;
}

const NONE = [0, 0, 0, 0] as const;

const ARCHITECTURES = {
  s0: {
    factors: [0.75, 1, 1, 2],
    k: 4,
    excited: NONE,
    resize: 256,
    deployed: [2.1, 275],
    percent: 71.4,
    trainingM: 5.29,
  },
  s1: {
    factors: [1.5, 1.5, 2, 2.5],
    k: 1,
    excited: NONE,
    resize: 248,
    deployed: [4.8, 825],
    percent: 75.9,
    trainingM: 4.83,
  },
  s2: {
    factors: [1.5, 2, 2.5, 4],
    k: 1,
    excited: NONE,
    resize: 248,
    deployed: [7.8],
    percent: 77.4,
    trainingM: 7.88,
  },
  s3: {
    factors: [2, 2.5, 3, 4],
    k: 1,
    excited: NONE,
    resize: 248,
    deployed: [10.1, 1896],
    percent: 78.1,
    trainingM: 10.17,
  },
  s4: {
    factors: [3, 3.5, 3.5, 4],
    k: 1,
    excited: [0, 0, 5, 1],
    resize: 248,
    deployed: [14.8],
    percent: 79.4,
    trainingM: 14.95,
  },
} as const satisfies Record<string, Architecture>;

export type MobileOneVariant = keyof typeof ARCHITECTURES;
const VARIANTS = ['s0', 's1', 's2', 's3', 's4'] as const satisfies readonly MobileOneVariant[];
const FORMS = ['training', 'deploy'] as const satisfies readonly BranchForm[];

/** Pairs of each stage. */
const PAIRS = [2, 8, 10, 1] as const;
const STEM = 64;
const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function mobileOne(variant: MobileOneVariant, form: BranchForm, options: ZooOptions = {}): Model {
  const arch = nameOf(variant, form);
  checkOptions(arch, ACCEPTS, options);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { factors, k, excited, resize } = ARCHITECTURES[variant];
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const net = new Network(arch, size, seed);
  const convolutions = Array.from({ length: k }, (_, i) => `conv_kxk.${i}`);
  let channels = scaled(Math.min(STEM, STEM * factors[0]));
  const stem = { in: 3, out: channels, kernel: 3, stride: 2, groups: 1 };
  let x = net.relu('stem.act', branchBlock(net, 'stem', net.input, form, { ...stem, ...STEM_BRANCHES }));
  for (const [stage, pairs] of PAIRS.entries()) {
    const out = scaled(64 * 2 ** stage * factors[stage]);
    for (let pair = 0; pair < pairs; pair++) {
      const path = (part: number): string => `stages.${stage}.${2 * pair + part}`;
      const excite = pair >= pairs - excited[stage];
      const inner = { in: channels, out: channels, groups: channels, kernel: 3, stride: pair === 0 ? 2 : 1 };
      x = block(net, path(0), x, form, { ...inner, convolutions, pointwise: 'conv_scale' }, excite);
      const outer = { in: channels, out, groups: 1, kernel: 1, stride: 1 };
      x = block(net, path(1), x, form, { ...outer, convolutions, pointwise: undefined }, excite);
      channels = out;
    }
  }
  const init = pytorchDefault({ in: channels, groups: 1 }, 1);
  net.logits('head.fc', net.globalAverage(x), { in: channels, classes, init });
  return net.model(
    { arch, width, size, classes, seed },
    imagenetPreprocess(size, { size: 224, resize, interpolation: 'bilinear' }),
  );
}

/** The first block has one convolution in every variant. */
const STEM_BRANCHES = { convolutions: ['conv_kxk.0'], pointwise: 'conv_scale' } as const;

function block(
  net: Network,
  path: string,
  x: Value,
  form: BranchForm,
  layer: BranchBlock,
  excite: boolean,
): Value {
  let y = branchBlock(net, path, x, form, layer);
  if (excite)
    y = squeezeExcite(net, `${path}.attn`, y, {
      channels: layer.out,
      squeezed: makeDivisible(layer.out / 16),
      activation: (n, p, v) => n.relu(p, v),
      gate: sigmoid,
      init: pytorchDefault({ in: layer.out, groups: 1 }, 1),
    });
  return net.relu(`${path}.act`, y);
}

function nameOf(variant: MobileOneVariant, form: BranchForm): string {
  return `mobileone${variant}${form === 'deploy' ? 'deploy' : ''}`;
}

const TABLE_9 = 'Vasu et al. 2022, arXiv:2206.04040, table 9';

function publishedOf(variant: MobileOneVariant, form: BranchForm): Published {
  const { deployed, trainingM }: Architecture = ARCHITECTURES[variant];
  if (form === 'training')
    return {
      options: {},
      parametersM: trainingM,
      rule: 'all',
      source: `timm, model card of mobileone_${variant}`,
    };
  const [parametersM, multAddsM] = deployed;
  return {
    options: {},
    parametersM,
    ...(multAddsM !== undefined && { multAddsM }),
    rule: 'all',
    source: TABLE_9,
  };
}

const PAPER = {
  title: 'MobileOne: An Improved One millisecond Mobile Backbone',
  year: 2022,
  arxiv: '2206.04040',
} as const;

export const MOBILEONES: readonly ZooEntry[] = VARIANTS.flatMap((variant) =>
  FORMS.map(
    (form): ZooEntry => ({
      name: nameOf(variant, form),
      family: 'MobileOne',
      paper: PAPER,
      accepts: ACCEPTS,
      defaults: { width: 1, size: 224, classes: 1000 },
      published: [publishedOf(variant, form)],
      top1: { percent: ARCHITECTURES[variant].percent, source: TABLE_9 },
      build: (options) => mobileOne(variant, form, options),
    }),
  ),
);
