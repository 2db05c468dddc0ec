import { randomFor } from '../../src/base/random.js';
import { type AttributeInit, Graph, Model, Node, Tensor, tensorType, Value } from '../../src/onnx/index.js';

export function normals(count: number, ...seed: (string | number)[]): Float32Array {
  const random = randomFor('nets', ...seed);
  return Float32Array.from({ length: count }, () => random.normal());
}

/** A small network, built node by node; the last value is the output. */
export class Net {
  readonly model: Model;
  #seed = 0;

  constructor(
    readonly opset = 17,
    irVersion = 8,
  ) {
    this.model = new Model(new Graph('net'), opset, irVersion);
    this.model.producerName = 'test';
    this.model.metadata.set('origin', 'test');
  }

  get graph(): Graph {
    return this.model.graph;
  }

  input(dims: readonly (number | string)[], name = 'x'): Value {
    return this.graph.addInput(name, tensorType('float32', dims));
  }

  /** A float32 initializer of random normal values, or the ones given. */
  weight(name: string, dims: readonly number[], data?: readonly number[]): Value {
    const size = dims.reduce((a, b) => a * b, 1);
    const tensor = Tensor.float32(dims, data ?? normals(size, name, this.#seed++).map((v) => v * 0.3));
    const value = this.graph.addInitializer(name, tensor);
    if (this.model.irVersion < 4) this.graph.addInput(value);
    return value;
  }

  op(
    opType: string,
    inputs: readonly (Value | undefined)[],
    attributes: Readonly<Record<string, AttributeInit>> = {},
    name = `${opType}_${this.graph.nodes.length}`,
  ): Value {
    return this.graph
      .addNode(new Node({ opType, name, inputs, outputs: [new Value(`${name}_out`)], attributes }))
      .output(0);
  }

  conv(x: Value, name: string, dims: readonly number[], options: ConvOptions = {}): Value {
    const kernel = dims.slice(2);
    const d = options.dilation ?? 1;
    const pads = options.pads ?? [...kernel, ...kernel].map((k) => ((k - 1) * d) >> 1);
    const inputs = [x, options.weight ?? this.weight(`${name}.weight`, dims, options.data)];
    if (options.bias) inputs.push(this.weight(`${name}.bias`, [dims[0]]));
    return this.op(
      'Conv',
      inputs,
      {
        dilations: kernel.map(() => d),
        group: options.groups ?? 1,
        kernel_shape: kernel,
        pads,
        strides: kernel.map(() => options.stride ?? 1),
      },
      `${name}/Conv`,
    );
  }

  batchNorm(x: Value, name: string, channels: number, options: BatchNormOptions = {}): Value {
    const sign = options.negative === true ? -1 : 1;
    const scale = normals(channels, name, 'scale').map((v, i) => (i % 2 ? sign : 1) * (0.5 + Math.abs(v)));
    const variance = options.variance ?? Array.from(normals(channels, name, 'var'), (v) => 0.2 + v * v);
    return this.op(
      'BatchNormalization',
      [
        x,
        this.weight(`${name}.weight`, [channels], Array.from(scale)),
        this.weight(`${name}.bias`, [channels]),
        this.weight(`${name}.running_mean`, [channels]),
        this.weight(`${name}.running_var`, [channels], variance),
      ],
      { epsilon: { float: options.epsilon ?? 1e-5 }, momentum: { float: 0.9 } },
      `${name}/BatchNormalization`,
    );
  }

  output(value: Value, name = 'logits'): Model {
    value.name = name;
    value.type = tensorType('float32');
    this.graph.addOutput(value);
    return this.model;
  }
}

export interface ConvOptions {
  readonly groups?: number;
  readonly stride?: number;
  readonly dilation?: number;
  readonly pads?: readonly number[];
  readonly bias?: boolean;
  readonly data?: readonly number[];
  readonly weight?: Value;
}

export interface BatchNormOptions {
  readonly epsilon?: number;
  readonly negative?: boolean;
  readonly variance?: readonly number[];
}

/** Stem 3×3, depthwise 3×3, pointwise, 5×5 in two groups, classifier; BatchNormalization after the first three. */
export function smallNet(options: { readonly opset?: number; readonly irVersion?: number } = {}): Model {
  const net = new Net(options.opset, options.irVersion);
  let x = net.input(['N', 3, 9, 8]);
  x = net.conv(x, 'stem', [4, 3, 3, 3], { stride: 2 });
  x = net.op('Relu', [net.batchNorm(x, 'bn0', 4)]);
  x = net.conv(x, 'dw', [4, 1, 3, 3], { groups: 4 });
  x = net.op('Relu', [net.batchNorm(x, 'bn1', 4, { negative: true })]);
  x = net.conv(x, 'pw', [6, 4, 1, 1]);
  x = net.op('Relu', [net.batchNorm(x, 'bn2', 6)]);
  x = net.conv(x, 'last', [4, 3, 5, 5], { groups: 2, bias: true });
  x = net.op('Flatten', [net.op('GlobalAveragePool', [net.op('Relu', [x])])]);
  x = net.op('Gemm', [x, net.weight('fc.weight', [5, 4]), net.weight('fc.bias', [5])], { transB: 1 });
  return net.output(x);
}
