/**
 * Operators that move elements: the gradient moves them back.
 *   Reshape, Flatten, Squeeze, Unsqueeze: reshape dY to X's shape.   Transpose: the inverse permutation.
 *   Identity, Dropout (inference), Cast and CastLike between float types: dY.   Concat: slices of dY.
 *   Split: the parts' gradients joined, zeros for parts that the loss does not read.
 *   Expand: dY summed to X's shape by the walker.   Tile: dY summed over the copies.
 *   SpaceToDepth: DepthToSpace (DCR).   DepthToSpace: the inverse of its permutation, written out (the WebGPU provider
 *   has no SpaceToDepth).
 */
import { concatAxis, depthToSpaceAttributes, transposePerm } from '../../../onnx/index.js';
import { constantInts } from '../constants.js';
import type { GradientContext, Gradients, OutputsContext } from '../rule.js';
import { sumOver } from './sums.js';

export function reshapeGradient({ b, node, dy, shape }: GradientContext): Gradients {
  return [b.op('Reshape', [dy, b.i64(shape(node.input(0)))])];
}

export function transposeGradient({ b, node, dy, shape }: GradientContext): Gradients {
  const rank = shape(node.input(0)).length;
  const perm = transposePerm(node, rank);
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
  const axis = concatAxis(node, rank);
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

export function tileGradient(c: GradientContext): Gradients {
  const { b, dy } = c;
  const dims = c.shape(c.node.input(0));
  const repeats = constantInts(c, 1);
  // [r·d] of each repeated axis → [r, d], and Σ over r.
  const split: number[] = [];
  const copies: number[] = [];
  dims.forEach((d, i) => {
    if (repeats[i] !== 1) {
      copies.push(split.length);
      split.push(repeats[i]);
    }
    split.push(d);
  });
  return [copies.length === 0 ? dy : sumOver(b, b.op('Reshape', [dy, b.i64(split)]), copies)];
}

export function depthToSpaceGradient({ b, node, dy, shape }: GradientContext): Gradients {
  const { blockSize: s, mode } = depthToSpaceAttributes(node);
  const [n, c, h, w] = shape(node.input(0));
  // dY [N, C/s², h·s, w·s] as [N, C/s², h, s, w, s]; the two block axes go in front of the channels (DCR) or behind.
  const blocks = b.op('Reshape', [dy, b.i64([n, c / (s * s), h, s, w, s])]);
  const perm = mode === 'DCR' ? [0, 3, 5, 1, 2, 4] : [0, 1, 3, 5, 2, 4];
  return [b.op('Reshape', [b.op('Transpose', [blocks], { perm }), b.i64([n, c, h, w])])];
}

export function spaceToDepthGradient({ b, node, dy }: GradientContext): Gradients {
  return [b.op('DepthToSpace', [dy], { blocksize: depthToSpaceAttributes(node).blockSize })];
}
