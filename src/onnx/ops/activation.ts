/** Attributes of element-wise operators and softmax, with the defaults of the specification. */
import type { Node } from '../ir/node.js';
import { type ConstantOf, constantOf, numbersOf } from './axes.js';
import { refuse } from './fail.js';

/** LeakyRelu 0.01, Elu and Celu 1, ThresholdedRelu 1. */
export function alphaOf(node: Node): number {
  return node.float('alpha', node.opType === 'LeakyRelu' ? Math.fround(0.01) : 1);
}

/** Selu: gamma · (x > 0 ? x : alpha · (exp(x) - 1)). */
export function seluAttributes(node: Node): { readonly alpha: number; readonly gamma: number } {
  return {
    alpha: node.float('alpha', Math.fround(1.6732631921768188)),
    gamma: node.float('gamma', Math.fround(1.0507010221481323)),
  };
}

/** HardSigmoid: max(0, min(1, alpha·x + beta)). */
export function hardSigmoidAttributes(node: Node): { readonly alpha: number; readonly beta: number } {
  return { alpha: node.float('alpha', Math.fround(0.2)), beta: node.float('beta', 0.5) };
}

/** Gelu (20): whether it is the tanh approximation. */
export function geluIsTanh(node: Node): boolean {
  const s = node.string('approximate', 'none');
  if (s !== 'none' && s !== 'tanh') refuse(node, 'attribute approximate', 'none or tanh', `'${s}'`);
  return s === 'tanh';
}

/**
 * Clip's bounds: attributes up to opset 6-10, inputs 1 and 2 from 11. Absent bounds are infinite. Undefined: a bound is an
 * input that is no constant.
 */
export function clipRange(
  node: Node,
  known: ConstantOf = constantOf,
): { readonly min: number; readonly max: number } | undefined {
  const bound = (name: string, index: number, absent: number): number | undefined => {
    const input = node.inputs[index];
    if (!input) return node.float(name, absent);
    const tensor = known(input);
    return tensor && numbersOf(tensor)[0];
  };
  const min = bound('min', 1, Number.NEGATIVE_INFINITY);
  const max = bound('max', 2, Number.POSITIVE_INFINITY);
  return min === undefined || max === undefined ? undefined : { min, max };
}

/** Softmax, LogSoftmax, Hardmax: one axis from opset 13 (default -1); before, all axes from it on (default 1). */
export function softmaxAxis(node: Node, opset: number): number {
  return node.int('axis', opset >= 13 ? -1 : 1);
}

/** Dropout: the ratio (attribute up to 10, input 1 from 12) and whether it is live (input 2 from 12; before, never). */
export function dropoutAttributes(
  node: Node,
  known: ConstantOf = constantOf,
): { readonly ratio: number | undefined; readonly training: boolean | undefined } {
  const [, ratio, mode] = node.inputs;
  const r = ratio && known(ratio);
  const t = mode && known(mode);
  return {
    ratio: ratio ? r && numbersOf(r)[0] : node.float('ratio', 0.5),
    training: mode ? t && numbersOf(t)[0] !== 0 : false,
  };
}

/** Gemm: Y = alpha · op(A) · op(B) + beta · C. */
export function gemmAttributes(node: Node): {
  readonly alpha: number;
  readonly beta: number;
  readonly transA: boolean;
  readonly transB: boolean;
} {
  return {
    alpha: node.float('alpha', 1),
    beta: node.float('beta', 1),
    transA: node.int('transA', 0) !== 0,
    transB: node.int('transB', 0) !== 0,
  };
}
