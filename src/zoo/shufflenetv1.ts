/**
 * ShuffleNet (Zhang et al., 2017, arXiv:1707.01083, table 1, figure 2): a 3x3 convolution and a 3x3 max pool, each of stride
 * 2; three stages of 4, 8 and 4 units; global average, fully connected. A unit is a 1x1 convolution in g groups to a
 * quarter of the unit's channels, a channel shuffle, a depthwise 3x3 and a 1x1 convolution in g groups; ReLU follows the first
 * normalization and the sum with the shortcut. The first unit of a stage has stride 2, its shortcut is a 3x3 average pool,
 * and both are joined along the channels instead of added. The very first 1x1 convolution is not grouped.
 *
 * The networks with 1, 2, 3, 4 and 8 groups are entries of their own, because each has channels of its own. Names and
 * initialization are those of the authors' repository (megvii-model/ShuffleNet-Series): normal with 0.01 for the first
 * convolution and the classifier, with 1 / (inputs of a group) for the others; BatchNormalization's bias starts at 0 here,
 * not at 0.0001. The graph is the paper's: that repository shuffles behind the depthwise convolution, in another order,
 * and its classifier has no bias, so its weights are none of these networks'.
 *
 * Width multiplier (the paper's s×): stages have 1, 2 and 4 times the multiple of g nearest to width·c. The quarter of a unit
 * is rounded down to a multiple of g. The first convolution has the multiple of g nearest to 24·width below width 1 and
 * 24·⌊width⌋ from there on, as in the authors' repository.
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { concat, shuffle } from './channels.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import type { Init } from './init.js';
import { type ConvInit, Network } from './network.js';

export interface ShuffleNetV1Stage {
  /** A multiple of the groups. */
  readonly channels: number;
  readonly units: number;
}

export interface ShuffleNetV1Layout {
  /** Channels of the first convolution, a multiple of the groups. */
  readonly stem: number;
  readonly stages: readonly ShuffleNetV1Stage[];
}

export interface ShuffleNetV1Options extends ZooOptions {
  /** In place of table 1's; the width does not scale it. */
  readonly layout?: ShuffleNetV1Layout;
}

/**
 * Table 1: channels of the first stage, and millions of mult-adds; table 2: top-1. The paper's figures do not have the fully connected layer
 * in them: with it, 1 to 8 groups take 143.1, 140.8, 137.5, 134.3 and 138.4 M.
 */
const VARIANTS = {
  1: { channels: 144, multAddsM: 143, percent: 66.4 },
  2: { channels: 200, multAddsM: 140, percent: 67.3 },
  3: { channels: 240, multAddsM: 137, percent: 67.4 },
  4: { channels: 272, multAddsM: 133, percent: 67.2 },
  8: { channels: 384, multAddsM: 137, percent: 67.6 },
} as const;

export type ShuffleNetV1Groups = keyof typeof VARIANTS;
export const SHUFFLENETV1_GROUPS = [1, 2, 3, 4, 8] as const satisfies readonly ShuffleNetV1Groups[];

const STEM = 24;
const UNITS = [4, 8, 4] as const;
const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const NORMAL = { kind: 'normal', std: 0.01 } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function shuffleNetV1(groups: ShuffleNetV1Groups, options: ShuffleNetV1Options = {}): Model {
  const arch = `shufflenetv1g${groups}`;
  const { layout, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { stem, stages } = layout ?? layoutOf(groups, width);
  checkChannels(arch, groups, [stem, ...stages.map((s) => s.channels)]);
  const net = new Network(arch, size, seed);
  let x = net.conv('first_conv.0', net.input, { in: 3, out: stem, kernel: 3, stride: 2, init: NORMAL });
  x = net.relu('first_conv.2', net.batchNorm('first_conv.1', x, stem));
  x = net.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  let channels = stem;
  let index = 0;
  for (const { channels: out, units } of stages) {
    for (let i = 0; i < units; i++, index++) {
      const shape = { in: channels, out, groups, firstGroups: index === 0 ? 1 : groups };
      const path = `features.${index}`;
      x = i === 0 ? downUnit(net, path, x, shape) : unit(net, path, x, shape);
      channels = out;
    }
  }
  net.logits('classifier.0', net.globalAverage(x), { in: channels, classes, init: NORMAL });
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: layout ? `${arch}-custom` : arch, width, size, classes, seed },
    presetPreprocess('imagenet', size),
  );
}

function layoutOf(groups: ShuffleNetV1Groups, width: number): ShuffleNetV1Layout {
  const nearest = (c: number): number => groups * Math.max(1, Math.round(c / groups));
  const stem = width < 1 ? nearest(STEM * width) : STEM * Math.floor(width);
  // A stage that joins its shortcut has more channels than what comes before it.
  const first = Math.max(nearest(VARIANTS[groups].channels * width), stem + groups);
  return { stem, stages: UNITS.map((units, i) => ({ channels: first * 2 ** i, units })) };
}

function checkChannels(arch: string, groups: number, channels: readonly number[]): void {
  const odd = channels.find((c, i) => c % groups !== 0 || (i > 0 && c <= channels[i - 1]));
  if (odd !== undefined)
    throw new UsageError({
      problem: `${arch}: channels of the first convolution and the stages`,
      expected: `growing multiples of ${groups}`,
      found: `${odd}`,
    });
}

interface Unit {
  readonly in: number;
  readonly out: number;
  readonly groups: number;
  /** Groups of the first 1x1 convolution. */
  readonly firstGroups: number;
}

/** Stride 1: added to its input. */
function unit(net: Network, path: string, x: Value, shape: Unit): Value {
  const y = branch(net, path, x, shape, shape.out, 1);
  return net.relu(`${path}.relu`, net.add(`${path}.add`, x, y));
}

/** Stride 2: joined with its averaged input, which is not negative: ReLU would leave it as it is. */
function downUnit(net: Network, path: string, x: Value, shape: Unit): Value {
  const y = net.relu(`${path}.relu`, branch(net, path, x, shape, shape.out - shape.in, 2));
  const shortcut = net.windowAverage(`${path}.branch_proj`, x, { kernel: 3, stride: 2, padding: 1 });
  return concat(net, `${path}.concat`, [shortcut, y]);
}

function branch(net: Network, path: string, x: Value, shape: Unit, out: number, stride: number): Value {
  const { groups, firstGroups } = shape;
  const inner = groups * Math.max(1, Math.floor(shape.out / 4 / groups));
  const conv = (name: string, y: Value, layer: Omit<ConvInit, 'init'>): Value =>
    net.conv(`${path}.${name}`, y, { ...layer, init: byInputs(layer) });
  const norm = (name: string, y: Value, channels: number): Value =>
    net.batchNorm(`${path}.${name}`, y, channels);
  let y = conv('branch_main_1.0', x, { in: shape.in, out: inner, kernel: 1, groups: firstGroups });
  y = net.relu(`${path}.branch_main_1.2`, norm('branch_main_1.1', y, inner));
  if (groups > 1) y = shuffle(net, `${path}.shuffle`, y, inner, groups);
  y = conv('branch_main_1.3', y, { in: inner, out: inner, kernel: 3, stride, groups: inner });
  y = norm('branch_main_1.4', y, inner);
  y = conv('branch_main_2.0', y, { in: inner, out, kernel: 1, groups });
  return norm('branch_main_2.1', y, out);
}

function byInputs({ in: channels, groups = 1 }: Omit<ConvInit, 'init'>): Init {
  return { kind: 'normal', std: groups / channels };
}

const PAPER = {
  title: 'ShuffleNet: An Extremely Efficient Convolutional Neural Network for Mobile Devices',
  year: 2017,
  arxiv: '1707.01083',
} as const;
const REPOSITORY = 'megvii-model/ShuffleNet-Series, ShuffleNetV1/README.md';

/**
 * Millions, of the authors' networks with 3 and 8 groups: width, parameters, mult-adds. Left out: 138 M for 3 groups at width
 * 1, which are 137.5.
 */
const AUTHORS: Readonly<Partial<Record<ShuffleNetV1Groups, readonly (readonly [number, number, number])[]>>> =
  {
    3: [
      [0.5, 0.7, 38],
      [1.5, 3.4, 292],
      [2, 5.4, 524],
    ],
    8: [
      [0.5, 1, 40],
      [1, 2.4, 138],
      [1.5, 4.3, 290],
      [2, 6.5, 522],
    ],
  };

export const SHUFFLENETV1S: readonly ZooEntry[] = SHUFFLENETV1_GROUPS.map(
  (groups): ZooEntry => ({
    name: `shufflenetv1g${groups}`,
    family: 'ShuffleNet',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000 },
    published: [
      {
        options: {},
        multAddsM: VARIANTS[groups].multAddsM,
        rule: 'convolutions',
        source: 'Zhang et al. 2017, arXiv:1707.01083, table 1',
      },
      ...(AUTHORS[groups] ?? []).map(
        ([width, parametersM, multAddsM]): Published => ({
          options: { width },
          parametersM,
          multAddsM,
          rule: 'all',
          source: REPOSITORY,
        }),
      ),
    ],
    top1: { percent: VARIANTS[groups].percent, source: 'Zhang et al. 2017, arXiv:1707.01083, table 2' },
    build: (options) => shuffleNetV1(groups, options),
  }),
);
