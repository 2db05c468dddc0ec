/**
 * Random nodes of a network as functions of random bits, for what an exporter traced in training mode:
 *   RandomUniform, RandomUniformLike: low + (high − low)·u;   Bernoulli: 1 where u < p, else 0;   u uniform in [0, 1).
 */
import { UnsupportedError } from '../../base/errors.js';
import { type GraphBuilder, type Node, Tensor, type Value } from '../../onnx/index.js';
import { staticShape } from './objective.js';
import type { RandomSite } from './random-bits.js';

const FLOAT = 1;

/** @throws UnsupportedError naming a node that has no form here */
export function randomSite(node: Node): RandomSite {
  const y = node.output();
  const site = (value: (b: GraphBuilder, u: Value) => Value): RandomSite => ({
    node,
    dims: staticShape(y),
    emit: (b, bits) => b.graph.replaceUses(y, value(b, uniform(b, bits))),
  });
  const type = y.type?.kind === 'tensor' ? y.type.dataType : undefined;
  if (node.opType === 'Bernoulli' && type === 'float32')
    return site((b, u) => b.op('Cast', [b.op('Less', [u, node.input(0)])], { to: FLOAT }));
  if (node.opType.startsWith('RandomUniform') && type === 'float32') {
    const low = node.float('low', 0);
    const range = node.float('high', 1) - low;
    return site((b, u) => {
      const scaled = range === 1 ? u : b.op('Mul', [u, b.f32(range)]);
      return low === 0 ? scaled : b.op('Add', [scaled, b.f32(low)]);
    });
  }
  throw new UnsupportedError({
    problem: `${node.describe()} is random, and cannot be made to follow from the run's seed`,
    expected: 'Dropout, RandomUniform, RandomUniformLike or Bernoulli of float32',
    found: `${node.opType} of ${type ?? 'unknown type'}`,
    hint: 'export the model in inference mode',
  });
}

/** k·2⁻²⁴ for a uniform k in 0 … 2²⁴ − 1, exactly. */
function uniform(b: GraphBuilder, bits: Value): Value {
  const high = b.op('Div', [bits, b.constant(Tensor.int32([], [256]))]);
  const scaled = b.op('Mul', [b.op('Cast', [high], { to: FLOAT }), b.f32(2 ** -24)]);
  return b.op('Add', [scaled, b.f32(0.5)]);
}
