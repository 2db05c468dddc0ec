/**
 * ConvNeXt (Liu et al., 2022, arXiv:2201.03545, section 3): a 4x4 convolution of stride 4, four stages of blocks (depthwise
 * 7x7, LayerNorm, fully connected to four times the channels, GELU, fully connected back, a factor per channel, sum),
 * LayerNorm and a 2x2 convolution of stride 2 between the stages, global average, LayerNorm, fully connected.
 *
 * Names, structure and initialization are torchvision's: normal of 0.02 (its truncation at ±2 is a hundred standard
 * deviations away), biases 0, factors (layer scale) 1e-6, LayerNorm with ε = 1e-6. The paper's stochastic depth is left
 * out. Inside a block channels are last, as in the paper's code. A width multiplier scales the channels:
 * max(1, round(width·c)).
 */
import type { Model, Value } from '../onnx/index.js';
import { gelu } from './activations.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { filled } from './init.js';
import { Network } from './network.js';
import { type ImageCut, imagenetPreprocess } from './preprocess.js';

export interface ConvNeXtStage {
  readonly channels: number;
  readonly blocks: number;
}

export interface ConvNeXtOptions extends ZooOptions {
  /** In place of the paper's; the map halves between them. */
  readonly stages?: readonly ConvNeXtStage[];
}

interface Architecture {
  readonly title: string;
  readonly channels: number;
  readonly blocks: readonly number[];
  /** Of torchvision's weights. */
  readonly cut: ImageCut;
  readonly parametersM: number;
  readonly multAddsM: number;
}

/** The paper's networks, with torchvision's counts in millions. Channels double from stage to stage. */
const ARCHITECTURES = {
  tiny: {
    title: 'Tiny',
    channels: 96,
    blocks: [3, 3, 9, 3],
    cut: bilinear(236),
    parametersM: 28.589128,
    multAddsM: 4456,
  },
  small: {
    title: 'Small',
    channels: 96,
    blocks: [3, 3, 27, 3],
    cut: bilinear(230),
    parametersM: 50.223688,
    multAddsM: 8684,
  },
  base: {
    title: 'Base',
    channels: 128,
    blocks: [3, 3, 27, 3],
    cut: bilinear(232),
    parametersM: 88.591464,
    multAddsM: 15355,
  },
} as const satisfies Record<string, Architecture>;

function bilinear(resize: number): ImageCut {
  return { size: 224, resize, interpolation: 'bilinear' };
}

export type ConvNeXtSize = keyof typeof ARCHITECTURES;
const SIZES = ['tiny', 'small', 'base'] as const satisfies readonly ConvNeXtSize[];

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;
const NORMAL = { kind: 'normal', std: 0.02 } as const;
const EPSILON = 1e-6;
const LAYER_SCALE = 1e-6;

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function convNeXt(which: ConvNeXtSize, options: ConvNeXtOptions = {}): Model {
  const arch = `convnext${which}`;
  const table = ARCHITECTURES[which];
  const { stages, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const planned = stages ?? table.blocks.map((blocks, i) => ({ channels: table.channels * 2 ** i, blocks }));
  const net = new Network(arch, size, seed);
  const patches = { padding: 0, bias: true, init: NORMAL } as const;
  let x = net.input;
  let channels = 3;
  for (const [stage, { channels: c, blocks }] of planned.entries()) {
    const out = Math.max(1, Math.round(c * width));
    const before = `features.${2 * stage}`;
    if (stage === 0) {
      x = net.conv(`${before}.0`, x, { ...patches, in: channels, out, kernel: 4, stride: 4 });
      x = channelNorm(net, `${before}.1`, x, out);
    } else {
      x = channelNorm(net, `${before}.0`, x, channels);
      x = net.conv(`${before}.1`, x, { ...patches, in: channels, out, kernel: 2, stride: 2 });
    }
    channels = out;
    for (let block = 0; block < blocks; block++)
      x = residual(net, `features.${2 * stage + 1}.${block}`, x, channels);
  }
  const y = layerNorm(net, 'classifier.0', net.globalAverage(x), channels);
  net.logits('classifier.2', y, { in: channels, classes, init: NORMAL });
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: stages ? `${arch}-custom` : arch, width, size, classes, seed },
    imagenetPreprocess(size, table.cut),
  );
}

function residual(net: Network, path: string, x: Value, channels: number): Value {
  const depthwise = { in: channels, out: channels, kernel: 7, groups: channels, bias: true, init: NORMAL };
  let y = net.conv(`${path}.block.0`, x, depthwise);
  y = toLast(net, `${path}.block.1`, y);
  y = layerNorm(net, `${path}.block.2`, y, channels);
  y = dense(net, `${path}.block.3`, y, channels, 4 * channels);
  y = gelu(net, `${path}.block.4`, y);
  y = dense(net, `${path}.block.5`, y, 4 * channels, channels);
  y = toFirst(net, `${path}.block.6`, y);
  const factors = net.parameter(`${path}.layer_scale`, filled([channels, 1, 1], LAYER_SCALE));
  return net.add(`${path}.add`, net.mul(`${path}.mul`, factors, y), x);
}

/** Over the channels of each pixel. x: [N, channels, H, W] */
function channelNorm(net: Network, path: string, x: Value, channels: number): Value {
  const normalized = layerNorm(net, path, toLast(net, `${path}.last`, x), channels);
  return toFirst(net, `${path}.first`, normalized);
}

/** x: […, channels] */
function layerNorm(net: Network, path: string, x: Value, channels: number): Value {
  const scale = net.parameter(`${path}.weight`, filled([channels], 1));
  const shift = net.parameter(`${path}.bias`, filled([channels], 0));
  const attributes = { axis: -1, epsilon: { float: EPSILON } };
  return net.builder.op('LayerNormalization', [x, scale, shift], attributes, { name: path });
}

/** x·Wᵀ + b. […, in] → […, out]; W [out, in] */
function dense(net: Network, path: string, x: Value, inner: number, out: number): Value {
  const weight = net.weight(`${path}.weight`, [out, inner], NORMAL);
  const bias = net.parameter(`${path}.bias`, filled([out], 0));
  const turned = net.builder.op('Transpose', [weight], { perm: [1, 0] }, { name: `${path}.transpose` });
  return net.add(path, net.builder.op('MatMul', [x, turned], {}, { name: `${path}.matmul` }), bias);
}

/** [N, C, H, W] → [N, H, W, C] */
function toLast(net: Network, path: string, x: Value): Value {
  return net.builder.op('Transpose', [x], { perm: [0, 2, 3, 1] }, { name: path });
}

/** [N, H, W, C] → [N, C, H, W] */
function toFirst(net: Network, path: string, x: Value): Value {
  return net.builder.op('Transpose', [x], { perm: [0, 3, 1, 2] }, { name: path });
}

const PAPER = { title: 'A ConvNet for the 2020s', year: 2022, arxiv: '2201.03545' } as const;

export const CONVNEXTS: readonly ZooEntry[] = SIZES.map((which): ZooEntry => {
  const { title, parametersM, multAddsM } = ARCHITECTURES[which];
  return {
    name: `convnext${which}`,
    family: 'ConvNeXt',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 224, classes: 1000 },
    published: [
      {
        options: {},
        parametersM,
        multAddsM,
        rule: 'all',
        source: `torchvision 0.28, ConvNeXt_${title}_Weights: num_params ${Math.round(parametersM * 1e6)}, _ops ${multAddsM / 1000} G`,
      },
    ],
    build: (options) => convNeXt(which, options),
  };
});
