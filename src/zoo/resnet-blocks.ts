/** Blocks of the ImageNet residual networks: a branch of convolutions and, but in plain networks, a shortcut beside it. */
import type { Value } from '../onnx/index.js';
import type { Network } from './network.js';
import { padShortcut } from './shortcut.js';

export const HE = { kind: 'he', fan: 'in' } as const;

export type BlockKind = 'basic' | 'bottleneck';

/** Channels that a block puts out, in units of its stage's. */
export const EXPANSION = { basic: 1, bottleneck: 4 } as const satisfies Record<BlockKind, number>;

/**
 * Options A, B and C of He et al. 2015, section 4.1: where a block changes the dims, A pads with zeros and B projects by a
 * 1x1 convolution with BatchNormalization; C projects in every block. `none`: a plain network.
 */
export type Shortcut = 'A' | 'B' | 'C' | 'none';

/** What all blocks of a network have in common. */
export interface BlockStyle {
  readonly kind: BlockKind;
  readonly shortcut: Shortcut;
  /** Every block has the parameters of a projection, used or not. */
  readonly registerProjections?: boolean;
  /** Where a bottleneck's stride is: in its first 1x1 convolution (v1) or in its 3x3 (v1.5). */
  readonly variant: 'v1' | 'v1.5';
  /** First γ of the last BatchNormalization. */
  readonly lastScale: number;
}

export interface BlockDims {
  readonly in: number;
  /** Channels between the convolutions. */
  readonly inner: number;
  readonly out: number;
  readonly stride: number;
}

/** x: [N, dims.in, H, W] → [N, dims.out, H / stride, W / stride] */
export function block(net: Network, path: string, x: Value, dims: BlockDims, style: BlockStyle): Value {
  const branch = style.kind === 'basic' ? basicBranch : bottleneckBranch;
  const y = branch(net, path, x, dims, style);
  const shorter = shortcut(net, path, x, dims, style);
  return net.relu(`${path}.relu`, shorter ? net.add(`${path}.add`, y, shorter) : y);
}

function shortcut(
  net: Network,
  path: string,
  x: Value,
  dims: BlockDims,
  style: BlockStyle,
): Value | undefined {
  const { out, stride } = dims;
  const same = stride === 1 && dims.in === out;
  const projects = style.shortcut === 'C' || (style.shortcut === 'B' && !same);
  const layer = { in: dims.in, out, kernel: 1, stride, init: HE } as const;
  if (projects) {
    const y = net.conv(`${path}.downsample.0`, x, layer);
    return net.batchNorm(`${path}.downsample.1`, y, out);
  }
  if (style.registerProjections) {
    net.unusedConv(`${path}.downsample.0`, layer);
    net.unusedBatchNorm(`${path}.downsample.1`, out);
  }
  if (style.shortcut === 'none') return undefined;
  if (same) return x;
  return padShortcut(net, `${path}.shortcut`, x, { stride, before: 0, after: out - dims.in });
}

function basicBranch(net: Network, path: string, x: Value, dims: BlockDims, style: BlockStyle): Value {
  const { inner, out, stride } = dims;
  let y = net.conv(`${path}.conv1`, x, { in: dims.in, out: inner, kernel: 3, stride, init: HE });
  y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.bn1`, y, inner));
  y = net.conv(`${path}.conv2`, y, { in: inner, out, kernel: 3, init: HE });
  return net.batchNorm(`${path}.bn2`, y, out, { scale: style.lastScale });
}

function bottleneckBranch(net: Network, path: string, x: Value, dims: BlockDims, style: BlockStyle): Value {
  const { inner, out, stride } = dims;
  const [first, second] = style.variant === 'v1' ? [stride, 1] : [1, stride];
  let y = net.conv(`${path}.conv1`, x, { in: dims.in, out: inner, kernel: 1, stride: first, init: HE });
  y = net.relu(`${path}.relu1`, net.batchNorm(`${path}.bn1`, y, inner));
  y = net.conv(`${path}.conv2`, y, { in: inner, out: inner, kernel: 3, stride: second, init: HE });
  y = net.relu(`${path}.relu2`, net.batchNorm(`${path}.bn2`, y, inner));
  y = net.conv(`${path}.conv3`, y, { in: inner, out, kernel: 1, init: HE });
  return net.batchNorm(`${path}.bn3`, y, out, { scale: style.lastScale });
}
