/**
 * DenseNet-BC (Huang et al., 2016, arXiv:1608.06993, table 1): a 7x7 convolution and a 3x3 max pool, each of stride 2; four
 * dense blocks; global average, fully connected. A dense layer reads all maps before it in its block: normalize, 1x1
 * convolution to 4k channels, normalize, 3x3 convolution to k channels (k: growth rate), with ReLU after each
 * normalization. Between blocks a transition halves the channels by a 1x1 convolution and the map by a 2x2 average pool.
 *
 * Names and structure are torchvision's, and so is the initialization: He's normal, fan_in, for convolutions; evenly in
 * ±1/√fan_in for the classifier. Dropout inside the dense layers is left out: the paper uses none on ImageNet. A width
 * multiplier scales the growth rate and the channels of the first convolution: max(1, round(width·c)).
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { concat } from './channels.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { Network } from './network.js';

export interface DenseNetLayout {
  /** Channels that a dense layer adds. */
  readonly growth: number;
  /** Channels of the first convolution. */
  readonly stem: number;
  /** Dense layers of each block. */
  readonly blocks: readonly number[];
}

interface Architecture extends DenseNetLayout {
  readonly parametersM: number;
  readonly multAddsM: number;
}

/** Table 1, and 161 of the authors' repository, with torchvision's counts in millions. */
const ARCHITECTURES = {
  121: { growth: 32, stem: 64, blocks: [6, 12, 24, 16], parametersM: 7.978856, multAddsM: 2834 },
  161: { growth: 48, stem: 96, blocks: [6, 12, 36, 24], parametersM: 28.681, multAddsM: 7728 },
  169: { growth: 32, stem: 64, blocks: [6, 12, 32, 32], parametersM: 14.14948, multAddsM: 3360 },
  201: { growth: 32, stem: 64, blocks: [6, 12, 48, 32], parametersM: 20.013928, multAddsM: 4291 },
} as const satisfies Record<number, Architecture>;

export type DenseNetDepth = keyof typeof ARCHITECTURES;
export const DENSENET_DEPTHS = [121, 161, 169, 201] as const satisfies readonly DenseNetDepth[];

export interface DenseNetOptions extends ZooOptions {
  /** In place of the published depth's. */
  readonly layout?: DenseNetLayout;
  /** Channels of a dense layer's 1x1 convolution, in growth rates. Default: 4. */
  readonly bottleneck?: number;
}

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const HE = { kind: 'he', fan: 'in' } as const;
const BOTTLENECK = 4;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function denseNet(depth: DenseNetDepth, options: DenseNetOptions = {}): Model {
  const arch = `densenet${depth}`;
  const { layout, bottleneck = BOTTLENECK, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { growth, stem, blocks } = layout ?? ARCHITECTURES[depth];
  if (blocks.length === 0) throw new UsageError({ problem: `${arch}: blocks`, expected: 'at least one' });
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const layer = { growth: scaled(growth), inner: bottleneck * scaled(growth) };
  const net = new Network(arch, size, seed);
  let channels = scaled(stem);
  let x = net.conv('features.conv0', net.input, { in: 3, out: channels, kernel: 7, stride: 2, init: HE });
  x = net.relu('features.relu0', net.batchNorm('features.norm0', x, channels));
  x = net.maxPool('features.pool0', x, { kernel: 3, stride: 2, padding: 1 });
  for (const [index, layers] of blocks.entries()) {
    for (let i = 1; i <= layers; i++) {
      x = denseLayer(net, `features.denseblock${index + 1}.denselayer${i}`, x, { in: channels, ...layer });
      channels += layer.growth;
    }
    if (index === blocks.length - 1) break;
    x = transition(net, `features.transition${index + 1}`, x, channels);
    channels = halved(channels);
  }
  x = net.relu('relu', net.batchNorm('features.norm5', x, channels));
  const init = { kind: 'uniform', bound: 1 / Math.sqrt(channels) } as const;
  net.logits('classifier', net.globalAverage(x), { in: channels, classes, init });
  const published = layout === undefined && bottleneck === BOTTLENECK;
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: published ? arch : `${arch}-custom`, width, size, classes, seed },
    presetPreprocess('imagenet', size),
  );
}

interface DenseLayer {
  readonly in: number;
  /** Channels between the convolutions. */
  readonly inner: number;
  readonly growth: number;
}

/** x and the layer's maps behind it. */
function denseLayer(net: Network, path: string, x: Value, layer: DenseLayer): Value {
  const { inner, growth } = layer;
  let y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.norm1`, x, layer.in));
  y = net.conv(`${path}.conv1`, y, { in: layer.in, out: inner, kernel: 1, init: HE });
  y = net.relu(`${path}.relu2`, net.batchNorm(`${path}.norm2`, y, inner));
  y = net.conv(`${path}.conv2`, y, { in: inner, out: growth, kernel: 3, init: HE });
  return concat(net, `${path}.concat`, [x, y]);
}

function transition(net: Network, path: string, x: Value, channels: number): Value {
  let y = net.relu(`${path}.relu`, net.batchNorm(`${path}.norm`, x, channels));
  y = net.conv(`${path}.conv`, y, { in: channels, out: halved(channels), kernel: 1, init: HE });
  return net.windowAverage(`${path}.pool`, y, { kernel: 2, stride: 2 });
}

function halved(channels: number): number {
  return Math.max(1, Math.floor(channels / 2));
}

const PAPER = { title: 'Densely Connected Convolutional Networks', year: 2016, arxiv: '1608.06993' } as const;

export const DENSENETS: readonly ZooEntry[] = DENSENET_DEPTHS.map((depth): ZooEntry => {
  const { parametersM, multAddsM } = ARCHITECTURES[depth];
  return {
    name: `densenet${depth}`,
    family: 'DenseNet',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000 },
    published: [
      {
        options: {},
        parametersM,
        multAddsM,
        rule: 'all',
        source: `torchvision 0.28, DenseNet${depth}_Weights: num_params ${Math.round(parametersM * 1e6)}, _ops ${multAddsM / 1000} G`,
      },
    ],
    build: (options) => denseNet(depth, options),
  };
});
