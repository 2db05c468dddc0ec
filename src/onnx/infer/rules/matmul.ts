/** Gemm and MatMul. */
import type { Dim } from '../../ir/types.js';
import { gemmAttributes } from '../../ops/activation.js';
import { showDims } from '../../ops/fail.js';
import { type InferRule, typed } from '../context.js';
import { broadcast, broadcastsTo, meetDim } from '../dims.js';

/** Gemm: op(A) [M,K] · op(B) [K,N] + C, which broadcasts to [M,N]. */
export const gemm: InferRule = (c) => {
  const { transA, transB } = gemmAttributes(c.node);
  for (const i of [0, 1]) c.checkRank(i, 'rank 2', (r) => r === 2);
  const a = c.shape(0);
  const b = c.shape(1);
  const [m, k1] = a ? (transA ? [a[1], a[0]] : [a[0], a[1]]) : [null, null];
  const [k2, n] = b ? (transB ? [b[1], b[0]] : [b[0], b[1]]) : [null, null];
  if (meetDim(k1, k2) === 'clash')
    c.refuse(
      'the inner dims of A and B',
      `${k1}, from A ${showDims(a ?? [])}${transA ? ' transposed' : ''}`,
      `${k2}, from B ${showDims(b ?? [])}${transB ? ' transposed' : ''}`,
    );
  const bias = c.shape(2);
  if (bias && !broadcastsTo(bias, [m, n]))
    c.refuse('C', `a shape that broadcasts to ${showDims([m, n])}`, showDims(bias));
  return c.like(0, [m, n]);
};

/** MatMul: as numpy.matmul; axes before the last two broadcast. */
export const matmul: InferRule = (c) => {
  const shape = matmulShape(c.shape(0), c.shape(1));
  if (shape === 'scalar') return c.refuse('inputs', 'rank 1 or more', 'a scalar');
  if (shape && 'clash' in shape)
    return c.refuse(
      'the inner dims of A and B',
      `${shape.clash[0]}, from A ${showDims(c.shape(0) ?? [])}`,
      `${shape.clash[1]}, from B ${showDims(c.shape(1) ?? [])}`,
    );
  if (!shape) return [typed(c.dataType(0), undefined)];
  const batch = broadcast(c.node, shape.batch[0], shape.batch[1]);
  return c.like(0, [...batch, ...shape.tail]);
};

/** MatMulInteger: int32. */
export const matmulInteger: InferRule = (c) => {
  const [t] = matmul(c);
  return [t?.kind === 'tensor' ? typed('int32', t.shape) : typed('int32', undefined)];
};

type Split = { readonly batch: readonly [readonly Dim[], readonly Dim[]]; readonly tail: readonly Dim[] };

function matmulShape(
  a: readonly Dim[] | undefined,
  b: readonly Dim[] | undefined,
): Split | { readonly clash: readonly [Dim, Dim] } | 'scalar' | undefined {
  if (a?.length === 0 || b?.length === 0) return 'scalar';
  if (!a || !b) return undefined;
  const k1 = a[a.length - 1];
  const k2 = b[Math.max(0, b.length - 2)];
  if (meetDim(k1, k2) === 'clash') return { clash: [k1, k2] };
  const tail = [...a.slice(0, -1).slice(-1), ...(b.length > 1 ? b.slice(-1) : [])];
  return { batch: [a.slice(0, -2), b.slice(0, -2)], tail };
}
