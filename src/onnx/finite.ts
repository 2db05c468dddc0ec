import { allGraphs } from './codec/names.js';
import type { DataType } from './ir/dtype.js';
import type { Model } from './ir/model.js';
import type { Tensor } from './ir/tensor.js';
import { constantValue } from './ops/constant.js';

/** A weight with values that are no finite numbers. */
export interface NonFinite {
  readonly name: string;
  readonly dims: readonly number[];
  readonly nan: number;
  readonly infinite: number;
}

/** Bits of the exponent (all ones: not finite) and of the significand (not zero: NaN) of a 16-bit type. */
const HALVES = {
  float16: { exponent: 0x7c00, significand: 0x03ff },
  bfloat16: { exponent: 0x7f80, significand: 0x007f },
} as const satisfies Partial<Record<DataType, object>>;

/**
 * The weights of a model (initializers and Constant nodes, of every graph) that hold NaN or infinite values. Scalars are
 * left out: an infinite bound of a Clip is legal and common.
 * @throws ModelError or EnvironmentError where external data cannot be read
 */
export function nonFiniteWeights(model: Model): NonFinite[] {
  const found: NonFinite[] = [];
  const look = (name: string, tensor: Tensor | undefined): void => {
    if (!tensor || tensor.dims.length === 0) return;
    const { nan, infinite } = count(tensor);
    if (nan + infinite > 0) found.push({ name, dims: tensor.dims, nan, infinite });
  };
  for (const graph of allGraphs(model.graph)) {
    for (const value of graph.initializers) look(value.name, value.initializer);
    for (const node of graph.nodes)
      if (node.opType === 'Constant' && node.domain === '') look(node.output(0).name, constantValue(node));
  }
  return found;
}

function count(tensor: Tensor): { nan: number; infinite: number } {
  let nan = 0;
  let infinite = 0;
  const { dataType } = tensor;
  if (dataType === 'float32' || dataType === 'float64') {
    for (const v of tensor.typed()) {
      if (Number.isFinite(v)) continue;
      if (Number.isNaN(v)) nan++;
      else infinite++;
    }
  } else if (dataType === 'float16' || dataType === 'bfloat16') {
    const { exponent, significand } = HALVES[dataType];
    for (const v of tensor.typed()) {
      const bits = Number(v);
      if ((bits & exponent) !== exponent) continue;
      if (bits & significand) nan++;
      else infinite++;
    }
  }
  return { nan, infinite };
}
