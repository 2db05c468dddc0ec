import type { Value } from '../onnx/index.js';
import type { Init } from './init.js';
import type { Network } from './network.js';

type Activation = (net: Network, path: string, x: Value) => Value;

export interface SqueezeExcite {
  readonly channels: number;
  /** Channels between the two layers. */
  readonly squeezed: number;
  /** Behind the first layer. */
  readonly activation: Activation;
  /** Of the channels' factors. */
  readonly gate: Activation;
  readonly init: Init;
}

/**
 * x scaled per channel by gate(fc2(activation(fc1(mean of x)))) (Hu et al., 2017, arXiv:1709.01507). The layers are 1x1
 * convolutions with a bias, named as in torchvision and timm. x: [N, channels, H, W]
 */
export function squeezeExcite(net: Network, path: string, x: Value, block: SqueezeExcite): Value {
  const { channels, squeezed, activation, gate, init } = block;
  const dense = { kernel: 1, bias: true, init } as const;
  let s = net.averagePool(`${path}.avgpool`, x);
  s = net.conv(`${path}.fc1`, s, { ...dense, in: channels, out: squeezed });
  s = activation(net, `${path}.activation`, s);
  s = net.conv(`${path}.fc2`, s, { ...dense, in: squeezed, out: channels });
  return net.mul(`${path}.mul`, x, gate(net, `${path}.scale_activation`, s));
}
