import type { Graph } from '../../src/onnx/index.js';

/** Rows and columns of a result that WebGPU's provider gives to one workgroup. */
const TILE = 32;

/** A matrix product, as a card sees it. */
export interface MatrixProduct {
  readonly node: string;
  readonly tiles: number;
  /** That each result is the sum of. */
  readonly terms: number;
}

/** The matrix products of a graph whose dims are known. */
export function matrixProducts({ nodes }: Graph): MatrixProduct[] {
  return nodes
    .filter((n) => n.opType === 'MatMul' || n.opType === 'Gemm')
    .map((n) => {
      const [a, y] = [n.input(0).shape ?? [], n.output().shape ?? []];
      const [rows, columns] = y.slice(-2);
      const sets = y.slice(0, -2).reduce((p, d) => p * d, 1);
      return {
        node: n.name,
        tiles: sets * Math.ceil(rows / TILE) * Math.ceil(columns / TILE),
        terms: n.int('transA', 0) === 1 ? a[0] : a[a.length - 1],
      };
    });
}
