/**
 * FasterNet (Chen et al., 2023, arXiv:2303.03667, table 8): a 4x4 convolution of stride 4, four stages of blocks (partial
 * convolution: 3x3 over the first quarter of the channels, the others as they are; 1x1 to twice the channels, activation,
 * 1x1 back; sum), a 2x2 convolution of stride 2 between the stages, global average, 1x1 to 1280 channels, fully connected.
 * T0 and T1 have GELU, the others ReLU. The paper's stochastic depth is left out.
 *
 * Names, structure and initialization are timm's: normal of 0.02 (its truncation at ±2 is a hundred standard deviations
 * away), biases 0. A width multiplier scales the first stage's channels, to a multiple of four and at least four (the
 * stages double them), and the 1280 of the head: max(1, round(width·1280)).
 *
 * The paper's mult-adds (0.34 to 15.52 G) include two for each value that a BatchNormalization puts out, as fvcore counts.
 */
import type { Model, Value } from '../onnx/index.js';
import { gelu } from './activations.js';
import { concat, split } from './channels.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { filled } from './init.js';
import { Network } from './network.js';
import { imagenetPreprocess } from './preprocess.js';

type Activation = 'relu' | 'gelu';

export interface FasterNetStage {
  readonly blocks: number;
  readonly activation: Activation;
}

export interface FasterNetOptions extends ZooOptions {
  /** In place of the table's; each doubles the channels of the one before. */
  readonly stages?: readonly FasterNetStage[];
  /** Channels of the first stage, as they are: a multiple of four. */
  readonly firstChannels?: number;
  /** The 1x1 convolution behind the average: its channels, as they are, and its activation. */
  readonly head?: { readonly channels: number; readonly activation: Activation };
  /** First value of a trained factor per channel of each block's branch. Default: no such factors. */
  readonly layerScale?: number;
}

interface Architecture {
  readonly channels: number;
  readonly blocks: readonly number[];
  readonly activation: Activation;
  readonly parametersM: number;
}

/** Table 8; timm's model card counts in millions. */
const ARCHITECTURES = {
  t0: { channels: 40, blocks: [1, 2, 8, 2], activation: 'gelu', parametersM: 3.91 },
  t1: { channels: 64, blocks: [1, 2, 8, 2], activation: 'gelu', parametersM: 7.6 },
  t2: { channels: 96, blocks: [1, 2, 8, 2], activation: 'relu', parametersM: 14.98 },
  s: { channels: 128, blocks: [1, 2, 13, 2], activation: 'relu', parametersM: 31.18 },
  m: { channels: 144, blocks: [3, 4, 18, 3], activation: 'relu', parametersM: 53.52 },
  l: { channels: 192, blocks: [3, 4, 18, 3], activation: 'relu', parametersM: 93.47 },
} as const satisfies Record<string, Architecture>;

export type FasterNetSize = keyof typeof ARCHITECTURES;
const SIZES = ['t0', 't1', 't2', 's', 'm', 'l'] as const satisfies readonly FasterNetSize[];

/** Part of the channels that a partial convolution reads: one in this many. */
const PARTS = 4;
const HEAD = 1280;
const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const NORMAL = { kind: 'normal', std: 0.02 } as const;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function fasterNet(which: FasterNetSize, options: FasterNetOptions = {}): Model {
  const arch = `fasternet${which}`;
  const table = ARCHITECTURES[which];
  const { stages, firstChannels, head: ownHead, layerScale, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { activation } = table;
  const planned = stages ?? table.blocks.map((blocks) => ({ blocks, activation }));
  const first = firstChannels ?? PARTS * Math.max(1, Math.round((table.channels * width) / PARTS));
  const head = ownHead ?? { channels: Math.max(1, Math.round(HEAD * width)), activation };
  const net = new Network(arch, size, seed);
  const patches = { padding: 0, init: NORMAL } as const;
  let x = net.conv('patch_embed.proj', net.input, { ...patches, in: 3, out: first, kernel: 4, stride: 4 });
  x = net.batchNorm('patch_embed.norm', x, first);
  let channels = first;
  for (const [stage, { blocks, activation: within }] of planned.entries()) {
    if (stage > 0) {
      const merge = `stages.${stage}.downsample`;
      const layer = { ...patches, in: channels, out: 2 * channels, kernel: 2, stride: 2 };
      x = net.batchNorm(`${merge}.norm`, net.conv(`${merge}.reduction`, x, layer), layer.out);
      channels = layer.out;
    }
    for (let block = 0; block < blocks; block++)
      x = residual(net, `stages.${stage}.blocks.${block}`, x, { channels, activation: within, layerScale });
  }
  x = net.averagePool('global_pool', x);
  x = net.conv('conv_head', x, { in: channels, out: head.channels, kernel: 1, init: NORMAL });
  x = activate(net, 'act', x, head.activation);
  const y = net.builder.op('Flatten', [x], { axis: 1 }, { name: 'flatten' });
  net.logits('classifier', y, { in: head.channels, classes, init: NORMAL });
  const custom = [stages, firstChannels, ownHead, layerScale].some((o) => o !== undefined);
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: custom ? `${arch}-custom` : arch, width, size, classes, seed },
    imagenetPreprocess(size, { size: 224, resize: 224, interpolation: 'bicubic' }),
  );
}

interface Block {
  readonly channels: number;
  readonly activation: Activation;
  readonly layerScale: number | undefined;
}

function residual(net: Network, path: string, x: Value, { channels, activation, layerScale }: Block): Value {
  const hidden = 2 * channels;
  let y = partialConv(net, `${path}.spatial_mixing`, x, channels);
  y = net.conv(`${path}.mlp.0`, y, { in: channels, out: hidden, kernel: 1, init: NORMAL });
  y = activate(net, `${path}.mlp.2`, net.batchNorm(`${path}.mlp.1`, y, hidden), activation);
  y = net.conv(`${path}.mlp.3`, y, { in: hidden, out: channels, kernel: 1, init: NORMAL });
  if (layerScale !== undefined) {
    const factors = net.parameter(`${path}.layer_scale`, filled([channels], layerScale));
    const axes = net.builder.i64([1, 2]);
    const perChannel = net.builder.op('Unsqueeze', [factors, axes], {}, { name: `${path}.unsqueeze` });
    y = net.mul(`${path}.mul`, perChannel, y);
  }
  return net.add(`${path}.add`, x, y);
}

/** 3x3 over the first quarter of the channels; the others pass. x: [N, channels, H, W] */
function partialConv(net: Network, path: string, x: Value, channels: number): Value {
  const part = Math.floor(channels / PARTS);
  const [first, others] = split(net, `${path}.split`, x, [part, channels - part]);
  const layer = { in: part, out: part, kernel: 3, init: NORMAL };
  return concat(net, `${path}.concat`, [net.conv(`${path}.partial_conv3`, first, layer), others]);
}

function activate(net: Network, path: string, x: Value, activation: Activation): Value {
  return activation === 'gelu' ? gelu(net, path, x) : net.relu(path, x);
}

const PAPER = {
  title: "Run, Don't Walk: Chasing Higher FLOPS for Faster Neural Networks",
  year: 2023,
  arxiv: '2303.03667',
} as const;

export const FASTERNETS: readonly ZooEntry[] = SIZES.map((which): ZooEntry => {
  const { parametersM } = ARCHITECTURES[which];
  const published: Published = {
    options: {},
    parametersM,
    rule: 'all',
    source: `timm, model card of fasternet_${which}`,
  };
  return {
    name: `fasternet${which}`,
    family: 'FasterNet',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000 },
    published: [published],
    build: (options) => fasterNet(which, options),
  };
});
