import type { Value } from '../onnx/index.js';
import { concat } from './channels.js';
import type { Init } from './init.js';
import type { ConvInit, Network } from './network.js';

/** 1x1; the 1x1 before the 3x3, the 3x3; the 1x1 before the 5x5, the 5x5; the 1x1 behind the pool. */
export type InceptionChannels = readonly [number, number, number, number, number, number];

export interface GoogLeNetStyle {
  /** After each convolution, in place of its bias. */
  readonly batchNorm: boolean;
  /** Of the third branch: 5 as published, 3 in torchvision's. */
  readonly kernel: 5 | 3;
  readonly init: (fanIn: number) => Init;
  /** First value of biases. */
  readonly bias: number;
}

/** The modules of GoogLeNet (arXiv:1409.4842, figure 2b), by torchvision's names. */
export class Inception {
  readonly #net: Network;
  readonly #style: GoogLeNetStyle;
  readonly #epsilon: number;

  constructor(net: Network, style: GoogLeNetStyle, epsilon: number) {
    this.#net = net;
    this.#style = style;
    this.#epsilon = epsilon;
  }

  /** Convolution, BatchNormalization where the style has it, rectified. */
  conv(path: string, x: Value, layer: Omit<ConvInit, 'init' | 'bias'>): Value {
    const { batchNorm, init, bias } = this.#style;
    const net = this.#net;
    const drawn = { ...layer, init: init(layer.in * layer.kernel ** 2) };
    if (!batchNorm) return net.relu(`${path}.relu`, net.conv(`${path}.conv`, x, { ...drawn, bias }));
    const y = net.conv(`${path}.conv`, x, drawn);
    return net.relu(`${path}.relu`, net.batchNorm(`${path}.bn`, y, layer.out, { epsilon: this.#epsilon }));
  }

  /** x: [N, channels, H, W] → the joined branches, of the same map */
  module(
    path: string,
    x: Value,
    channels: number,
    branches: readonly number[],
  ): { x: Value; channels: number } {
    const [one, before3, three, before5, five, pooled] = branches;
    const branch1 = this.conv(`${path}.branch1`, x, { in: channels, out: one, kernel: 1 });
    let branch2 = this.conv(`${path}.branch2.0`, x, { in: channels, out: before3, kernel: 1 });
    branch2 = this.conv(`${path}.branch2.1`, branch2, { in: before3, out: three, kernel: 3 });
    let branch3 = this.conv(`${path}.branch3.0`, x, { in: channels, out: before5, kernel: 1 });
    const { kernel } = this.#style;
    branch3 = this.conv(`${path}.branch3.1`, branch3, { in: before5, out: five, kernel });
    let branch4 = this.#net.maxPool(`${path}.branch4.0`, x, { kernel: 3, stride: 1, padding: 1 });
    branch4 = this.conv(`${path}.branch4.1`, branch4, { in: channels, out: pooled, kernel: 1 });
    return {
      x: concat(this.#net, path, [branch1, branch2, branch3, branch4]),
      channels: one + three + five + pooled,
    };
  }
}
