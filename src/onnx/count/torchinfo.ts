/**
 * What torchinfo counts for a PyTorch module, from the node that the module becomes:
 *
 *   Conv, ConvTranspose    (weights + bias) · N · H·W·…           H·W·…: of the output
 *   Gemm, MatMul           (weights + bias) · all axes of the output but the last
 *   BatchNormalization, … (scale + bias) · N
 *
 * So biases and normalizations count, and a tensor that belongs to no such module (a layer scale) does not. The output of
 * each such module is kept once for the forward and once for the backward pass; activations, pools and sums are left out.
 */
import { readsOf } from '../ir/graph.js';
import type { Node } from '../ir/node.js';
import { sizeOf } from '../ir/tensor.js';
import type { Value } from '../ir/value.js';
import type { ShapeOf } from './mult-adds.js';
import type { Paths } from './paths.js';
import { parameterInputs } from './roles.js';

/** The totals below torchinfo's table. Bytes and multiply-adds are for the counted batch. */
export interface TorchinfoCount {
  /** Trainable, frozen and unused ones. */
  readonly parameters: number;
  readonly trainable: number;
  readonly nonTrainable: number;
  readonly multAdds: number;
  /** Of the values that enter from outside. */
  readonly inputBytes: number;
  /** "Forward/backward pass size". */
  readonly passBytes: number;
  /** Of the parameters that layers read. */
  readonly parameterBytes: number;
  /** "Estimated total size": of the three above. */
  readonly totalBytes: number;
}

const CONVOLUTIONS: ReadonlySet<string> = new Set([
  'Conv',
  'FusedConv',
  'ConvTranspose',
  'ConvInteger',
  'QLinearConv',
]);
const PRODUCTS: ReadonlySet<string> = new Set([
  'Gemm',
  'FusedGemm',
  'MatMul',
  'FusedMatMul',
  'MatMulInteger',
  'QLinearMatMul',
]);

/** Multiply-adds of the module that a node stands for; undefined where it is none with parameters, or dims are missing. */
export function moduleMultAdds(node: Node, shapeOf: ShapeOf, paths: Paths): number | undefined {
  const y = node.outputs[0] && shapeOf(node.outputs[0]);
  const parameters = moduleParameters(node, shapeOf, paths);
  if (!y || parameters === 0) return undefined;
  if (CONVOLUTIONS.has(node.opType)) return parameters * y[0] * sizeOf(y.slice(2));
  if (PRODUCTS.has(node.opType)) return parameters * sizeOf(y.slice(0, -1));
  return parameters * (y[0] ?? 1);
}

function moduleParameters(node: Node, shapeOf: ShapeOf, paths: Paths): number {
  const bias = biasBehind(node, shapeOf, paths);
  let sum = bias ? sizeOf(shapeOf(bias) ?? [0]) : 0;
  for (const index of parameterInputs(node.opType) ?? []) {
    const value = node.inputs[index];
    if (value && !paths.isData(value)) sum += sizeOf(shapeOf(value) ?? [0]);
  }
  return sum;
}

/** The bias of a MatMul, which has no input for one: what is added next, one value to each column. */
export function biasBehind(node: Node, shapeOf: ShapeOf, paths: Paths): Value | undefined {
  if (node.opType !== 'MatMul' || !node.inputs.some((v) => v && !paths.isData(v))) return undefined;
  const y = node.output();
  const [add, ...others] = y.consumers;
  if (add?.opType !== 'Add' || others.length > 0 || y.isOutput) return undefined;
  const columns = shapeOf(y)?.at(-1);
  for (const value of readsOf(add)) {
    if (paths.isData(value)) continue;
    const dims = shapeOf(value);
    if (dims?.at(-1) === columns && dims !== undefined && sizeOf(dims) === columns) return value;
  }
  return undefined;
}
