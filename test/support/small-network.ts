import { randomFor } from '../../src/base/random.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';

export interface SmallNetwork {
  readonly side: number;
  readonly classes: number;
  /** Channels of the convolution. */
  readonly width: number;
  /** A second head on the same features, output `aux`. */
  readonly aux?: boolean;
}

/** Conv, BatchNormalization, Relu, pooling, Gemm, from an RGB input `x` to the class scores `scores`. */
export function smallNetwork(seed: string, { side, classes, width, aux = false }: SmallNetwork): Model {
  const random = randomFor('small network', seed);
  const graph = new Graph(seed);
  const b = new GraphBuilder(graph, 17);
  const weight = (name: string, dims: readonly number[], draw = (): number => random.normal()): Value =>
    b.constant(Tensor.float32(dims, Array.from({ length: sizeOf(dims) }, draw)), name);
  const x = graph.addInput('x', tensorType('float32', ['N', 3, side, side]));
  const conv = b.op('Conv', [x, weight('conv.weight', [width, 3, 3, 3])], { pads: [1, 1, 1, 1] });
  const channels = (name: string): Value => weight(name, [width], () => 0.5 + Math.abs(random.normal()));
  const norm = b.op('BatchNormalization', [
    conv,
    ...['bn.weight', 'bn.bias', 'bn.mean', 'bn.variance'].map(channels),
  ]);
  const features = b.op('Flatten', [b.op('GlobalAveragePool', [b.op('Relu', [norm])])]);
  const head = (name: string): Value =>
    b.op(
      'Gemm',
      [features, weight(`${name}.weight`, [classes, width]), weight(`${name}.bias`, [classes])],
      { transB: 1 },
      { outputs: [name] },
    );
  graph.addOutput(head('scores'));
  if (aux) graph.addOutput(head('aux'));
  return new Model(graph, 17, 8);
}
