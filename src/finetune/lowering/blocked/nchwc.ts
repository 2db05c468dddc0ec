import { type GraphBuilder, sizeOf, tensorType, type Value } from '../../../onnx/index.js';
import { inDims } from '../../in-dims.js';
import { NCHWC_DOMAIN, roundUp } from './block.js';

/** A 4-D tensor in blocks. Channels beyond `channels` are zero, unless `dirty`. */
export interface Blocked {
  readonly value: Value;
  /** [N, Cp, H, W] */
  readonly dims: readonly number[];
  /** C, without the padding */
  readonly channels: number;
  /** The padding holds finite rubbish. */
  readonly dirty: boolean;
}

export interface Activation {
  readonly name: 'Relu' | 'Clip' | 'HardSigmoid';
  readonly parameters: readonly number[];
}

export interface ConvOptions {
  readonly kernel: readonly number[];
  readonly strides?: readonly number[];
  readonly dilations?: readonly number[];
  readonly pads?: readonly number[];
  readonly group?: number;
  /** [Op] */
  readonly bias?: Value | undefined;
  /** Added before the activation; written over where nothing else reads it, else copied by one thread. */
  readonly sum?: Value | undefined;
  readonly activation?: Activation | undefined;
}

export type AffineOptions = Omit<ConvOptions, 'kernel' | 'group' | 'dilations'> & {
  /** [Cp]; default: 1 */
  readonly scale?: Value | undefined;
};

/** Emits blocked operators, and standard ones over the memory of blocked tensors. */
export class Nchwc {
  readonly b: GraphBuilder;
  /** B */
  readonly block: number;
  readonly #constants = new Map<string, Value>();

  constructor(b: GraphBuilder, block: number) {
    this.b = b;
    this.block = block;
  }

  padded(channels: number): number {
    return roundUp(channels, this.block);
  }

  reshape(v: Value, dims: readonly number[]): Value {
    return inDims(this.b, v, dims);
  }

  op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    dims: readonly number[],
    attributes: Parameters<GraphBuilder['op']>[2] = {},
  ): Value {
    const y = this.b.op(opType, inputs, attributes, { domain: NCHWC_DOMAIN });
    y.type = tensorType('float32', dims);
    return y;
  }

  /** @param x declared [N, C, H, W], @param w a packed kernel */
  conv(x: Value, w: Value, dims: readonly number[], options: ConvOptions): Value {
    const { kernel, activation, bias, sum } = options;
    const ones = kernel.map(() => 1);
    const inputs = sum ? [x, w, bias, sum] : bias ? [x, w, bias] : [x, w];
    return this.op('Conv', inputs, dims, {
      kernel_shape: kernel,
      strides: options.strides ?? ones,
      dilations: options.dilations ?? ones,
      pads: options.pads ?? kernel.flatMap(() => [0, 0]),
      group: options.group ?? 1,
      ...(activation
        ? {
            activation: activation.name,
            ...(activation.parameters.length > 0
              ? { activation_params: { floats: activation.parameters } }
              : {}),
          }
        : {}),
    });
  }

  /** scale·v + bias (+ sum) per channel, then the activation, in one pass: a depthwise 1×1 convolution. */
  affine(v: Value, dims: readonly number[], options: AffineOptions = {}): Value {
    const { scale, ...rest } = options;
    const channels = v.shape?.[1] ?? dims[1];
    const kernel = [channels, 1, 1, 1];
    const w = scale ? this.reshape(scale, kernel) : this.constant(kernel, 1);
    return this.conv(v, w, dims, { ...rest, kernel: [1, 1], group: channels });
  }

  /** sum + factor·v, written over `sum`, which nothing else may read: half of the time that an Add takes. */
  plus(sum: Value, v: Value, dims: readonly number[], factor = 1): Value {
    return this.affine(v, dims, { sum, scale: this.constant([dims[1], 1, 1, 1], factor) });
  }

  /** A constant filled with one value, shared. */
  constant(dims: readonly number[], value: number): Value {
    return this.shared(`${value} [${dims}]`, () =>
      this.b.f32(new Float32Array(sizeOf(dims)).fill(value), dims),
    );
  }

  /** A constant made once per key. */
  shared(key: string, make: () => Value): Value {
    const known = this.#constants.get(key) ?? make();
    this.#constants.set(key, known);
    return known;
  }

  /** NCHW → blocks; channels are padded first where they do not fill whole blocks. */
  block4(v: Value, dims: readonly number[]): Blocked {
    const [n, channels, ...spatial] = dims;
    const padded = [n, this.padded(channels), ...spatial];
    const { b } = this;
    // The reorder itself fills up a last block, if it gets whole quads.
    const source =
      channels % 4 === 0 ? v : b.op('Pad', [v, b.i64([0, 0, 0, 0, 0, padded[1] - channels, 0, 0])]);
    return { value: this.op('ReorderInput', [source], padded), dims: padded, channels, dirty: false };
  }

  /** Blocks → NCHW of the first `channels` channels. */
  plain4({ value, dims }: Blocked, channels: number): Value {
    return this.op('ReorderOutput', [value], [dims[0], channels, dims[2], dims[3]], { channels });
  }

  /** [N, Cp/B, H·W, B], the memory as it lies. */
  panels(v: Value, dims: readonly number[]): Value {
    const [n, c, h, w] = dims;
    return this.reshape(v, [n, c / this.block, h * w, this.block]);
  }

  /**
   * Σ over images and pixels, [Cp]: over chunks of each image's pixels first, then over chunks and images, which rounds
   * less than one long sum and runs in all threads.
   */
  channelSum(v: Value, dims: readonly number[]): Value {
    const [n, c, h, w] = dims;
    const { b } = this;
    const chunks = chunksOf(h, w);
    const parts = this.reshape(v, [n, (c / this.block) * chunks, (h / chunks) * w, this.block]);
    const sums = b.op('ReduceSum', [parts, b.i64([2])], { keepdims: 0 });
    return this.#sumChunks(sums, [n, c], chunks, [0, 2]);
  }

  /**
   * Σ over the pixels of v·w for every image and channel, [N, Cp]: one convolution in which w is the kernel and which gives
   * one pixel; a chunk of rows of a block of channels is a channel of its own.
   */
  imageDot(v: Value, w: Value, dims: readonly number[]): Value {
    const chunks = chunksOf(dims[2], dims[3]);
    return this.#sumChunks(this.#chunkDots(v, w, dims, chunks), dims, chunks, [2]);
  }

  /** Σ over images and pixels of v·w, [Cp]. */
  channelDot(v: Value, w: Value, dims: readonly number[]): Value {
    const chunks = chunksOf(dims[2], dims[3]);
    return this.#sumChunks(this.#chunkDots(v, w, dims, chunks), dims, chunks, [0, 2]);
  }

  #chunkDots(v: Value, w: Value, [n, c, h, wd]: readonly number[], chunks: number): Value {
    const groups = n * c * chunks;
    const kernel = [h / chunks, wd];
    return this.conv(
      this.reshape(v, [1, groups, ...kernel]),
      this.reshape(w, [groups, 1, ...kernel]),
      [1, groups, 1, 1],
      {
        kernel,
        group: groups,
      },
    );
  }

  /** [N, C/B, chunks, B] summed over chunks, and over images where `axes` has 0. */
  #sumChunks(v: Value, [n, c]: readonly number[], chunks: number, axes: readonly number[]): Value {
    const { b } = this;
    const each = this.reshape(v, [n, c / this.block, chunks, this.block]);
    const images = chunks === 1 ? each : b.op('ReduceSum', [each, b.i64([2])], { keepdims: 0 });
    const rows = this.reshape(images, [n, c]);
    return axes.includes(0) ? b.op('ReduceSum', [rows, b.i64([0])], { keepdims: 0 }) : rows;
  }
}

/** A sum of products keeps its digits over so many; more are added up in parts. */
const LONGEST_SUM = 512;

/** Into how many equal groups of rows a map is split so that none has more than {@link LONGEST_SUM} pixels. */
function chunksOf(h: number, w: number): number {
  for (let chunks = 1; chunks < h; chunks++)
    if (h % chunks === 0 && (h / chunks) * w <= LONGEST_SUM) return chunks;
  return h;
}
