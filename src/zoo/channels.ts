/** Moving channels about: what shuffled, dense and partial networks do between their convolutions. NCHW throughout. */
import type { Value } from '../onnx/index.js';
import type { Network } from './network.js';

/** Values one after the other along the channels. */
export function concat(net: Network, path: string, values: readonly Value[]): Value {
  return net.builder.op('Concat', values, { axis: 1 }, { name: path });
}

/** Channels `from` up to, not including, `to`. */
export function channelsOf(net: Network, path: string, x: Value, from: number, to: number): Value {
  const { builder } = net;
  const at = (n: number): Value => builder.i64([n]);
  return builder.op('Slice', [x, at(from), at(to), at(1)], {}, { name: path });
}

/** Parts of these many channels, in order; they must add up to x's. */
export function split(net: Network, path: string, x: Value, channels: readonly number[]): readonly Value[] {
  return net.builder.ops(
    'Split',
    [x, net.builder.i64(channels)],
    { axis: 1 },
    { name: path, outputs: channels.length },
  );
}

/**
 * Channel shuffle (Zhang et al., 2017, arXiv:1707.01083): [N, g·c, H, W] → channels (i, j) of g × c become (j, i).
 * x: [N, channels, H, W] with a known height and width
 */
export function shuffle(net: Network, path: string, x: Value, channels: number, groups: number): Value {
  const { builder } = net;
  const [height, width] = mapOf(x);
  const apart = builder.i64([0, groups, channels / groups, height, width]);
  const whole = builder.i64([0, channels, height, width]);
  const split = builder.op('Reshape', [x, apart], {}, { name: `${path}.split` });
  const swapped = builder.op('Transpose', [split], { perm: [0, 2, 1, 3, 4] }, { name: `${path}.transpose` });
  return builder.op('Reshape', [swapped, whole], {}, { name: path });
}

/** Height and width of a map, which the zoo's networks always know. */
export function mapOf(x: Value): readonly [height: number, width: number] {
  const shape = x.type?.kind === 'tensor' ? x.type.shape : undefined;
  const [, , height, width] = shape ?? [];
  if (typeof height !== 'number' || typeof width !== 'number')
    throw new Error(`${x.name} has no known height and width`);
  return [height, width];
}
