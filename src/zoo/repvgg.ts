/**
 * RepVGG (Ding et al., 2021, arXiv:2101.03697, table 2): a block and four stages of blocks, each stage starting with
 * stride 2; ReLU behind each block, global average, fully connected. A block trains as three branches (3x3, 1x1 and the
 * input, each with BatchNormalization) and is deployed as one 3x3 convolution. `repvgga0` is the training form,
 * `repvgga0deploy` what fusing makes of it. Variants g2 and g4 have groups in every second block of a stage.
 *
 * Names and structure are timm's. Initialization is PyTorch's default, as in the authors' code (biases 0): evenly in
 * ±1/√fan_in; the deployed form, which has no BatchNormalization, starts as He's normal, fan_in. A width multiplier scales
 * the channels: max(1, round(width·c)), with groups to a multiple of their number.
 */
import { presetPreprocess } from '../base/preprocess.js';
import type { Model } from '../onnx/index.js';
import { type BranchForm, branchBlock, pytorchDefault } from './branch-block.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { Network } from './network.js';

interface Architecture {
  readonly blocks: readonly number[];
  /** Of the first three stages and of the last, in units of 64 · 2^stage. */
  readonly factors: readonly [first: number, last: number];
  readonly groups?: number;
  /** The paper's table 4: the deployed network, millions of parameters and billions of mult-adds. */
  readonly deployed?: readonly [parametersM: number, multAddsG: number];
  /** Top-1, of the same table. */
  readonly percent?: number;
  /** timm's model card: the training form, millions of parameters. */
  readonly trainingM?: number;
}

const A = [2, 4, 14, 1] as const;
const B = [4, 6, 16, 1] as const;

const ARCHITECTURES = {
  a0: { blocks: A, factors: [0.75, 2.5], deployed: [8.3, 1.4], percent: 72.41, trainingM: 9.11 },
  a1: { blocks: A, factors: [1, 2.5], deployed: [12.78, 2.4], percent: 74.46, trainingM: 14.09 },
  a2: { blocks: A, factors: [1.5, 2.75], deployed: [25.49, 5.1], percent: 76.48, trainingM: 28.21 },
  b0: { blocks: B, factors: [1, 2.5], deployed: [14.33, 3.1], percent: 75.14, trainingM: 15.82 },
  b1: { blocks: B, factors: [2, 4], deployed: [51.82, 11.8], percent: 78.37, trainingM: 57.42 },
  b1g2: { blocks: B, factors: [2, 4], groups: 2, deployed: [41.36, 8.8], percent: 77.78 },
  b1g4: { blocks: B, factors: [2, 4], groups: 4, deployed: [36.12, 7.3], percent: 77.58, trainingM: 39.97 },
  b2: { blocks: B, factors: [2.5, 5], deployed: [80.31, 18.4], percent: 78.78, trainingM: 89.02 },
  b2g2: { blocks: B, factors: [2.5, 5], groups: 2 },
  b2g4: { blocks: B, factors: [2.5, 5], groups: 4, deployed: [55.77, 11.3], trainingM: 61.76 },
  b3: { blocks: B, factors: [3, 5], deployed: [110.96, 26.2], trainingM: 123.09 },
  b3g2: { blocks: B, factors: [3, 5], groups: 2 },
  b3g4: { blocks: B, factors: [3, 5], groups: 4, deployed: [75.62, 16.1], trainingM: 83.83 },
} as const satisfies Record<string, Architecture>;

export type RepVggVariant = keyof typeof ARCHITECTURES;
const VARIANTS = [
  'a0',
  'a1',
  'a2',
  'b0',
  'b1',
  'b1g2',
  'b1g4',
  'b2',
  'b2g2',
  'b2g4',
  'b3',
  'b3g2',
  'b3g4',
] as const satisfies readonly RepVggVariant[];
const FORMS = ['training', 'deploy'] as const satisfies readonly BranchForm[];

const STEM = 64;
const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function repVgg(variant: RepVggVariant, form: BranchForm, options: ZooOptions = {}): Model {
  const arch = nameOf(variant, form);
  checkOptions(arch, ACCEPTS, options);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const table: Architecture = ARCHITECTURES[variant];
  const { blocks, factors, groups = 1 } = table;
  const scaled = (c: number): number => groups * Math.max(1, Math.round((c * width) / groups));
  const net = new Network(arch, size, seed);
  const block = { kernel: 3, convolutions: ['conv_kxk'], pointwise: 'conv_1x1' };
  let channels = scaled(Math.min(STEM, STEM * factors[0]));
  const stem = { ...block, in: 3, out: channels, stride: 2, groups: 1 };
  let x = net.relu('stem.act', branchBlock(net, 'stem', net.input, form, stem));
  for (const [stage, count] of blocks.entries()) {
    const out = scaled(64 * 2 ** stage * (stage < 3 ? factors[0] : factors[1]));
    for (let index = 0; index < count; index++) {
      const path = `stages.${stage}.${index}`;
      const layer = { in: channels, out, stride: index === 0 ? 2 : 1, groups: index % 2 === 1 ? groups : 1 };
      x = net.relu(`${path}.act`, branchBlock(net, path, x, form, { ...block, ...layer }));
      channels = out;
    }
  }
  const init = pytorchDefault({ in: channels, groups: 1 }, 1);
  net.logits('head.fc', net.globalAverage(x), { in: channels, classes, init });
  return net.model({ arch, width, size, classes, seed }, presetPreprocess('imagenet', size));
}

function nameOf(variant: RepVggVariant, form: BranchForm): string {
  return `repvgg${variant}${form === 'deploy' ? 'deploy' : ''}`;
}

const TABLE_4 = 'Ding et al. 2021, arXiv:2101.03697, table 4';

function publishedOf(variant: RepVggVariant, form: BranchForm): readonly Published[] {
  const { deployed, trainingM }: Architecture = ARCHITECTURES[variant];
  if (form === 'training')
    return trainingM === undefined
      ? []
      : [
          {
            options: {},
            parametersM: trainingM,
            rule: 'all',
            source: `timm, model card of repvgg_${variant}`,
          },
        ];
  if (!deployed) return [];
  const [parametersM, multAddsG] = deployed;
  return [
    {
      options: {},
      parametersM,
      multAddsM: Math.round(multAddsG * 1000),
      multAddsRoundedToM: 100,
      rule: 'all',
      source: TABLE_4,
    },
  ];
}

const PAPER = {
  title: 'RepVGG: Making VGG-style ConvNets Great Again',
  year: 2021,
  arxiv: '2101.03697',
} as const;

export const REPVGGS: readonly ZooEntry[] = VARIANTS.flatMap((variant) =>
  FORMS.map((form): ZooEntry => {
    const { percent }: Architecture = ARCHITECTURES[variant];
    return {
      name: nameOf(variant, form),
      family: 'RepVGG',
      paper: PAPER,
      accepts: ACCEPTS,
      defaults: { width: 1, size: 224, classes: 1000 },
      published: publishedOf(variant, form),
      ...(percent !== undefined && { top1: { percent, source: TABLE_4 } }),
      build: (options) => repVgg(variant, form, options),
    };
  }),
);
