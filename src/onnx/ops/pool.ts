/**
 * MaxPool (1, 8, 10, 11, 12, 22), AveragePool (1, 7, 10, 11, 19, 22), LpPool (1, 2, 11, 18, 22). X [N,C,…spatial].
 * Defaults: strides and dilations 1, pads 0, ceil_mode 0, count_include_pad 0, storage_order 0, p 2.
 */
import type { Node } from '../ir/node.js';
import { refuse } from './fail.js';
import { type WindowAttributes, windowAttributes } from './window.js';

export interface PoolAttributes extends WindowAttributes {
  readonly ceilMode: boolean;
  /** AveragePool: whether the divisor counts padded places. */
  readonly countIncludePad: boolean;
  /** MaxPool: whether Indices are column major. */
  readonly columnMajor: boolean;
  /** LpPool: the exponent. */
  readonly p: number;
}

/** @throws ModelError when kernel_shape is missing or an attribute is wrong */
export function poolAttributes(node: Node): PoolAttributes {
  const kernel = node.ints('kernel_shape') ?? refuse(node, 'attribute kernel_shape', 'a list', 'none');
  const window = windowAttributes(node, kernel);
  // A window that lies wholly in the padding has nothing to take the maximum of; the runtime refuses it.
  if (window.pads.some((p, i) => p >= kernel[i % kernel.length]))
    refuse(node, 'attribute pads', `numbers less than kernel_shape [${kernel}]`, `[${window.pads}]`);
  return {
    ...window,
    ceilMode: node.int('ceil_mode', 0) !== 0,
    countIncludePad: node.int('count_include_pad', 0) !== 0,
    columnMajor: node.int('storage_order', 0) !== 0,
    p: node.int('p', 2),
  };
}
