/**
 * Connections as in the papers of LeNet-5 and AlexNet: an output value is connected to each input value that a weight
 * multiplies, and once to its bias, where there is one. Of a convolution: output pixels · (k²·C_in/g + 1) · C_out.
 */
import type { Node } from '../ir/node.js';
import { sizeOf } from '../ir/tensor.js';
import type { ShapeOf } from './mult-adds.js';
import type { Paths } from './paths.js';
import { parameterInputs } from './roles.js';
import { biasBehind } from './torchinfo.js';

/** Operators whose multiply-adds are connections, with the input that is their bias. */
const BIAS: ReadonlyMap<string, number | undefined> = new Map([
  ['Conv', 2],
  ['FusedConv', 2],
  ['ConvInteger', undefined],
  ['QLinearConv', 8],
  ['ConvTranspose', 2],
  ['Gemm', 2],
  ['MatMul', undefined],
  ['MatMulInteger', undefined],
  ['QLinearMatMul', undefined],
]);

/**
 * Connections of a node, for the batch of the shapes; 0 for a layer without weights, undefined where dims are missing.
 * @param multAdds of the node, for the same batch
 */
export function connectionsOf(
  node: Node,
  multAdds: number | undefined,
  shapeOf: ShapeOf,
  paths: Paths,
): number | undefined {
  if (!BIAS.has(node.opType)) return 0;
  const isWeight = (index: number): boolean => {
    const value = node.inputs[index];
    return value !== undefined && !paths.isData(value);
  };
  if (!parameterInputs(node.opType)?.some(isWeight)) return 0;
  const y = shapeOf(node.output());
  if (multAdds === undefined || !y) return undefined;
  const bias = BIAS.get(node.opType);
  const biased = (bias !== undefined && isWeight(bias)) || biasBehind(node, shapeOf, paths) !== undefined;
  return multAdds + (biased ? sizeOf(y) : 0);
}
