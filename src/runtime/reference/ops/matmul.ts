/** Matrix products: C[i,j] = Σ_k A[i,k]·B[k,j], summed in double, k in order. */
import { gemmAttributes } from '../../../onnx/index.js';
import type { RefRule } from '../call.js';
import { broadcastDims, broadcastStrides, expandTo, stridedIndices, transpose } from '../strides.js';
import { type RealTensor, realTensor, toNumbers, zeros } from '../tensor.js';

/** c[m,n] += a[m,k]·b[k,n], each starting at its offset; the inner loop runs along rows of b and c. */
function accumulate(
  a: Float64Array,
  aAt: number,
  b: Float64Array,
  bAt: number,
  c: Float64Array,
  cAt: number,
  [m, k, n]: readonly [number, number, number],
): void {
  for (let i = 0; i < m; i++)
    for (let p = 0; p < k; p++) {
      const factor = a[aAt + i * k + p];
      const row = bAt + p * n;
      const out = cAt + i * n;
      for (let j = 0; j < n; j++) c[out + j] += factor * b[row + j];
    }
}

/** Batch dims broadcast; a 1-D operand is a row (left) or a column (right), whose axis the result lacks. */
export const matmul: RefRule = (call) => {
  const a = call.real(0);
  const b = call.real(1);
  if (a.dims.length === 0 || b.dims.length === 0) call.fail('operands', 'rank 1 or more', 'a scalar');
  const left = a.dims.length === 1 ? [1, ...a.dims] : a.dims;
  const right = b.dims.length === 1 ? [...b.dims, 1] : b.dims;
  const m = left[left.length - 2];
  const k = left[left.length - 1];
  const n = right[right.length - 1];
  const batchA = left.slice(0, -2);
  const batchB = right.slice(0, -2);
  const batch = broadcastDims(batchA, batchB);
  if (right[right.length - 2] !== k || !batch)
    return call.fail('shapes', 'ones that multiply', `[${a.dims}] and [${b.dims}]`);
  const dims = [...batch];
  if (a.dims.length > 1) dims.push(m);
  if (b.dims.length > 1) dims.push(n);
  const c = zeros(a.dataType, dims);
  const ofA = stridedIndices(batch, broadcastStrides(batchA, batch));
  const ofB = stridedIndices(batch, broadcastStrides(batchB, batch));
  for (let i = 0; i < ofA.length; i++)
    accumulate(a.data, ofA[i] * m * k, b.data, ofB[i] * k * n, c.data, i * m * n, [m, k, n]);
  return [c];
};

/** Y = alpha·A'·B' + beta·C, C broadcast to [M,N]. */
export const gemm: RefRule = (call) => {
  const { alpha, beta, transA, transB } = gemmAttributes(call.node);
  const matrix = (index: number, flip: boolean): RealTensor => {
    const t = call.real(index);
    if (t.dims.length !== 2) call.fail(`input ${index}`, 'a matrix', `[${t.dims}]`);
    if (!flip) return t;
    return realTensor([...t.dims].reverse(), toNumbers(transpose(t, [1, 0])), t.dataType);
  };
  const a = matrix(0, transA);
  const b = matrix(1, transB);
  const [m, k] = a.dims;
  const n = b.dims[1];
  if (b.dims[0] !== k) call.fail('shapes', 'ones that multiply', `[${a.dims}] and [${b.dims}]`);
  const y = zeros(a.dataType, [m, n]);
  accumulate(a.data, 0, b.data, 0, y.data, 0, [m, k, n]);
  if (alpha !== 1) for (let i = 0; i < y.data.length; i++) y.data[i] *= alpha;
  const c = call.optionalReal(2);
  if (c) {
    const joint = broadcastDims(c.dims, y.dims);
    if (joint?.length !== 2 || joint[0] !== m || joint[1] !== n)
      call.fail('input 2', `one that broadcasts to [${y.dims}]`, `[${c.dims}]`);
    const spread = expandTo(c, y.dims);
    for (let i = 0; i < y.data.length; i++) y.data[i] += beta * Number(spread.data[i]);
  }
  return [y];
};
