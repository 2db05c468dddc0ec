/**
 * Relu: dX = dY where Y > 0, 0 at and below the kink (torch).
 * Clip: dX = dY where min < Y < max, 0 on the bounds (torch's hardtanh and ReLU6; torch.clamp differs on the bounds
 * themselves). min and max get no gradient.
 * Sigmoid: dX = dY·Y·(1 − Y).  Tanh: dX = dY·(1 − Y²).
 * HardSigmoid: Y = max(0, min(1, α·X + β)); dX = α·dY where 0 < Y < 1 (torch).
 * HardSwish: Y = X·h(X), h = HardSigmoid(1/6, 1/2); dX = dY·(h + X·h′), which is 1 above 3 and 0 below −3 (torch: the
 * middle formula at −3 < X < 3).
 * Softmax and LogSoftmax over `axis`: dX = Y·(dY − Σ dY·Y);  dX = dY − exp(Y)·Σ dY.
 */
import type { AttributeInit, Value } from '../../../onnx/index.js';
import { emitInternal } from '../internal.js';
import type { GradientContext, Gradients } from '../rule.js';

export function reluGradient({ b, node, dy }: GradientContext): Gradients {
  const y = node.output();
  return emitInternal(b, 'ReluGrad', [dy, y], [y.type]);
}

export function clipGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const y = node.output();
  const bounds: Record<string, AttributeInit> = {};
  for (const [index, name] of [
    [1, 'min'],
    [2, 'max'],
  ] as const) {
    const bound = node.inputs[index];
    if (!bound) continue;
    const value = bound.constant?.typed()[0];
    if (value === undefined) return clipByValues(c);
    bounds[name] = { float: Number(value) };
  }
  return emitInternal(b, 'ClipGrad', [dy, y], [y.type], bounds);
}

/** Bounds that are computed: compare with their values. */
function clipByValues({ b, node, dy }: GradientContext): Gradients {
  const y = node.output();
  let gradient = dy;
  const keep = (mask: Value): Value => b.op('Mul', [gradient, b.op('Cast', [mask], { to: 1 })]);
  if (node.inputs[1]) gradient = keep(b.op('Greater', [y, node.inputs[1]]));
  if (node.inputs[2]) gradient = keep(b.op('Less', [y, node.inputs[2]]));
  return [gradient];
}

export function sigmoidGradient({ b, node, dy }: GradientContext): Gradients {
  const y = node.output();
  return [b.op('Mul', [dy, b.op('Mul', [y, b.op('Sub', [b.f32(1), y])])])];
}

export function tanhGradient({ b, node, dy }: GradientContext): Gradients {
  const y = node.output();
  return [b.op('Mul', [dy, b.op('Sub', [b.f32(1), b.op('Mul', [y, y])])])];
}

export function hardSigmoidGradient({ b, node, dy }: GradientContext): Gradients {
  const y = node.output();
  const scaled = b.op('Mul', [dy, b.f32(node.float('alpha', 0.2))]);
  return emitInternal(b, 'ClipGrad', [scaled, y], [y.type], { min: { float: 0 }, max: { float: 1 } });
}

export function hardSwishGradient({ b, node, dy }: GradientContext): Gradients {
  const x = node.input(0);
  return emitInternal(b, 'HardSwishGrad', [dy, x], [x.type]);
}

export function softmaxGradient({ b, node, dy }: GradientContext): Gradients {
  const y = node.output();
  const axes = b.i64([node.int('axis', -1)]);
  const dot = b.op('ReduceSum', [b.op('Mul', [dy, y]), axes], { keepdims: 1 });
  return [b.op('Mul', [y, b.op('Sub', [dy, dot])])];
}

export function logSoftmaxGradient({ b, node, dy }: GradientContext): Gradients {
  const axes = b.i64([node.int('axis', -1)]);
  const total = b.op('ReduceSum', [dy, axes], { keepdims: 1 });
  return [b.op('Sub', [dy, b.op('Mul', [b.op('Exp', [node.output()]), total])])];
}
