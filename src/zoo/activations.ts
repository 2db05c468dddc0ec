/** Activations that are several operators at the zoo's opset. Each is one function of a value of any dims. */
import type { Value } from '../onnx/index.js';
import type { Network } from './network.js';

/** 1 / (1 + e^−x) */
export function sigmoid(net: Network, path: string, x: Value): Value {
  return net.builder.op('Sigmoid', [x], {}, { name: path });
}

/** x · sigmoid(x) (Ramachandran et al., 2017, arXiv:1710.05941), as PyTorch's exporter writes it. */
export function silu(net: Network, path: string, x: Value): Value {
  return net.mul(path, x, sigmoid(net, `${path}.sigmoid`, x));
}

/** x · Φ(x), exact (Hendrycks and Gimpel, 2016, arXiv:1606.08415): x / 2 · (1 + erf(x / √2)). */
export function gelu(net: Network, path: string, x: Value): Value {
  const { builder } = net;
  const scaled = builder.op('Div', [x, builder.f32(Math.SQRT2)], {}, { name: `${path}.div` });
  const erf = builder.op('Erf', [scaled], {}, { name: `${path}.erf` });
  const cumulative = net.add(`${path}.add`, erf, builder.f32(1));
  return net.mul(path, net.mul(`${path}.mul`, x, cumulative), builder.f32(0.5));
}
