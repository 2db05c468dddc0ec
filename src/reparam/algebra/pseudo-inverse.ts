/** Eigenvalues below this share of the largest count as 0. */
const RANK = 1e-12;
/** Sweeps of rotations; each squares the size of what is left beside the diagonal, so a few are enough. */
const SWEEPS = 30;

/**
 * Pseudo-inverse K⁺ of a symmetric positive semidefinite matrix, by its eigenvalues (cyclic Jacobi rotations, Golub & Van
 * Loan, Matrix Computations, 8.5). For small matrices.
 * @param matrix [size, size], unchanged
 */
export function pseudoInverse(matrix: Float64Array, size: number): Float64Array {
  const { values, vectors } = eigen(matrix, size);
  const limit = RANK * values.reduce((m, v) => Math.max(m, v), 0);
  const inverse = new Float64Array(size * size);
  for (let e = 0; e < size; e++) {
    if (!(values[e] > limit)) continue;
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++)
        inverse[i * size + j] += (vectors[i * size + e] * vectors[j * size + e]) / values[e];
  }
  return inverse;
}

/** Eigenvalues, and eigenvectors as columns. */
function eigen(matrix: Float64Array, size: number): { values: Float64Array; vectors: Float64Array } {
  const a = Float64Array.from(matrix);
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    let turned = false;
    for (let p = 0; p < size; p++)
      for (let q = p + 1; q < size; q++) {
        const beside = a[p * size + q];
        const [app, aqq] = [a[p * size + p], a[q * size + q]];
        if (Math.abs(beside) <= Number.EPSILON * Math.sqrt(Math.abs(app * aqq))) continue;
        turned = true;
        const theta = (aqq - app) / (2 * beside);
        const tangent = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.hypot(theta, 1));
        const cosine = 1 / Math.hypot(tangent, 1);
        rotate(a, size, p, q, cosine, tangent * cosine);
        turnColumns(vectors, size, p, q, cosine, tangent * cosine);
      }
    if (!turned) break;
  }
  return { values: Float64Array.from({ length: size }, (_, i) => a[i * size + i]), vectors };
}

/** JᵀAJ of the rotation in the plane (p, q). */
function rotate(a: Float64Array, size: number, p: number, q: number, c: number, s: number): void {
  turnColumns(a, size, p, q, c, s);
  for (let i = 0; i < size; i++) {
    const [x, y] = [a[p * size + i], a[q * size + i]];
    a[p * size + i] = c * x - s * y;
    a[q * size + i] = s * x + c * y;
  }
}

function turnColumns(a: Float64Array, size: number, p: number, q: number, c: number, s: number): void {
  for (let i = 0; i < size; i++) {
    const [x, y] = [a[i * size + p], a[i * size + q]];
    a[i * size + p] = c * x - s * y;
    a[i * size + q] = s * x + c * y;
  }
}
