import { AUXILIARY_KEY, type AuxiliaryOutput } from '../base/auxiliary.js';
import { PREPROCESS_KEY, type Preprocess } from '../base/preprocess.js';
import {
  Graph,
  GraphBuilder,
  Model,
  type OpOptions,
  type Tensor,
  tensorType,
  UNUSED_PARAMETERS_KEY,
  type Value,
} from '../onnx/index.js';
import { filled, type Init, initialWeight } from './init.js';
import { type Provenance, TRAINED_KEY, ZOO_KEY } from './metadata.js';

/** Opset 17 and IR 8 are read by everything in use: all of the zoo's operators exist there. */
const OPSET = 17;
const IR_VERSION = 8;
const BN_EPSILON = 1e-5;

/** torch's Hardsigmoid: x / 6 + 1 / 2, cut to 0..1. */
const HARD_SIGMOID = { alpha: { float: 1 / 6 }, beta: { float: 0.5 } } as const;

export interface ConvInit {
  readonly in: number;
  readonly out: number;
  /** Side of the square kernel. */
  readonly kernel: number;
  readonly stride?: number;
  /** Zeros on each side; default: (kernel - 1) / 2. */
  readonly padding?: number;
  readonly groups?: number;
  /** Adds a bias that starts at 0, or at this value. Default: none. */
  readonly bias?: boolean | number;
  readonly init: Init;
}

export interface BatchNormInit {
  /** Default: 1e-5. */
  readonly epsilon?: number;
  /** Share of a running statistic that a training step keeps (1 − PyTorch's momentum). Default: ONNX's, 0.9. */
  readonly momentum?: number;
  /** First value of γ. Default: 1. */
  readonly scale?: number;
}

export interface LinearInit {
  readonly in: number;
  readonly out: number;
  /** First value of the bias. Default: 0. */
  readonly bias?: number;
  readonly init: Init;
}

export interface PoolWindow {
  /** Side of the square window. */
  readonly kernel: number;
  readonly stride: number;
  /** On each side. Default: 0. */
  readonly padding?: number;
  /** A last window that begins inside the map counts even where it ends outside. Default: false. */
  readonly ceil?: boolean;
}

/**
 * Builds a classifier's inference graph, NCHW, layer by layer. Nodes bear the PyTorch module path of their layer and
 * initializers the PyTorch parameter name (`<path>.weight`), so that name maps of checkpoints stay trivial.
 * BatchNormalization is in inference form, as initialized: mean 0, variance 1, scale 1 unless said otherwise, bias 0.
 * Dropout stands in its inference form, where a family has it: training brings it to life.
 */
export class Network {
  readonly builder: GraphBuilder;
  /** [N, channels, size, size] */
  readonly input: Value;
  readonly #seed: number;
  readonly #unused: string[] = [];

  constructor(name: string, size: number, seed: number, channels = 3) {
    const graph = new Graph(name);
    this.input = graph.addInput('input', tensorType('float32', ['N', channels, size, size]));
    this.builder = new GraphBuilder(graph, OPSET);
    this.#seed = seed;
  }

  /** An initializer under its PyTorch name. */
  parameter(name: string, first: Tensor): Value {
    return this.builder.constant(first, name);
  }

  /** A weight drawn by `init`. dims: OIHW or [out, in] */
  weight(name: string, dims: readonly number[], init: Init): Value {
    return this.parameter(name, initialWeight(init, dims, this.#seed, name));
  }

  /** x: [N, in, H, W] */
  conv(path: string, x: Value, layer: ConvInit): Value {
    const { kernel, stride = 1, padding = (kernel - 1) / 2, groups = 1 } = layer;
    return this.builder.op(
      'Conv',
      [x, ...this.#convParameters(path, layer)],
      {
        dilations: [1, 1],
        group: groups,
        kernel_shape: [kernel, kernel],
        pads: [padding, padding, padding, padding],
        strides: [stride, stride],
      },
      { name: path },
    );
  }

  /** The parameters of a convolution that the network has but never applies. */
  unusedConv(path: string, layer: ConvInit): void {
    for (const { name } of this.#convParameters(path, layer)) this.#unused.push(name);
  }

  #convParameters(path: string, layer: ConvInit): readonly Value[] {
    const { kernel, groups = 1 } = layer;
    const weight = this.weight(`${path}.weight`, [layer.out, layer.in / groups, kernel, kernel], layer.init);
    const first = layer.bias === true ? 0 : layer.bias;
    if (first === undefined || first === false) return [weight];
    return [weight, this.parameter(`${path}.bias`, filled([layer.out], first))];
  }

  /** Per-channel normalization by running statistics. x: [N, channels, H, W] */
  batchNorm(path: string, x: Value, channels: number, init: BatchNormInit = {}): Value {
    const { epsilon = BN_EPSILON, momentum, scale = 1 } = init;
    const { weight, bias, mean, variance } = this.#batchNormParameters(path, channels, scale);
    return this.builder.op(
      'BatchNormalization',
      [x, weight, bias, mean, variance],
      { epsilon: { float: epsilon }, ...(momentum !== undefined && { momentum: { float: momentum } }) },
      { name: path },
    );
  }

  /** The parameters and statistics of a BatchNormalization that the network has but never applies. */
  unusedBatchNorm(path: string, channels: number): void {
    const { weight, bias } = this.#batchNormParameters(path, channels, 1);
    this.#unused.push(weight.name, bias.name);
  }

  #batchNormParameters(path: string, channels: number, scale: number) {
    const parameter = (suffix: string, value: number) =>
      this.parameter(`${path}.${suffix}`, filled([channels], value));
    return {
      weight: parameter('weight', scale),
      bias: parameter('bias', 0),
      mean: parameter('running_mean', 0),
      variance: parameter('running_var', 1),
    };
  }

  relu(path: string, x: Value): Value {
    return this.builder.op('Relu', [x], {}, { name: path });
  }

  /** min(max(x, 0), 6) */
  relu6(path: string, x: Value): Value {
    return this.builder.op('Clip', [x, this.builder.f32(0), this.builder.f32(6)], {}, { name: path });
  }

  /** x · hardSigmoid(x) */
  hardSwish(path: string, x: Value): Value {
    return this.builder.op('HardSwish', [x], {}, { name: path });
  }

  /** min(max(x / 6 + 1 / 2, 0), 1) */
  hardSigmoid(path: string, x: Value): Value {
    return this.builder.op('HardSigmoid', [x], HARD_SIGMOID, { name: path });
  }

  /** Maximum of each window; padding never wins. x: [N, C, H, W] */
  maxPool(path: string, x: Value, window: PoolWindow): Value {
    return this.builder.op('MaxPool', [x], poolAttributes(window), { name: path });
  }

  /** Mean of each window. x: [N, C, H, W]. `countPadding`: zeros around count in the mean, as in PyTorch's default. */
  windowAverage(path: string, x: Value, window: PoolWindow, countPadding = true): Value {
    const attributes = { ...poolAttributes(window), count_include_pad: countPadding ? 1 : 0 };
    return this.builder.op('AveragePool', [x], attributes, { name: path });
  }

  /** Drops values with this probability in training; passes them through in the model as it is built. */
  dropout(path: string, x: Value, probability: number): Value {
    return this.builder.op('Dropout', [x, this.builder.f32(probability)], {}, { name: path });
  }

  add(path: string, a: Value, b: Value): Value {
    return this.builder.op('Add', [a, b], {}, { name: path });
  }

  mul(path: string, a: Value, b: Value): Value {
    return this.builder.op('Mul', [a, b], {}, { name: path });
  }

  /** Mean over height and width. [N, C, H, W] → [N, C, 1, 1] */
  averagePool(path: string, x: Value): Value {
    return this.builder.op('GlobalAveragePool', [x], {}, { name: path });
  }

  /** Mean over height and width. [N, C, H, W] → [N, C] */
  globalAverage(x: Value): Value {
    return this.builder.op('Flatten', [this.averagePool('avgpool', x)], { axis: 1 }, { name: 'flatten' });
  }

  /** x·Wᵀ + b. [N, in] → [N, out]; W [out, in], b starts at 0. */
  linear(path: string, x: Value, layer: LinearInit): Value {
    return this.#gemm(path, x, layer, {});
  }

  /** A classifier: {@link linear}, a graph output [N, classes]. `output`: its name, `logits` for the main one. */
  logits(
    path: string,
    x: Value,
    layer: Omit<LinearInit, 'out'> & { readonly classes: number },
    output = 'logits',
  ): void {
    const { classes: out, ...rest } = layer;
    this.builder.graph.addOutput(this.#gemm(path, x, { ...rest, out }, { outputs: [output] }));
  }

  /** A graph output [N, classes] of scores that a convolution made. x: [N, classes, 1, 1] */
  flatLogits(path: string, x: Value, output = 'logits'): void {
    const { builder } = this;
    builder.graph.addOutput(builder.op('Flatten', [x], { axis: 1 }, { name: path, outputs: [output] }));
  }

  #gemm(path: string, x: Value, layer: LinearInit, options: OpOptions): Value {
    const weight = this.weight(`${path}.weight`, [layer.out, layer.in], layer.init);
    const bias = this.parameter(`${path}.bias`, filled([layer.out], layer.bias ?? 0));
    return this.builder.op('Gemm', [x, weight, bias], { transB: 1 }, { name: path, ...options });
  }

  /** The finished model, with its preprocessing, where it comes from and which of its outputs are auxiliary. */
  model(provenance: Provenance, preprocess: Preprocess, auxiliary: readonly AuxiliaryOutput[] = []): Model {
    const model = new Model(this.builder.graph, OPSET, IR_VERSION);
    model.producerName = 'reparam';
    model.metadata.set(PREPROCESS_KEY, JSON.stringify(preprocess));
    model.metadata.set(ZOO_KEY, JSON.stringify(provenance));
    model.metadata.set(TRAINED_KEY, 'false');
    if (auxiliary.length > 0) model.metadata.set(AUXILIARY_KEY, JSON.stringify(auxiliary));
    if (this.#unused.length > 0) model.metadata.set(UNUSED_PARAMETERS_KEY, JSON.stringify(this.#unused));
    return model;
  }
}

function poolAttributes({ kernel, stride, padding = 0, ceil = false }: PoolWindow) {
  return {
    ceil_mode: ceil ? 1 : 0,
    kernel_shape: [kernel, kernel],
    pads: [padding, padding, padding, padding],
    strides: [stride, stride],
  };
}
