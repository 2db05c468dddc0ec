/**
 * HBONet (Li et al., 2019, arXiv:1908.03888, section 4): MobileNetV2 with harmonious bottlenecks in its first stages, which
 * contract the map where they expand the channels (hbonet-blocks.ts), a linear 1x1 convolution, inverted residuals, a 1x1
 * convolution to 1600 channels, global average, fully connected.
 *
 * Names, structure and initialization are the authors' (d-li14/HBONet: normal with √(2 / k²·out) for convolutions, 0.01 for
 * the classifier). Width multiplier: channels become makeDivisible(width·c), in multiples of 8, of 4 at width 0.1 and of 2
 * at 0.25 and 0.5; the last 1x1 convolution keeps 1600 channels up to width 1 and grows above it.
 */
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import {
  convBn,
  type Harmonious,
  harmoniousBottleneck,
  type Inverted,
  invertedResidual,
} from './hbonet-blocks.js';
import { makeDivisible } from './mobilenetv2.js';
import { Network } from './network.js';

/** A 1x1 convolution without activation. */
export interface LinearPointwise {
  readonly kind: 'linear';
  readonly out: number;
}

export interface HBONetLayout {
  /** Channels of the first convolution. */
  readonly stem: number;
  readonly blocks: readonly (Harmonious | Inverted | LinearPointwise)[];
  /** Channels of the last 1x1 convolution. */
  readonly last: number;
}

/** The authors' table: expansion, output channels, repeats, stride of the first repeat. */
const STAGES = [
  { kind: 'inverted', t: 1, c: 20, n: 1, s: 1 },
  { kind: 'harmonious', t: 2, c: 36, n: 1, s: 1 },
  { kind: 'harmonious', t: 2, c: 72, n: 3, s: 2 },
  { kind: 'harmonious', t: 2, c: 96, n: 4, s: 2 },
  { kind: 'harmonious', t: 2, c: 192, n: 4, s: 2 },
  { kind: 'harmonious', t: 2, c: 288, n: 1, s: 1 },
  { kind: 'linear', t: 1, c: 144, n: 1, s: 1 },
  { kind: 'inverted', t: 6, c: 200, n: 2, s: 2 },
  { kind: 'inverted', t: 6, c: 400, n: 1, s: 1 },
] as const;

/** Other multiples than 8. */
const DIVISORS: ReadonlyMap<number, number> = new Map([
  [0.1, 4],
  [0.25, 2],
  [0.5, 2],
]);

export interface HBONetOptions extends ZooOptions {
  /** In place of the authors'; the width does not scale it. */
  readonly layout?: HBONetLayout;
}

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;

/**
 * Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. size: a multiple of 32, so that contracted maps
 * grow back to what they were. @throws UsageError for bad options
 */
export function hboNet(options: HBONetOptions = {}): Model {
  const { layout, ...common } = options;
  checkOptions('hbonet', ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { stem, blocks, last } = layout ?? layoutOf(width);
  const net = new Network('hbonet', size, seed);
  let x = convBn(net, 'features.0', 0, net.input, { in: 3, out: stem, kernel: 3, stride: 2 }, true);
  let channels = stem;
  for (const [index, block] of blocks.entries()) {
    x = layer(net, `features.${index + 1}`, x, channels, block);
    channels = block.out;
  }
  x = convBn(net, 'conv', 0, x, { in: channels, out: last, kernel: 1 }, true);
  const init = { kind: 'normal', std: 0.01 } as const;
  net.logits('classifier', net.globalAverage(x), { in: last, classes, init });
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: layout ? 'hbonet-custom' : 'hbonet', width, size, classes, seed },
    presetPreprocess('imagenet', size),
  );
}

function layer(
  net: Network,
  path: string,
  x: Value,
  channels: number,
  block: HBONetLayout['blocks'][number],
): Value {
  switch (block.kind) {
    case 'harmonious':
      return harmoniousBottleneck(net, path, x, channels, block);
    case 'inverted':
      return invertedResidual(net, path, x, channels, block);
    case 'linear':
      return convBn(net, path, 0, x, { in: channels, out: block.out, kernel: 1 }, false);
  }
}

function layoutOf(width: number): HBONetLayout {
  const divisor = DIVISORS.get(width) ?? 8;
  const scaled = (c: number): number => makeDivisible(c * width, divisor);
  const blocks = STAGES.flatMap(({ kind, t, c, n, s }) =>
    Array.from({ length: n }, (_, i): HBONetLayout['blocks'][number] => {
      const out = scaled(c);
      if (kind === 'linear') return { kind, out };
      return { kind, out, expansion: t, stride: i === 0 ? s : 1 };
    }),
  );
  return { stem: scaled(32), blocks, last: width > 1 ? scaled(1600) : 1600 };
}

/** Width, size, millions of mult-adds: tables 2 to 4. */
const PUBLISHED = [
  [1, 224, 305],
  [0.8, 224, 205],
  [0.8, 192, 150],
  [0.8, 160, 105],
  [0.8, 128, 68],
  [0.8, 96, 39],
  [0.5, 224, 96],
  [0.35, 224, 61],
  [0.35, 192, 45],
  [0.35, 160, 31],
  [0.35, 128, 21],
  [0.35, 96, 12],
  [0.25, 224, 37],
  [0.1, 224, 14],
] as const;

export const HBONET: ZooEntry = {
  name: 'hbonet',
  family: 'HBONet',
  paper: {
    title: 'HBONet: Harmonious Bottleneck on Two Orthogonal Dimensions',
    year: 2019,
    arxiv: '1908.03888',
  },
  accepts: ACCEPTS,
  defaults: { width: 1, size: 224, classes: 1000 },
  published: PUBLISHED.map(
    ([width, size, multAddsM]): Published => ({
      options: { width, size },
      multAddsM,
      rule: 'all',
      source: 'd-li14/HBONet, README, tables 2 to 4',
    }),
  ),
  top1: { percent: 73.1, source: 'd-li14/HBONet, README, table 2' },
  build: hboNet,
};
