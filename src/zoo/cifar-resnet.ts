/**
 * The CIFAR-10 residual networks (He et al., 2015, arXiv:1512.03385, section 4.2): a 3x3 convolution, three stages of n
 * blocks with 16, 32 and 64 channels on 32-, 16- and 8-pixel maps, global average, fully connected; depth 6n + 2.
 *
 * Shortcut A, as published: where a stage halves the map, the shortcut takes every second pixel and pads the channels
 * with zeros, half before and half after. It has no parameters. Shortcut B: a 1x1 convolution of stride 2 with
 * BatchNormalization. Names are those of akamaster/pytorch_resnet_cifar10. All weights start as He's normal, fan_in.
 * `zeroGamma` starts the scale of each block's last BatchNormalization at 0, as in the ImageNet networks. A width multiplier
 * scales the channels: max(1, round(width·c)).
 */
import { UsageError } from '../base/errors.js';
import { presetPreprocess } from '../base/preprocess.js';
import type { Model, Value } from '../onnx/index.js';
import { checkOptions, type Published, type ZooEntry, type ZooOptions } from './entry.js';
import { Network } from './network.js';
import { padShortcut } from './shortcut.js';

export const CIFAR_RESNET_DEPTHS = [20, 32, 44, 56, 110, 1202] as const;

const ACCEPTS = ['width', 'size', 'classes', 'seed', 'shortcut', 'zeroGamma'] as const;
const HE = { kind: 'he', fan: 'in' } as const;

/** Builds a network of 6n + 2 layers. Input [N, 3, size, size], output `logits` [N, classes]. @throws UsageError */
export function cifarResNet(depth: number, options: ZooOptions = {}): Model {
  const arch = `resnet${depth}`;
  if (!Number.isInteger((depth - 2) / 6) || depth < 8)
    throw new UsageError({ problem: 'a CIFAR ResNet has 6n + 2 layers', found: `${depth}` });
  checkOptions(arch, ACCEPTS, options);
  const { width = 1, size = 32, classes = 10, seed = 0, shortcut = 'A', zeroGamma = false } = options;
  if (shortcut !== 'A' && shortcut !== 'B')
    throw new UsageError({ problem: `${arch}: shortcut`, expected: 'A or B', found: `${String(shortcut)}` });
  const net = new Network(arch, size, seed);
  const [first, ...others] = [16, 32, 64].map((c) => Math.max(1, Math.round(c * width)));
  let x = net.conv('conv1', net.input, { in: 3, out: first, kernel: 3, init: HE });
  x = net.relu('relu', net.batchNorm('bn1', x, first));
  let channels = first;
  for (const [stage, out] of [first, ...others].entries()) {
    for (let block = 0; block < (depth - 2) / 6; block++) {
      const stride = stage > 0 && block === 0 ? 2 : 1;
      const dims = { in: channels, out, stride };
      x = basicBlock(net, `layer${stage + 1}.${block}`, x, {
        ...dims,
        shortcut,
        lastScale: zeroGamma ? 0 : 1,
      });
      channels = out;
    }
  }
  net.logits('linear', net.globalAverage(x), { in: channels, classes, init: HE });
  return net.model(
    { arch, width, size, classes, seed, shortcut, zeroGamma },
    presetPreprocess('cifar10', size),
  );
}

interface Block {
  readonly in: number;
  readonly out: number;
  readonly stride: number;
  readonly shortcut: 'A' | 'B';
  /** First γ of the last BatchNormalization. */
  readonly lastScale: number;
}

function basicBlock(net: Network, path: string, x: Value, block: Block): Value {
  const { out, stride } = block;
  let y = net.conv(`${path}.conv1`, x, { in: block.in, out, kernel: 3, stride, init: HE });
  y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.bn1`, y, out));
  y = net.conv(`${path}.conv2`, y, { in: out, out, kernel: 3, init: HE });
  y = net.batchNorm(`${path}.bn2`, y, out, { scale: block.lastScale });
  const same = stride === 1 && block.in === out;
  const shorter = same
    ? x
    : block.shortcut === 'A'
      ? shortcutA(net, path, x, block)
      : shortcutB(net, path, x, block);
  return net.relu(`${path}.relu2`, net.add(`${path}.add`, y, shorter));
}

function shortcutA(net: Network, path: string, x: Value, block: Block): Value {
  const missing = block.out - block.in;
  const before = Math.floor(missing / 2);
  return padShortcut(net, `${path}.shortcut`, x, { stride: block.stride, before, after: missing - before });
}

function shortcutB(net: Network, path: string, x: Value, block: Block): Value {
  const { out, stride } = block;
  const y = net.conv(`${path}.shortcut.0`, x, { in: block.in, out, kernel: 1, stride, init: HE });
  return net.batchNorm(`${path}.shortcut.1`, y, out);
}

const PAPER = {
  title: 'Deep Residual Learning for Image Recognition',
  year: 2015,
  arxiv: '1512.03385',
} as const;

/**
 * Paper table 6, shortcut A: millions of parameters, top-1; then millions of parameters and mult-adds of chenyaofo's networks,
 * which use B.
 */
const PUBLISHED: Readonly<
  Record<
    (typeof CIFAR_RESNET_DEPTHS)[number],
    readonly [a: number, percent: number, b?: readonly [number, number]]
  >
> = {
  20: [0.27, 91.25, [0.27, 40.81]],
  32: [0.46, 92.49, [0.47, 69.12]],
  44: [0.66, 92.83, [0.66, 97.44]],
  56: [0.85, 93.03, [0.86, 125.75]],
  110: [1.7, 93.57],
  1202: [19.4, 92.07],
};
const TABLE_6 = 'He et al. 2015, arXiv:1512.03385, table 6';

export const CIFAR_RESNETS: readonly ZooEntry[] = CIFAR_RESNET_DEPTHS.map((depth): ZooEntry => {
  const [a, percent, b] = PUBLISHED[depth];
  const published: Published[] = [{ options: {}, parametersM: a, rule: 'all', source: TABLE_6 }];
  if (b)
    published.push({
      options: { shortcut: 'B' },
      parametersM: b[0],
      multAddsM: b[1],
      rule: 'all',
      source: 'chenyaofo/pytorch-cifar-models, README, CIFAR-10',
    });
  return {
    name: `resnet${depth}`,
    family: 'CIFAR ResNet',
    paper: PAPER,
    accepts: ACCEPTS,
    defaults: { width: 1, size: 32, classes: 10, shortcut: 'A', zeroGamma: false },
    published,
    top1: { percent, source: `${TABLE_6}, CIFAR-10` },
    build: (options) => cifarResNet(depth, options),
  };
});
