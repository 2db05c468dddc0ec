/**
 * Operators that move elements: the gradient moves them back.
 *   Reshape, Flatten, Squeeze, Unsqueeze: reshape dY to X's shape.   Transpose: the inverse permutation.
 *   Identity, Dropout (inference), Cast between float types: dY.   Concat: slices of dY.
 *   Slice: dY set into zeros (steps of 1 pad, others interleave zeros first; negative steps are refused).
 *   Pad (constant): dY cut back, with the added border's gradient dropped; negative pads become zeros again.
 *   Expand: dY summed to X's shape by the walker.   Split: the parts' gradients joined, zeros for unused parts.
 */
import { UnsupportedError } from '../../../base/errors.js';
import type { GraphBuilder, Value } from '../../../onnx/index.js';
import type { GradientContext, Gradients, OutputsContext } from '../rule.js';

export function reshapeGradient({ b, node, dy, shape }: GradientContext): Gradients {
  return [b.op('Reshape', [dy, b.i64(shape(node.input(0)))])];
}

export function transposeGradient({ b, node, dy, shape }: GradientContext): Gradients {
  const rank = shape(node.input(0)).length;
  const perm = node.ints('perm') ?? Array.from({ length: rank }, (_, i) => rank - 1 - i);
  const inverse = perm.map((_, i) => perm.indexOf(i));
  return [b.op('Transpose', [dy], { perm: inverse })];
}

export function identityGradient({ dy }: GradientContext): Gradients {
  return [dy];
}

export function expandGradient({ dy }: GradientContext): Gradients {
  return [dy];
}

export function castGradient({ b, node, dy, shape }: GradientContext): Gradients {
  shape(node.input(0));
  const type = node.input(0).type;
  if (type?.kind !== 'tensor' || !type.dataType.startsWith('float')) return [undefined];
  const to = { float32: 1, float16: 10, float64: 11 } as const;
  if (type.dataType !== 'float32' && type.dataType !== 'float16' && type.dataType !== 'float64')
    return [undefined];
  return [b.op('Cast', [dy], { to: to[type.dataType] })];
}

export function concatGradient({ b, node, dy, shape, needs }: GradientContext): Gradients {
  const rank = shape(node.output()).length;
  const axis = (node.int('axis', 0) + rank) % rank;
  let at = 0;
  return node.inputs.map((_, i) => {
    const from = at;
    at += shape(node.input(i))[axis];
    return needs(i) ? b.op('Slice', [dy, b.i64([from]), b.i64([at]), b.i64([axis])]) : undefined;
  });
}

export function splitGradient({ b, node, dys, shape }: OutputsContext): Gradients {
  const rank = shape(node.input(0)).length;
  const axis = (node.int('axis', 0) + rank) % rank;
  const parts = dys.map((dy, i) => {
    const dims = shape(node.output(i));
    return dy ?? b.op('Expand', [b.f32(0), b.i64(dims)], {}, { name: 'unused' });
  });
  return [parts.length === 1 ? parts[0] : b.op('Concat', parts, { axis })];
}

interface SliceAxis {
  readonly axis: number;
  readonly start: number;
  readonly step: number;
}

/** The constant elements of an int input. */
function constants(c: GradientContext, index: number): number[] | undefined {
  const value = c.node.inputs[index];
  if (!value) return undefined;
  const tensor = value.constant;
  if (!tensor)
    throw new UnsupportedError({
      problem: `${c.node.describe()}: input '${value.name}' is computed`,
      expected: 'a constant, so that the gradient has a fixed shape',
      hint: 'export the model with fixed shapes, or with constant folding',
    });
  return Array.from<bigint | number, number>(tensor.typed(), Number);
}

export function sliceGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const xShape = c.shape(node.input(0));
  const starts = constants(c, 1) ?? [];
  const axes = constants(c, 3) ?? starts.map((_, i) => i);
  const steps = constants(c, 4) ?? starts.map(() => 1);
  const slices: SliceAxis[] = starts.map((s, i) => {
    const axis = (axes[i] + xShape.length) % xShape.length;
    const size = xShape[axis];
    return { axis, start: Math.min(Math.max(s < 0 ? s + size : s, 0), size), step: steps[i] };
  });
  const negative = slices.find((s) => s.step < 0);
  if (negative)
    throw new UnsupportedError({
      problem: `${node.describe()}: no gradient for a step of ${negative.step}`,
      expected: 'positive steps',
    });
  let gradient = dy;
  const shape = [...c.shape(node.output())];
  for (const { axis, start, step } of slices) {
    gradient = spreadAxis(b, gradient, shape, axis, step);
    shape[axis] = (shape[axis] - 1) * step + 1;
    const before = start;
    const after = xShape[axis] - start - shape[axis];
    if (before === 0 && after === 0) continue;
    const pads = shape
      .map((_, i) => (i === axis ? before : 0))
      .concat(shape.map((_, i) => (i === axis ? after : 0)));
    gradient = b.op('Pad', [gradient, b.i64(pads)]);
    shape[axis] = xShape[axis];
  }
  return [gradient];
}

/** Puts `step − 1` zeros between the elements of an axis: [… n …] → [… (n−1)·step + 1 …]. */
function spreadAxis(b: GraphBuilder, v: Value, shape: readonly number[], axis: number, step: number): Value {
  if (step === 1) return v;
  // [a, n, rest] → [a, n, 1, rest] → pad to [a, n, step, rest] → [a, n·step, rest] → without the tail of the last.
  const split = [...shape.slice(0, axis + 1), 1, ...shape.slice(axis + 1)];
  const pads = split.map(() => 0).concat(split.map((_, i) => (i === axis + 1 ? step - 1 : 0)));
  const padded = b.op('Pad', [b.op('Reshape', [v, b.i64(split)]), b.i64(pads)]);
  const merged = shape.map((d, i) => (i === axis ? d * step : d));
  const joined = b.op('Reshape', [padded, b.i64(merged)]);
  return b.op('Slice', [joined, b.i64([0]), b.i64([(shape[axis] - 1) * step + 1]), b.i64([axis])]);
}

export function padGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const mode = node.string('mode', 'constant');
  if (mode !== 'constant')
    throw new UnsupportedError({
      problem: `${node.describe()}: no gradient for mode ${mode}`,
      expected: 'constant',
    });
  const xShape = c.shape(node.input(0));
  const given = constants(c, 1) ?? [];
  const axes = (constants(c, 3) ?? xShape.map((_, i) => i)).map((a) => (a + xShape.length) % xShape.length);
  const pads = new Array<number>(2 * xShape.length).fill(0);
  axes.forEach((axis, i) => {
    pads[axis] = -given[i];
    pads[axis + xShape.length] = -given[i + axes.length];
  });
  return [b.op('Pad', [dy, b.i64(pads)]), undefined];
}
