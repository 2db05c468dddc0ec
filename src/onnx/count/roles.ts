/**
 * Which inputs of an operator hold what a framework calls its parameters. Inputs in no list (shapes, axes, epsilons,
 * clip limits, zero points) hold constants that nobody counts.
 */
import type { DataType } from '../ir/dtype.js';
import type { Node } from '../ir/node.js';
import { sizeOf } from '../ir/tensor.js';

/**
 * `parameter`: learned; `buffer`: statistics that training updates without a gradient; `frozen`: learned once and held
 * fixed now.
 */
export type Role = 'parameter' | 'buffer' | 'frozen';

interface InputRoles {
  readonly parameters: readonly number[];
  readonly buffers?: readonly number[];
}

const conv: InputRoles = { parameters: [1, 2] };
const both: InputRoles = { parameters: [0, 1] };
const recurrent: InputRoles = { parameters: [1, 2, 3] };

const ROLES: ReadonlyMap<string, InputRoles> = new Map(
  Object.entries({
    Conv: conv,
    FusedConv: conv,
    ConvTranspose: conv,
    ConvInteger: { parameters: [1] },
    QLinearConv: { parameters: [3, 8] },
    Gemm: { parameters: [0, 1, 2] },
    FusedGemm: { parameters: [0, 1, 2] },
    MatMul: both,
    FusedMatMul: both,
    MatMulInteger: both,
    QLinearMatMul: { parameters: [0, 3] },
    Einsum: { parameters: [0, 1, 2, 3] },
    BatchNormalization: { parameters: [1, 2], buffers: [3, 4] },
    InstanceNormalization: conv,
    LayerNormalization: conv,
    GroupNormalization: conv,
    RMSNormalization: { parameters: [1] },
    PRelu: { parameters: [1] },
    Gather: { parameters: [0] },
    LSTM: { parameters: [1, 2, 3, 7] },
    GRU: recurrent,
    RNN: recurrent,
    DequantizeLinear: { parameters: [0] },
  }),
);

/** Affine layers that an exporter wrote out: a constant of one element is arithmetic, a longer one is a parameter. */
const ELEMENTWISE: ReadonlySet<string> = new Set(['Add', 'Sub', 'Mul', 'Div']);

/** Inputs of an operator that hold learned values; undefined for an operator that has no such inputs of its own. */
export function parameterInputs(opType: string): readonly number[] | undefined {
  return ROLES.get(opType)?.parameters;
}

/**
 * What a constant that feeds input `index` of a node on the data's path is; undefined: nothing that is counted.
 * @param outputRank rank of what the node makes
 */
export function roleOnDataPath(
  node: Node,
  index: number,
  dataType: DataType | undefined,
  dims: readonly number[] | undefined,
  outputRank: number | undefined,
): Role | undefined {
  const roles = ROLES.get(node.opType);
  if (roles?.parameters.includes(index)) return 'parameter';
  if (roles?.buffers?.includes(index)) return 'buffer';
  if (roles || !isFloat(dataType)) return undefined;
  const several = dims === undefined || sizeOf(dims) > 1;
  // What an operator of another domain does is not known, but its float tensors are most likely learned.
  const mayLearn = ELEMENTWISE.has(node.opType) || node.domain !== '';
  // One value per image of the batch (a traced stochastic depth has such) cannot be learned.
  const perImage = dims !== undefined && dims.length === outputRank && dims[0] > 1 && outputRank > 1;
  return mayLearn && several && !perImage ? 'parameter' : undefined;
}

/**
 * What a constant is from which a weight is computed, by the reading node: every float tensor with an axis, given that
 * the weight itself is one. Scalars are arithmetic (a scale of 2, an epsilon).
 */
export function roleOnWeightPath(
  node: Node,
  index: number,
  inherited: Role,
  dataType: DataType,
  dims: readonly number[],
): Role | undefined {
  if (node.opType === 'DequantizeLinear' || node.opType === 'QuantizeLinear')
    return index === 0 ? inherited : undefined;
  if (ROLES.get(node.opType)?.buffers?.includes(index)) return 'buffer';
  return isFloat(dataType) && dims.length > 0 ? inherited : undefined;
}

function isFloat(dataType: DataType | undefined): boolean {
  return dataType !== undefined && (dataType.startsWith('float') || dataType === 'bfloat16');
}
