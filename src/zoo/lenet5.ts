/**
 * LeNet-5 (LeCun, Bottou, Bengio and Haffner, Gradient-Based Learning Applied to Document Recognition, Proceedings of the
 * IEEE 86(11), 1998, section II.B): C1 6 maps by 5x5; S2 means of 2x2 with a trainable coefficient and bias per map; C3 16
 * maps by 5x5, each from 3, 4 or all 6 maps of S2 as table I says; S4 as S2; C5 120 maps by 5x5; F6 84 units. Every layer
 * ends in A·tanh(2/3·x) with A = 1.7159 (appendix A).
 *
 * Table I is built in, so that no connection appears in training: C3 is a grouped convolution for the maps of 3, one for
 * those of 4, and one for the map of 6, over gathered channels. The output layer is fully connected instead of the
 * paper's radial basis functions with codes set by hand: the paper's 60,000 trainable parameters are those before it.
 * S2 and S4 take means where the paper takes sums; their coefficients start at 1, their biases at 0. Weights start evenly in
 * ±2.4 / fan_in (appendix A). Inputs are the paper's: the background -0.1, the ink 1.175, mean about 0.
 *
 * A width multiplier scales C5 and F6 alone, max(1, round(width·c)): table I fixes the maps before.
 */
import { UsageError } from '../base/errors.js';
import type { Preprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { concat, mapOf } from './channels.js';
import { checkOptions, type ZooEntry, type ZooOptions } from './entry.js';
import { filled, type Init } from './init.js';
import { Network } from './network.js';

/** Maps of S2 that each map of C3 reads, by how many they are. */
const TABLE_I = {
  three: [
    [0, 1, 2],
    [1, 2, 3],
    [2, 3, 4],
    [3, 4, 5],
    [4, 5, 0],
    [5, 0, 1],
  ],
  four: [
    [0, 1, 2, 3],
    [1, 2, 3, 4],
    [2, 3, 4, 5],
    [3, 4, 5, 0],
    [4, 5, 0, 1],
    [5, 0, 1, 2],
    [0, 1, 3, 4],
    [1, 2, 4, 5],
    [0, 2, 3, 5],
  ],
  six: [[0, 1, 2, 3, 4, 5]],
} as const;

const AMPLITUDE = 1.7159;
const SLOPE = 2 / 3;
const SMALLEST = 32;
const ACCEPTS = ['width', 'size', 'classes', 'seed'] as const;

/** Builds the network. Input [N, 1, size, size], output `logits` [N, classes]. @throws UsageError for bad options */
export function leNet5(options: ZooOptions = {}): Model {
  const arch = 'lenet5';
  checkOptions(arch, ACCEPTS, options);
  const { width = 1, size = 32, classes = 10, seed = 0 } = options;
  if (size < SMALLEST)
    throw new UsageError({ problem: `${arch}: size`, expected: `at least ${SMALLEST}`, found: `${size}` });
  const scaled = (c: number): number => Math.max(1, Math.round(c * width));
  const net = new Network(arch, size, seed, 1);
  let x = squash(net, 'c1', convolution(net, 'c1', net.input, { in: 1, out: 6 }));
  x = subsample(net, 's2', x, 6);
  const parts = [TABLE_I.three, TABLE_I.four, TABLE_I.six].map((rows) => tablePart(net, x, rows));
  x = squash(net, 'c3', concat(net, 'c3', parts));
  x = subsample(net, 's4', x, 16);
  const wide = scaled(120);
  x = squash(net, 'c5', convolution(net, 'c5', x, { in: 16, out: wide }));
  const [height, across] = mapOf(x);
  const fanIn = wide * height * across;
  x = net.builder.op('Flatten', [x], { axis: 1 }, { name: 'flatten' });
  const units = scaled(84);
  x = squash(net, 'f6', net.linear('f6', x, { in: fanIn, out: units, init: init(fanIn) }));
  net.logits('output', x, { in: units, classes, init: init(units) });
  return net.model({ arch, width, size, classes, seed }, preprocess(size));
}

function init(fanIn: number): Init {
  return { kind: 'uniform', bound: 2.4 / fanIn };
}

/** 5x5, no padding. */
function convolution(
  net: Network,
  path: string,
  x: Value,
  layer: { readonly in: number; readonly out: number; readonly groups?: number },
): Value {
  const fanIn = (layer.in / (layer.groups ?? 1)) * 25;
  return net.conv(path, x, { ...layer, kernel: 5, padding: 0, bias: true, init: init(fanIn) });
}

/** The maps of C3 that read equally many maps of x: one group each. */
function tablePart(net: Network, x: Value, rows: readonly (readonly number[])[]): Value {
  const path = `c3.${rows[0].length}`;
  const maps = rows.flat();
  const all = rows.length === 1;
  const read = all
    ? x
    : net.builder.op('Gather', [x, net.builder.i64(maps)], { axis: 1 }, { name: `${path}.maps` });
  return convolution(net, path, read, { in: maps.length, out: rows.length, groups: rows.length });
}

/** coefficient · mean of 2x2 + bias, squashed. */
function subsample(net: Network, path: string, x: Value, channels: number): Value {
  const mean = net.windowAverage(`${path}.mean`, x, { kernel: 2, stride: 2 });
  const coefficient = net.parameter(`${path}.weight`, filled([channels, 1, 1], 1));
  const bias = net.parameter(`${path}.bias`, filled([channels, 1, 1], 0));
  return squash(net, path, net.add(`${path}.add`, net.mul(`${path}.mul`, mean, coefficient), bias));
}

/** A·tanh(2/3·x) */
function squash(net: Network, path: string, x: Value): Value {
  const { builder } = net;
  const sloped = net.mul(`${path}.slope`, x, builder.f32(SLOPE));
  const tanh = builder.op('Tanh', [sloped], {}, { name: `${path}.tanh` });
  return net.mul(`${path}.squash`, tanh, builder.f32(AMPLITUDE));
}

/** Dark (0) becomes -0.1, light (255) 1.175: digits are light on dark, as MNIST's files have them. */
function preprocess(size: number): Preprocess {
  const range = 1.275;
  return {
    size,
    resize: size,
    crop: 'center',
    interpolation: 'bilinear',
    scale: 1 / 255,
    mean: [0.1 / range],
    std: [1 / range],
    channels: 'GRAY',
    labelOffset: 0,
  };
}

export const LENET5: ZooEntry = {
  name: 'lenet5',
  family: 'LeNet',
  paper: {
    title: 'Gradient-Based Learning Applied to Document Recognition',
    year: 1998,
    venue: 'Proceedings of the IEEE 86(11)',
  },
  accepts: ACCEPTS,
  defaults: { width: 1, size: 32, classes: 10 },
  published: [],
  top1: { percent: 99.05, source: 'LeCun et al. 1998, section III.B, MNIST, trained without distortions' },
  build: leNet5,
};
