/**
 * Multiply-adds of one node, counted as papers do: of convolutions and matrix products only, without biases, and without
 * leaving out the products with padding zeros.
 *
 *   Conv           |y| · (I/g) · k1·k2·…       y: output, weight [O, I/g, k1, k2, …]
 *   ConvTranspose  |x| · (O/g) · k1·k2·…       x: input,  weight [I, O/g, k1, k2, …]
 *   Gemm, MatMul   |y| · K                     K: length of the axis summed over
 */
import type { Node } from '../ir/node.js';
import { sizeOf } from '../ir/tensor.js';
import type { Value } from '../ir/value.js';

type Dims = readonly number[];
/** Dims of a value, undefined where they are not all known. */
export type ShapeOf = (value: Value) => Dims | undefined;

type Rule = (node: Node, shape: (index: number) => Dims | undefined, y: Dims) => number | undefined;

const convolution =
  (weight: number): Rule =>
  (_, shape, y) =>
    times(sizeOf(y), shape(weight)?.slice(1));

const product =
  (a: number): Rule =>
  (_, shape, y) =>
    times(sizeOf(y), shape(a)?.slice(-1));

const RULES: ReadonlyMap<string, Rule> = new Map(
  Object.entries<Rule>({
    Conv: convolution(1),
    FusedConv: convolution(1),
    ConvInteger: convolution(1),
    QLinearConv: convolution(3),
    ConvTranspose: (_, shape) => {
      const x = shape(0);
      return x && times(sizeOf(x), shape(1)?.slice(1));
    },
    Gemm: (node, shape, y) => {
      const a = shape(0);
      return a && sizeOf(y) * a[node.int('transA', 0) === 0 ? 1 : 0];
    },
    MatMul: product(0),
    MatMulInteger: product(0),
    QLinearMatMul: product(0),
  }),
);

/** Operators that multiply and add at scale, for which there is no rule here. */
const UNCOUNTED: ReadonlySet<string> = new Set([
  'Einsum',
  'LSTM',
  'GRU',
  'RNN',
  'Attention',
  'DeformConv',
  'FusedGemm',
  'FusedMatMul',
]);

/** Multiply-adds of a node; undefined where a dim is missing, or for an operator known to have products but no rule. */
export function multAddsOf(node: Node, shapeOf: ShapeOf): number | undefined {
  if (node.subgraphs.some((g) => g.nodes.some((n) => multAddsOf(n, shapeOf) !== 0))) return undefined;
  if (UNCOUNTED.has(node.opType)) return undefined;
  const rule = RULES.get(node.opType);
  if (!rule) return 0;
  const y = shapeOf(node.output());
  const shape = (index: number): Dims | undefined => {
    const value = node.inputs[index];
    return value && shapeOf(value);
  };
  return y && rule(node, shape, y);
}

function times(count: number, dims: Dims | undefined): number | undefined {
  return dims && count * sizeOf(dims);
}
