import type { GraphBuilder, Value } from '../../onnx/index.js';

export interface SgdOptions {
  readonly momentum: number;
  readonly nesterov: boolean;
}

export interface SgdNodes {
  readonly parameter: Value;
  /** Undefined without momentum. */
  readonly momentum: Value | undefined;
}

/**
 * One SGD update, as torch.optim.SGD without dampening (Sutskever et al. 2013 for Nesterov):
 *   g ← g + λ·p;  v ← μ·v + g;  p ← p − η·(nesterov ? g + μ·v : v).
 * v starts at 0, which makes the first v the first gradient, as torch's.
 * @param parameter, gradient, momentum 1-D: a scalar times a tensor of trailing 1s runs one element at a time
 * @param lr scalar
 */
export function sgd(
  b: GraphBuilder,
  parameter: Value,
  gradient: Value,
  momentum: Value | undefined,
  lr: Value,
  weightDecay: number,
  options: SgdOptions,
): SgdNodes {
  const g =
    weightDecay === 0 ? gradient : b.op('Add', [gradient, b.op('Mul', [parameter, b.f32(weightDecay)])]);
  if (!momentum || options.momentum === 0)
    return { parameter: b.op('Sub', [parameter, b.op('Mul', [g, lr])]), momentum: undefined };
  const mu = b.f32(options.momentum);
  const v = b.op('Add', [b.op('Mul', [momentum, mu]), g], {}, { name: 'momentum' });
  const step = options.nesterov ? b.op('Add', [g, b.op('Mul', [v, mu])]) : v;
  return { parameter: b.op('Sub', [parameter, b.op('Mul', [step, lr])], {}, { name: 'next' }), momentum: v };
}
