/**
 * ShuffleNetV2 (Ma et al., 2018, arXiv:1807.11164, table 5): a 3x3 convolution and a 3x3 max pool, each of stride 2; three
 * stages of 4, 8 and 4 units; a 1x1 convolution, global average, fully connected. A unit splits its channels in halves,
 * leaves one as it is, passes the other through 1x1, depthwise 3x3 and 1x1, and shuffles both together. The first unit of a
 * stage reads all channels on both sides, has stride 2 and a depthwise 3x3 and a 1x1 in place of the identity.
 *
 * Names and structure are torchvision's, and so is the initialization, PyTorch's default: weights
 * evenly in ±1/√fan_in (the classifier's biases start at 0 here).
 *
 * The paper's complexities 0.5, 1, 1.5 and 2 are entries of their own (`shufflenetv2x10`, after torchvision's names),
 * because they scale stages by tables. A width multiplier scales the stages of any of them to even numbers, at least 2,
 * and keeps the first and the last convolution.
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { concat, shuffle, split } from './channels.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import type { Init } from './init.js';
import { type ConvInit, Network } from './network.js';

export interface ShuffleNetV2Stage {
  /** Even: a unit works on one half. */
  readonly channels: number;
  readonly units: number;
}

export interface ShuffleNetV2Layout {
  /** Channels of the first convolution. */
  readonly stem: number;
  readonly stages: readonly ShuffleNetV2Stage[];
  /** Channels of the last 1x1 convolution. */
  readonly last: number;
}

export interface ShuffleNetV2Options extends ZooOptions {
  /** In place of table 5's; the width does not scale it. */
  readonly layout?: ShuffleNetV2Layout;
}

interface Variant {
  readonly channels: readonly number[];
  readonly last: number;
  readonly parametersM: number;
  readonly multAddsM: number;
}

/** Table 5, with torchvision's counts in millions. */
const VARIANTS = {
  '0.5': { channels: [48, 96, 192], last: 1024, parametersM: 1.366792, multAddsM: 40 },
  '1.0': { channels: [116, 232, 464], last: 1024, parametersM: 2.278604, multAddsM: 145 },
  '1.5': { channels: [176, 352, 704], last: 1024, parametersM: 3.503624, multAddsM: 296 },
  '2.0': { channels: [244, 488, 976], last: 2048, parametersM: 7.393996, multAddsM: 583 },
} as const satisfies Record<string, Variant>;
const STEM = 24;
const UNITS = [4, 8, 4] as const;

export type ShuffleNetV2Complexity = keyof typeof VARIANTS;
export const SHUFFLENETV2_COMPLEXITIES = [
  '0.5',
  '1.0',
  '1.5',
  '2.0',
] as const satisfies readonly ShuffleNetV2Complexity[];

const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;

/** PyTorch's default for convolutions and fully connected layers. `fan`: values that one output is computed from */
function evenly(fan: number): Init {
  return { kind: 'uniform', bound: 1 / Math.sqrt(fan) };
}

function nameOf(complexity: ShuffleNetV2Complexity): string {
  return `shufflenetv2x${complexity.replace('.', '')}`;
}

function layoutOf(complexity: ShuffleNetV2Complexity, width: number): ShuffleNetV2Layout {
  const { channels, last } = VARIANTS[complexity];
  const scaled = (c: number): number => 2 * Math.max(1, Math.round((c / 2) * width));
  return { stem: STEM, stages: channels.map((c, i) => ({ channels: scaled(c), units: UNITS[i] })), last };
}

/** Builds the network. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function shuffleNetV2(complexity: ShuffleNetV2Complexity, options: ShuffleNetV2Options = {}): Model {
  const arch = nameOf(complexity);
  const { layout, ...common } = options;
  checkOptions(arch, ACCEPTS, common);
  const { width = 1, size = 224, classes = 1000, seed = 0 } = options;
  const { stem, stages, last } = layout ?? layoutOf(complexity, width);
  const odd = stages.find((s) => s.channels % 2 !== 0);
  if (odd)
    throw new UsageError({
      problem: `${arch}: channels of a stage`,
      expected: 'even numbers',
      found: `${odd.channels}`,
    });
  const net = new Network(arch, size, seed);
  let x = convBnRelu(net, 'conv1', net.input, { in: 3, out: stem, kernel: 3, stride: 2 });
  x = net.maxPool('maxpool', x, { kernel: 3, stride: 2, padding: 1 });
  let channels = stem;
  for (const [i, stage] of stages.entries()) {
    for (let index = 0; index < stage.units; index++) {
      const path = `stage${i + 2}.${index}`;
      x = index === 0 ? downUnit(net, path, x, channels, stage.channels) : unit(net, path, x, stage.channels);
      channels = stage.channels;
    }
  }
  x = convBnRelu(net, 'conv5', x, { in: channels, out: last, kernel: 1 });
  net.logits('fc', net.globalAverage(x), { in: last, classes, init: evenly(last) });
  return net.model(
    // Provenance promises that the registry can build the model again.
    { arch: layout ? `${arch}-custom` : arch, width, size, classes, seed },
    presetPreprocess('imagenet', size),
  );
}

/** Stride 1: one half passes, the other is worked on. */
function unit(net: Network, path: string, x: Value, channels: number): Value {
  const half = channels / 2;
  const [kept, worked] = split(net, `${path}.split`, x, [half, half]);
  return joined(net, path, [kept, branch2(net, `${path}.branch2`, worked, half, half, 1)], channels);
}

/** Stride 2: both sides read every channel. */
function downUnit(net: Network, path: string, x: Value, channels: number, out: number): Value {
  const half = out / 2;
  const left = `${path}.branch1`;
  const depthwise = { in: channels, out: channels, kernel: 3, stride: 2, groups: channels };
  let y = convBn(net, `${left}.0`, `${left}.1`, x, depthwise);
  y = convBn(net, `${left}.2`, `${left}.3`, y, { in: channels, out: half, kernel: 1 });
  const sides = [net.relu(`${left}.4`, y), branch2(net, `${path}.branch2`, x, channels, half, 2)];
  return joined(net, path, sides, out);
}

/** 1x1, depthwise 3x3, 1x1. */
function branch2(net: Network, path: string, x: Value, from: number, half: number, stride: number): Value {
  let y = convBn(net, `${path}.0`, `${path}.1`, x, { in: from, out: half, kernel: 1 });
  y = net.relu(`${path}.2`, y);
  const depthwise = { in: half, out: half, kernel: 3, stride, groups: half };
  y = convBn(net, `${path}.3`, `${path}.4`, y, depthwise);
  y = convBn(net, `${path}.5`, `${path}.6`, y, { in: half, out: half, kernel: 1 });
  return net.relu(`${path}.7`, y);
}

function joined(net: Network, path: string, sides: readonly Value[], channels: number): Value {
  return shuffle(net, `${path}.shuffle`, concat(net, `${path}.concat`, sides), channels, 2);
}

type ConvLayer = Omit<ConvInit, 'init'>;

function convBn(net: Network, conv: string, norm: string, x: Value, layer: ConvLayer): Value {
  const init = evenly((layer.in / (layer.groups ?? 1)) * layer.kernel ** 2);
  return net.batchNorm(norm, net.conv(conv, x, { ...layer, init }), layer.out);
}

function convBnRelu(net: Network, path: string, x: Value, layer: ConvLayer): Value {
  return net.relu(`${path}.2`, convBn(net, `${path}.0`, `${path}.1`, x, layer));
}

const PAPER = {
  title: 'ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design',
  year: 2018,
  arxiv: '1807.11164',
} as const;

export const SHUFFLENETV2S: readonly ZooEntry[] = SHUFFLENETV2_COMPLEXITIES.map((complexity): ZooEntry => {
  const { parametersM, multAddsM } = VARIANTS[complexity];
  const weights = `ShuffleNet_V2_X${complexity.replace('.', '_')}_Weights`;
  return {
    name: nameOf(complexity),
    family: 'ShuffleNetV2',
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
    build: (options) => shuffleNetV2(complexity, options),
  };
});
