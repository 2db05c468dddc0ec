/**
 * SqueezeNet (Iandola et al., 2016, arXiv:1602.07360, table 1; 1.1 of the authors' repository, which moves the pools
 * forward and narrows the first convolution): fire modules, a 1x1 convolution that squeezes the channels and, side by side,
 * a 1x1 and a 3x3 convolution that expand them; no fully connected layer: a 1x1 convolution to the classes, ReLU, global
 * average. Convolutions have biases, and there is no BatchNormalization. Dropout of 0.5 before the last convolution.
 *
 * Names, structure and initialization are torchvision's: He's uniform, fan_in, for all convolutions but the last, which is
 * normal with 0.01, as in the paper's solver; biases 0. Pools keep a last window that begins inside the map (Caffe's
 * rule). A width multiplier scales all channels: max(1, round(width·c)).
 */
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { concat } from './channels.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import type { Init } from './init.js';
import { Network } from './network.js';

/** Channels of a fire module; both expansions have as many. */
export interface Fire {
  readonly squeeze: number;
  readonly expand: number;
}

/** A network from input to output: the first convolution, then fire modules and 3x3 max pools of stride 2. */
export interface SqueezeNetLayout {
  readonly stem: { readonly channels: number; readonly kernel: number };
  readonly layers: readonly (Fire | 'pool')[];
}

export type SqueezeNetVersion = '1.0' | '1.1';

interface Architecture extends SqueezeNetLayout {
  readonly parametersM: number;
  readonly multAddsM: number;
}

const FIRE = {
  64: { squeeze: 16, expand: 64 },
  128: { squeeze: 32, expand: 128 },
  192: { squeeze: 48, expand: 192 },
  256: { squeeze: 64, expand: 256 },
} as const;

/** With torchvision's counts in millions. */
const ARCHITECTURES: Readonly<Record<SqueezeNetVersion, Architecture>> = {
  '1.0': {
    stem: { channels: 96, kernel: 7 },
    layers: [
      'pool',
      FIRE[64],
      FIRE[64],
      FIRE[128],
      'pool',
      FIRE[128],
      FIRE[192],
      FIRE[192],
      FIRE[256],
      'pool',
      FIRE[256],
    ],
    parametersM: 1.248424,
    multAddsM: 819,
  },
  '1.1': {
    stem: { channels: 64, kernel: 3 },
    layers: [
      'pool',
      FIRE[64],
      FIRE[64],
      'pool',
      FIRE[128],
      FIRE[128],
      'pool',
      FIRE[192],
      FIRE[192],
      FIRE[256],
      FIRE[256],
    ],
    parametersM: 1.235496,
    multAddsM: 349,
  },
};

export interface SqueezeNetOptions extends ZooOptions {
  /** In place of the version's. */
  readonly layout?: SqueezeNetLayout;
}

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const LAST = { kind: 'normal', std: 0.01 } as const;

/** He's uniform: the variance 2 / fan_in, evenly in ±√(6 / fan_in). */
function heUniform(channels: number, kernel: number): Init {
  return { kind: 'uniform', bound: Math.sqrt(6 / (channels * kernel ** 2)) };
}

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function squeezeNet(version: SqueezeNetVersion, options: SqueezeNetOptions = {}): Model {
  const arch = nameOf(version);
  const { layout, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { stem, layers } = layout ?? ARCHITECTURES[version];
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const net = new Network(arch, size, seed);
  let channels = scaled(stem.channels);
  let x = net.conv('features.0', net.input, {
    in: 3,
    out: channels,
    kernel: stem.kernel,
    stride: 2,
    padding: 0,
    bias: true,
    init: heUniform(3, stem.kernel),
  });
  x = net.relu('features.1', x);
  for (const [i, layer] of layers.entries()) {
    const path = `features.${i + 2}`;
    if (layer === 'pool') {
      x = net.maxPool(path, x, { kernel: 3, stride: 2, ceil: true });
    } else {
      const expand = scaled(layer.expand);
      x = fire(net, path, x, { in: channels, squeeze: scaled(layer.squeeze), expand });
      channels = 2 * expand;
    }
  }
  x = net.dropout('classifier.0', x, 0.5);
  x = net.conv('classifier.1', x, { in: channels, out: classes, kernel: 1, bias: true, init: LAST });
  x = net.averagePool('classifier.3', net.relu('classifier.2', x));
  net.flatLogits('flatten', x);
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: layout === undefined ? arch : `${arch}-custom`, width, size, classes, seed },
    presetPreprocess('imagenet', size),
  );
}

function fire(net: Network, path: string, x: Value, layer: Fire & { readonly in: number }): Value {
  const { squeeze, expand } = layer;
  const convRelu = (name: string, y: Value, from: number, out: number, kernel: number): Value => {
    const init = heUniform(from, kernel);
    const z = net.conv(`${path}.${name}`, y, { in: from, out, kernel, bias: true, init });
    return net.relu(`${path}.${name}_activation`, z);
  };
  const squeezed = convRelu('squeeze', x, layer.in, squeeze, 1);
  return concat(net, `${path}.concat`, [
    convRelu('expand1x1', squeezed, squeeze, expand, 1),
    convRelu('expand3x3', squeezed, squeeze, expand, 3),
  ]);
}

function nameOf(version: SqueezeNetVersion): string {
  return `squeezenet${version.replace('.', '')}`;
}

const PAPER = {
  title: 'SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and <0.5MB model size',
  year: 2016,
  arxiv: '1602.07360',
} as const;
const VERSIONS = ['1.0', '1.1'] as const;

export const SQUEEZENETS: readonly ZooEntry[] = VERSIONS.map((version): ZooEntry => {
  const { parametersM, multAddsM } = ARCHITECTURES[version];
  const weights = `SqueezeNet${version.replace('.', '_')}_Weights`;
  return {
    name: nameOf(version),
    family: 'SqueezeNet',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000 },
    published: [
      {
        options: {},
        parametersM,
        multAddsM,
        rule: 'all',
        source: `torchvision 0.28, ${weights}: num_params ${Math.round(parametersM * 1e6)}, _ops ${multAddsM / 1000} G`,
      },
    ],
    build: (options) => squeezeNet(version, options),
  };
});
