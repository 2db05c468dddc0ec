/**
 * MobileNeXt (Zhou et al., 2020, arXiv:2007.02269, table 2): sandglass blocks, which work on many channels and pass few: a
 * depthwise 3x3, a linear 1x1 to a share 1 / t of the channels, a 1x1 to the block's channels and a linear depthwise 3x3,
 * which has the block's stride; a residual where stride is 1 and channels agree. ReLU6 follows the first depthwise and the
 * second 1x1 convolution. Dropout of 0.2 before the classifier.
 *
 * Names, structure and initialization are the authors' (yitu-opensource/MobileNeXt, mnext.py: normal with √(2 / k²·out) for
 * convolutions, 0.01 for the classifier). That code, whose counts are the published ones, leaves out what the paper's table
 * does not tell: a block within a stage of several that changes its channels has no first depthwise convolution, and with
 * stride 1 no second one either, so that it ends with ReLU6; and where t would leave less than a sixth of the
 * block's channels in the middle, it has a sixth, in multiples of 16.
 *
 * Width multiplier: channels become makeDivisible(width·c), in multiples of 4 at width 0.1; the last 1280 stay below width 1.
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { channelsOf, concat } from './channels.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { makeDivisible } from './mobilenetv2.js';
import { type ConvInit, Network } from './network.js';

/** One block. */
export interface Sandglass {
  /** Channels in the middle. */
  readonly inner: number;
  readonly out: number;
  /** Of the last depthwise convolution. */
  readonly stride: 1 | 2;
  /** Which depthwise convolutions it has; without the last one its stride is 1. Default: both. */
  readonly depthwise?: 'both' | 'last' | 'none';
  /** Share of the channels that the residual adds to, from the first on (the paper's section 3.3). Default: 1. */
  readonly identity?: number;
}

export interface MobileNeXtLayout {
  /** Channels of the first convolution. */
  readonly stem: number;
  readonly blocks: readonly Sandglass[];
}

/** Table 2: reduction, output channels, repeats, stride of the first repeat. */
const STAGES = [
  { t: 2, c: 96, n: 1, s: 2 },
  { t: 6, c: 144, n: 1, s: 1 },
  { t: 6, c: 192, n: 3, s: 2 },
  { t: 6, c: 288, n: 3, s: 2 },
  { t: 6, c: 384, n: 4, s: 1 },
  { t: 6, c: 576, n: 4, s: 2 },
  { t: 6, c: 960, n: 3, s: 1 },
  { t: 6, c: 1280, n: 1, s: 1 },
] as const;
const LAST = 1280;

export interface MobileNeXtOptions extends ZooOptions {
  /** In place of table 2's; the width does not scale it. */
  readonly layout?: MobileNeXtLayout;
}

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const HE = { kind: 'he', fan: 'out' } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function mobileNeXt(options: MobileNeXtOptions = {}): Model {
  const { layout, ...common } = options;
  checkOptions('mobilenext', ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { stem, blocks } = layout ?? layoutOf(width);
  const net = new Network('mobilenext', size, seed);
  const next = counter('features.0.');
  let x = convBn(net, next, net.input, { in: 3, out: stem, kernel: 3, stride: 2 }, true);
  let channels = stem;
  for (const [index, block] of blocks.entries()) {
    if (block.depthwise === 'none' && block.stride !== 1)
      throw new UsageError({
        problem: `mobilenext: block ${index + 1} without depthwise convolutions`,
        expected: 'stride 1',
        found: `${block.stride}`,
      });
    x = sandglass(net, `features.${index + 1}`, x, channels, block);
    channels = block.out;
  }
  const pooled = net.dropout('classifier.0', net.globalAverage(x), 0.2);
  net.logits('classifier.1', pooled, { in: channels, classes, init: { kind: 'normal', std: 0.01 } });
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: layout ? 'mobilenext-custom' : 'mobilenext', width, size, classes, seed },
    presetPreprocess('imagenet', size),
  );
}

function layoutOf(width: number): MobileNeXtLayout {
  const scaled = (c: number): number => makeDivisible(c * width, width === 0.1 ? 4 : 8);
  const stem = scaled(32);
  const blocks: Sandglass[] = [];
  let channels = stem;
  for (const { t, c, n, s } of STAGES) {
    const out = c === LAST && width < 1 ? LAST : scaled(c);
    for (let i = 0; i < n; i++) {
      const stride = i === 0 ? s : 1;
      // Of the blocks that change their channels, those of a stage of their own keep what the others leave out.
      const whole = n === 1 || (channels === out && stride === 1);
      blocks.push({
        inner: innerChannels(channels, out, t),
        out,
        stride,
        depthwise: whole ? 'both' : stride === 2 ? 'last' : 'none',
      });
      channels = out;
    }
  }
  return { stem, blocks };
}

function innerChannels(channels: number, out: number, t: number): number {
  const share = Math.floor(channels / t);
  return share < out / 6 ? makeDivisible(Math.ceil(out / 6), 16) : share;
}

function sandglass(net: Network, path: string, x: Value, channels: number, block: Sandglass): Value {
  const { inner, out, stride, depthwise = 'both', identity = 1 } = block;
  const next = counter(`${path}.conv.`);
  const around = (c: number) => ({ in: c, out: c, kernel: 3, groups: c });
  let y = x;
  if (depthwise === 'both') y = convBn(net, next, y, around(channels), true);
  y = convBn(net, next, y, { in: channels, out: inner, kernel: 1 }, false);
  y = convBn(net, next, y, { in: inner, out, kernel: 1 }, true);
  if (depthwise !== 'none') y = convBn(net, next, y, { ...around(out), stride }, false);
  if (stride !== 1 || channels !== out) return y;
  const added = Math.floor(identity * out);
  if (added === out) return net.add(`${path}.add`, x, y);
  const sum = net.add(
    `${path}.add`,
    channelsOf(net, `${path}.identity`, x, 0, added),
    channelsOf(net, `${path}.with`, y, 0, added),
  );
  return concat(net, `${path}.concat`, [sum, channelsOf(net, `${path}.without`, y, added, out)]);
}

/** Names of layers in a sequence: `<prefix>0`, `<prefix>1`, … */
function counter(prefix: string): () => string {
  let count = 0;
  return () => `${prefix}${count++}`;
}

function convBn(
  net: Network,
  next: () => string,
  x: Value,
  layer: Omit<ConvInit, 'init'>,
  active: boolean,
): Value {
  const y = net.conv(next(), x, { ...layer, init: HE });
  const z = net.batchNorm(next(), y, layer.out);
  return active ? net.relu6(next(), z) : z;
}

/**
 * The authors' table rounds mult-adds to tens: 588.3 M are 590 at width 1.4 and 207.9 M are 210 at 0.75. Left out are its
 * 300 M at width 1, which are 311.3, and what the code does not build at lower widths: 2.5 M parameters at 0.75 (2.77), 110
 * M mult-adds at 0.5 (103.3), 1.8 M and 80 M at 0.35 (1.91 and 75.1).
 */
const PUBLISHED: readonly (Pick<Published, 'parametersM' | 'multAddsM'> & { readonly width: number })[] = [
  { width: 1, parametersM: 3.5 },
  { width: 1.4, parametersM: 6.1, multAddsM: 590 },
  { width: 0.75, multAddsM: 210 },
  { width: 0.5, parametersM: 2.1 },
];

const README = 'yitu-opensource/MobileNeXt, README';

export const MOBILENEXT: ZooEntry = {
  name: 'mobilenext',
  family: 'MobileNeXt',
  paper: {
    title: 'Rethinking Bottleneck Structure for Efficient Mobile Network Design',
    year: 2020,
    arxiv: '2007.02269',
  },
  accepts: ACCEPTS,
  defaults: { width: 1, size: 224, classes: 1000 },
  published: PUBLISHED.map(
    ({ width, ...figures }): Published => ({
      options: { width },
      ...figures,
      ...(figures.multAddsM !== undefined && { multAddsRoundedToM: 10 }),
      rule: 'all',
      source: README,
    }),
  ),
  top1: { percent: 74.02, source: README },
  build: mobileNeXt,
};
