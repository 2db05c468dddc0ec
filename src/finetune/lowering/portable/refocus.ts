/**
 * Refocused kernels in standard operators.
 *
 * Explicit: the n = O·C/g kernels as channels of one image [1,n,k…], which the map convolves in G groups, pads ⌊m/2⌋; the
 * gradient of the map is that of a convolution's weight.
 * Gram: Z·K per group; the sums run over 1-D tensors, because a scalar times a tensor of trailing 1s runs one element at
 * a time.
 */
import { type GraphBuilder, sizeOf, type Value } from '../../../onnx/index.js';
import type { ConvGeometry } from '../../autodiff/geometry.js';
import type { LoweringContext } from '../rule.js';
import { weightGradient } from './conv.js';

export function refocusKernel({ b, node, shape }: LoweringContext): readonly Value[] {
  const [base, map] = [node.input(0), node.input(1)];
  const dims = shape(base);
  const transformed = b.op('Conv', [asImage(b, base, dims), map], {
    ...transformGeometry(shape(map).slice(2), node.int('group', 1)),
  });
  return [b.op('Add', [base, b.op('Reshape', [transformed, b.i64(dims)])])];
}

export function refocusMapGrad(c: LoweringContext): readonly Value[] {
  const { b, node, shape } = c;
  const [base, gradient] = [node.input(0), node.input(1)];
  const dims = shape(base);
  const [, , ...mapKernel] = node.ints('shape') ?? [];
  const geometry = transformGeometry(mapKernel, node.int('group', 1));
  return [weightGradient(c, geometry, asImage(b, gradient, dims), asImage(b, base, dims))];
}

/** The convolution by which the map transforms the kernels. */
function transformGeometry(mapKernel: readonly number[], group: number): ConvGeometry {
  const ones = mapKernel.map(() => 1);
  const pads = mapKernel.map((m) => m >> 1);
  return { kernel_shape: mapKernel, strides: ones, dilations: ones, pads: [...pads, ...pads], group };
}

/** [O,C/g,k…] → [1,n,k…]. */
function asImage(b: GraphBuilder, kernels: Value, [o, i, ...kernel]: readonly number[]): Value {
  return b.op('Reshape', [kernels, b.i64([1, o * i, ...kernel])]);
}

export function gramKernel({ b, node, shape }: LoweringContext): readonly Value[] {
  const [base, p0, z, alpha, k] = [0, 1, 2, 3, 4].map((i) => node.input(i));
  const dims = shape(base);
  const [groups, area] = shape(k);
  const size = sizeOf(dims);
  // One group needs no batch axis.
  const batch = groups === 1 ? [] : [groups];
  const rows = b.op('Reshape', [z, b.i64([...batch, size / groups / area, area])]);
  const square = groups === 1 ? b.op('Reshape', [k, b.i64([area, area])]) : k;
  const flat = (v: Value): Value => b.op('Reshape', [v, b.i64([size])]);
  const start = b.op('Add', [flat(base), b.op('Mul', [flat(p0), alpha])]);
  const sum = b.op('Add', [start, flat(b.op('MatMul', [rows, square]))]);
  return [b.op('Reshape', [sum, b.i64(dims)])];
}
