import type { GraphBuilder, Value } from '../../onnx/index.js';
import type { FlatParameter, Gradient } from './parameters.js';

export interface ClipOptions {
  /** Each entry of a gradient is brought into [−value, value], as torch's clip_grad_value_. */
  readonly value?: number;
  /** Gradients are scaled down together where their global norm is larger, as torch's clip_grad_norm_. */
  readonly norm?: number;
}

/** What clip_grad_norm_ adds to the norm before it divides. */
const NORM_EPSILON = 1e-6;

/** Clips gradients, first by value, then by norm: g ← g·min(1, norm / (‖all g‖₂ + 1e-6)). */
export function clip(
  b: GraphBuilder,
  gradients: readonly Gradient[],
  { value, norm }: ClipOptions,
): readonly Gradient[] {
  const bounded = value === undefined ? gradients : clipByValue(b, gradients, value);
  return norm === undefined ? bounded : clipByNorm(b, bounded, norm);
}

function clipByValue(b: GraphBuilder, gradients: readonly Gradient[], limit: number): Gradient[] {
  const [least, most] = [b.f32(-limit), b.f32(limit)];
  return gradients.map(({ parameter, value }) => ({
    parameter,
    value: b.scope(parameter.name, () => b.op('Clip', [value, least, most])),
  }));
}

function clipByNorm(b: GraphBuilder, gradients: readonly Gradient[], limit: number): readonly Gradient[] {
  const squares = gradients.map(({ parameter, value }) =>
    b.scope(parameter.name, () => squaredNorm(b, parameter, value)),
  );
  if (squares.length === 0) return gradients;
  return b.scope('clip', () => {
    const rows = squares.map((s) => b.op('Reshape', [s, b.i64([1])]));
    const total = b.op('ReduceSum', [b.op('Concat', rows, { axis: 0 })], { keepdims: 0 });
    const scale = b.op('Div', [b.f32(limit), b.op('Add', [b.op('Sqrt', [total]), b.f32(NORM_EPSILON)])]);
    const factor = b.op('Min', [scale, b.f32(1)]);
    return gradients.map(({ parameter, value }) => ({
      parameter,
      value: b.scope(parameter.name, () => b.op('Mul', [value, factor])),
    }));
  });
}

/** ‖g‖² of one parameter's gradient (1-D), as the parameter counts it. */
function squaredNorm(b: GraphBuilder, parameter: FlatParameter, gradient: Value): Value {
  return parameter.squaredNorm?.(b, gradient) ?? b.op('ReduceSumSquare', [gradient], { keepdims: 0 });
}
