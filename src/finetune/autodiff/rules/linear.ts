/**
 * Gemm: Y = α·A'·B' + β·C, A' = Aᵀ where transA, B' = Bᵀ where transB.
 *   dA' = α·dY·B'ᵀ, dB' = α·A'ᵀ·dY, dC = β·dY (summed to C's shape by the walker).
 * MatMul (numpy rules): dA = dY·Bᵀ, dB = Aᵀ·dY over the last two axes; batch axes are summed by the walker, and a
 * 1-D operand is treated as the row or column it stands for.
 */
import type { GraphBuilder, Value } from '../../../onnx/index.js';
import type { GradientContext, Gradients } from '../rule.js';

export function gemmGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const transA = node.int('transA', 0) !== 0;
  const transB = node.int('transB', 0) !== 0;
  const alpha = { float: node.float('alpha', 1) };
  const beta = node.float('beta', 1);
  const [x, w] = [node.input(0), node.input(1)];
  const gemm = (p: Value, tp: boolean, q: Value, tq: boolean): Value =>
    b.op('Gemm', [p, q], { alpha, transA: tp ? 1 : 0, transB: tq ? 1 : 0 });
  const da = c.needs(0) ? (transA ? gemm(w, transB, dy, true) : gemm(dy, false, w, !transB)) : undefined;
  const db = c.needs(1) ? (transB ? gemm(dy, true, x, transA) : gemm(x, !transA, dy, false)) : undefined;
  if (!node.inputs[2]) return [da, db];
  const dc = c.needs(2) ? (beta === 1 ? dy : b.op('Mul', [dy, b.f32(beta)])) : undefined;
  return [da, db, dc];
}

export function matMulGradient(c: GradientContext): Gradients {
  const { b, node, dy } = c;
  const [p, q] = [node.input(0), node.input(1)];
  const pShape = c.shape(p);
  const qShape = c.shape(q);
  const row = pShape.length === 1;
  const column = qShape.length === 1;
  const p2 = row ? b.op('Reshape', [p, b.i64([1, ...pShape])]) : p;
  const q2 = column ? b.op('Reshape', [q, b.i64([...qShape, 1])]) : q;
  const yShape = [...c.shape(node.output())];
  if (column) yShape.push(1);
  if (row) yShape.splice(yShape.length - 1, 0, 1);
  const dy2 = row || column ? b.op('Reshape', [dy, b.i64(yShape)]) : dy;
  const dp = c.needs(0)
    ? b.op('MatMul', [dy2, swapLast(b, q2, column ? [...qShape, 1] : qShape)])
    : undefined;
  const dq = c.needs(1) ? b.op('MatMul', [swapLast(b, p2, row ? [1, ...pShape] : pShape), dy2]) : undefined;
  // A vector was read as a matrix with an axis of 1: take it away again (batch axes in front are summed by the walker).
  return [
    dp && row ? squeezeAxis(b, dp, yShape.length - 2) : dp,
    dq && column ? squeezeAxis(b, dq, yShape.length - 1) : dq,
  ];
}

function squeezeAxis(b: GraphBuilder, v: Value, axis: number): Value {
  return b.op('Squeeze', [v, b.i64([axis])]);
}

function swapLast(b: GraphBuilder, v: Value, shape: readonly number[]): Value {
  const perm = shape.map((_, i) => i);
  const n = perm.length;
  [perm[n - 2], perm[n - 1]] = [n - 1, n - 2];
  return b.op('Transpose', [v], { perm });
}
