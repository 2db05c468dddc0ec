import { randomFor } from '../../src/base/random.js';
import { Graph, GraphBuilder, Model, sizeOf, Tensor, tensorType, type Value } from '../../src/onnx/index.js';

/** Normal numbers as multiples of 2⁻⁴ (times `scale`), so that products of a few of them are exact in float32. */
export function coarse(random: { normal(): number }, dims: readonly number[], scale = 1): Tensor {
  return Tensor.float32(
    dims,
    Float32Array.from({ length: sizeOf(dims) }, () => (scale * Math.round(random.normal() * 5)) / 16),
  );
}

/**
 * A small classifier with a dense, a depthwise and a grouped 3×3 convolution (`stem`, `depthwise`, `grouped`), each with
 * BatchNormalization, and activations without a kink that rounding could fall off.
 */
export function smoothNet(seed: string, [channels, ...size]: readonly number[], classes: number): Model {
  const random = randomFor('smooth net', seed);
  const graph = new Graph('net');
  const b = new GraphBuilder(graph, 17);
  const conv = (x: Value, name: string, dims: readonly number[], group: number): Value => {
    const w = b.constant(coarse(random, dims), `${name}.weight`);
    const y = b.op('Conv', [x, w], { pads: [1, 1, 1, 1], kernel_shape: [3, 3], group }, { name });
    const per = (value: number, what: string): Value =>
      b.constant(Tensor.float32([dims[0]], new Float32Array(dims[0]).fill(value)), `${name}.norm.${what}`);
    const parts = [per(1, 'weight'), per(0, 'bias'), per(0, 'mean'), per(1, 'variance')];
    const n = b.op('BatchNormalization', [y, ...parts], {}, { name: `${name}.norm` });
    return b.op('Mul', [n, b.op('Sigmoid', [n])]);
  };
  let v: Value = graph.addInput('x', tensorType('float32', ['N', channels, ...size]));
  v = conv(v, 'stem', [8, channels, 3, 3], 1);
  v = conv(v, 'depthwise', [8, 1, 3, 3], 8);
  v = conv(v, 'grouped', [16, 4, 3, 3], 2);
  const pooled = b.op('Flatten', [b.op('GlobalAveragePool', [v])]);
  const fc = b.constant(coarse(random, [classes, 16]), 'fc.weight');
  graph.addOutput(b.op('Gemm', [pooled, fc], { transB: 1 }, { name: 'scores' }));
  return new Model(graph, 17, 8);
}
