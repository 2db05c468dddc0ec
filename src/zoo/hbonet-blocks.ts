/**
 * Blocks of HBONet (Li et al., 2019, arXiv:1908.03888, figure 2), numbered as in the authors' repository.
 *
 * A harmonious bottleneck contracts the map by a depthwise 5x5 of stride 2, expands the channels by a 1x1 convolution, works
 * on them with a depthwise 3x3, contracts them to half of the block's channels by a linear 1x1, and expands the map again. The
 * other half of its output are input channels, averaged 2x2 where the block has stride 2.
 */
import { UsageError } from '../base/errors.js';
import type { Value } from '../onnx/index.js';
import { channelsOf, concat, mapOf } from './channels.js';
import type { ConvInit, Network } from './network.js';

/**
 * `published`: the depthwise 5x5 is linear. With stride 1 the expanded map is added to the first input channels and passes
 * another linear depthwise 5x5; with stride 2 the map stays contracted. Input channels come first: the last ones.
 * `mirrored`: the depthwise 5x5 has ReLU6. The map is always expanded and passes a linear depthwise 5x5, which has the block's
 * stride. Input channels come last: the first ones.
 */
export type HarmoniousForm = 'published' | 'mirrored';

export interface Harmonious {
  readonly kind: 'harmonious';
  readonly out: number;
  /** Channels inside, in multiples of the input's. */
  readonly expansion: number;
  readonly stride: 1 | 2;
  /** Default: published. */
  readonly form?: HarmoniousForm;
  /** How the map is expanded. Default: nearest, as in the authors' code. */
  readonly upsample?: Upsampling;
}

export type Upsampling = 'nearest' | 'bilinear';

/** MobileNetV2's block: 1x1 expansion unless it is by 1, depthwise 3x3, linear 1x1; a residual where dims agree. */
export interface Inverted {
  readonly kind: 'inverted';
  readonly out: number;
  readonly expansion: number;
  readonly stride: 1 | 2;
}

export function harmoniousBottleneck(
  net: Network,
  path: string,
  x: Value,
  channels: number,
  block: Harmonious,
): Value {
  const { out, expansion, stride, form = 'published', upsample: how = 'nearest' } = block;
  // An input of fewer channels than half of the output (rounding does that at some widths) passes all it has.
  const kept = Math.min(channels, Math.ceil(out / 2));
  const half = out - kept;
  checkInput(path, x, form === 'published' && stride === 1 ? half : 0, channels);
  const inner = channels * expansion;
  const depthwise = (c: number, kernel: number, step: number) => ({
    in: c,
    out: c,
    kernel,
    stride: step,
    groups: c,
  });
  const part = (name: string, from: number, to: number): Value => {
    const y = channelsOf(net, `${path}.${name}`, x, from, to);
    return stride === 2 ? net.windowAverage(`${path}.${name}.avgpool`, y, { kernel: 2, stride: 2 }) : y;
  };
  let y = convBn(net, `${path}.conv`, 0, x, depthwise(channels, 5, 2), form === 'mirrored');
  y = convBn(net, `${path}.conv`, 2, y, { in: channels, out: inner, kernel: 1 }, true);
  y = convBn(net, `${path}.conv`, 5, y, depthwise(inner, 3, 1), true);
  y = convBn(net, `${path}.conv`, 8, y, { in: inner, out: half, kernel: 1 }, false);
  if (form === 'mirrored') {
    y = upsample(net, `${path}.upsample`, y, how);
    y = convBn(net, `${path}.upconv`, 0, y, depthwise(half, 5, stride), false);
    return concat(net, `${path}.concat`, [y, part('kept', 0, kept)]);
  }
  if (stride === 1) {
    y = net.add(`${path}.add`, part('identity', 0, half), upsample(net, `${path}.upsample`, y, how));
    y = convBn(net, `${path}.upconv`, 0, y, depthwise(half, 5, 1), false);
  }
  return concat(net, `${path}.concat`, [part('kept', channels - kept, channels), y]);
}

/** `added`: input channels that the expanded map is added to. */
function checkInput(path: string, x: Value, added: number, channels: number): void {
  const [height, width] = mapOf(x);
  if (height % 2 !== 0 || width % 2 !== 0)
    throw new UsageError({
      problem: `hbonet: size (${path} contracts its map to half)`,
      expected: 'one that keeps maps even: multiples of 32 do',
      found: `a map of ${height}x${width}`,
    });
  if (channels < added)
    throw new UsageError({
      problem: `hbonet: ${path} adds to its first input channels`,
      expected: `at least ${added} of them`,
      found: `${channels}`,
    });
}

export function invertedResidual(
  net: Network,
  path: string,
  x: Value,
  channels: number,
  block: Inverted,
): Value {
  const { out, expansion, stride } = block;
  const inner = channels * expansion;
  const sequence = `${path}.conv`;
  const first = expansion === 1 ? 0 : 3;
  let y = x;
  if (first > 0) y = convBn(net, sequence, 0, y, { in: channels, out: inner, kernel: 1 }, true);
  y = convBn(net, sequence, first, y, { in: inner, out: inner, kernel: 3, stride, groups: inner }, true);
  y = convBn(net, sequence, first + 3, y, { in: inner, out, kernel: 1 }, false);
  return stride === 1 && channels === out ? net.add(`${path}.add`, x, y) : y;
}

/** A convolution, the `index`-th layer of a sequence, its normalization and, where active, ReLU6. */
export function convBn(
  net: Network,
  sequence: string,
  index: number,
  x: Value,
  layer: Omit<ConvInit, 'init'>,
  active: boolean,
): Value {
  const y = net.conv(`${sequence}.${index}`, x, { ...layer, init: { kind: 'he', fan: 'out' } });
  const z = net.batchNorm(`${sequence}.${index + 1}`, y, layer.out);
  return active ? net.relu6(`${sequence}.${index + 2}`, z) : z;
}

/** Twice the height and width, as PyTorch interpolates. x: [N, C, H, W] */
function upsample(net: Network, path: string, x: Value, how: Upsampling): Value {
  const { builder } = net;
  const attributes =
    how === 'nearest'
      ? { mode: 'nearest', coordinate_transformation_mode: 'asymmetric', nearest_mode: 'floor' }
      : { mode: 'linear', coordinate_transformation_mode: 'half_pixel' };
  return builder.op('Resize', [x, undefined, builder.f32([1, 1, 2, 2])], attributes, { name: path });
}
