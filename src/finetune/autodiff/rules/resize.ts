/**
 * Resize: along each axis Y = M·X with a constant matrix M [out,in] of interpolation weights, so dX = Mᵀ·dY, axis after
 * axis. Nearest, linear and cubic, whatever the coordinates; extrapolated positions (tf_crop_and_resize) have no weight.
 * Where pixels are only repeated, dX is the sum of their copies: an average pool, times the number of copies.
 */
import { UnsupportedError } from '../../../base/errors.js';
import {
  constantOf,
  type GraphBuilder,
  isUnchanged,
  numbersOf,
  type ResampledAxis,
  type ResizeAttributes,
  resampledAxes,
  resampleTaps,
  resizeAttributes,
  sizeOf,
  Tensor,
  type Value,
} from '../../../onnx/index.js';
import { refuseComputed } from '../constants.js';
import type { GradientContext, Gradients } from '../rule.js';

export function resizeGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const dims = c.shape(node.input(0));
  const attributes = resizeAttributes(node, dims.length, b.opset);
  if (attributes.antialias)
    throw new UnsupportedError({
      problem: `${node.describe()}: no gradient with antialias`,
      expected: 'antialias 0',
      hint: 'resize without it, or outside the network',
    });
  const axes = resampledAxes(attributes, dims, regions(c, attributes)) ?? refuseComputed(c, 2, 3);
  const copies = repetitions(attributes, axes);
  if (copies) return [sumCopies(b, dy, copies)];
  // From the last axis on: there the matrices are whole rows.
  let dx = dy;
  for (const axis of [...axes.keys()].reverse())
    if (!isUnchanged(axes[axis])) dx = transposed(b, dx, c.shape(dx), axis, matrix(attributes, axes[axis]));
  return [dx];
}

function regions(c: GradientContext, a: ResizeAttributes): readonly number[] {
  const roi = c.node.inputs[1];
  if (a.coordinates !== 'tf_crop_and_resize' || !roi) return [];
  const tensor = constantOf(roi);
  return tensor ? numbersOf(tensor) : refuseComputed(c, 1);
}

interface Matrix {
  readonly rows: number;
  readonly columns: number;
  /** Row by row. */
  readonly data: Float32Array;
}

/** M of one axis. */
function matrix(a: ResizeAttributes, axis: ResampledAxis): Matrix {
  const data = new Float32Array(axis.output * axis.input);
  for (const [o, taps] of resampleTaps(a, axis).entries())
    taps?.positions.forEach((at, k) => {
      data[o * axis.input + at] += taps.weights[k];
    });
  return { rows: axis.output, columns: axis.input, data };
}

/** Mᵀ·dY along one axis. */
function transposed(b: GraphBuilder, dy: Value, dims: readonly number[], axis: number, m: Matrix): Value {
  if (axis === dims.length - 1)
    return b.op('MatMul', [dy, b.constant(Tensor.float32([m.rows, m.columns], m.data))]);
  const data = Float32Array.from(m.data, (_, i) => m.data[(i % m.rows) * m.columns + Math.floor(i / m.rows)]);
  const left = b.constant(Tensor.float32([m.columns, m.rows], data));
  if (axis === dims.length - 2) return b.op('MatMul', [left, dy]);
  // The axes behind as one: [outer, out, inner] → [outer, in, inner].
  const flat = [sizeOf(dims.slice(0, axis)), m.rows, sizeOf(dims.slice(axis + 1))];
  const product = b.op('MatMul', [left, b.op('Reshape', [dy, b.i64(flat)])]);
  return b.op('Reshape', [product, b.i64(dims.map((d, i) => (i === axis ? m.columns : d)))]);
}

/** How often each element stands along each spatial axis, where the resize does nothing else. */
function repetitions(a: ResizeAttributes, axes: readonly ResampledAxis[]): number[] | undefined {
  const spatial = axes.slice(2);
  if (a.mode !== 'nearest' || spatial.length === 0 || !axes.slice(0, 2).every(isUnchanged)) return undefined;
  const copies = spatial.map(({ input, output }) => output / input);
  const whole = spatial.every((axis, i) =>
    resampleTaps(a, axis).every((taps, o) => taps?.positions[0] === Math.floor(o / copies[i])),
  );
  return whole && copies.every(Number.isInteger) ? copies : undefined;
}

function sumCopies(b: GraphBuilder, dy: Value, copies: readonly number[]): Value {
  const count = copies.reduce((p, k) => p * k, 1);
  if (count === 1) return dy;
  const mean = b.op('AveragePool', [dy], { kernel_shape: copies, strides: copies });
  return b.op('Mul', [mean, b.f32(count)]);
}
