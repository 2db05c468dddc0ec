import type { DataType, Node } from '../../onnx/index.js';
import type { Call } from './call.js';
import type { HeldType } from './tensors.js';
import type { TfTensor } from './tf.js';

/** What an op computes: its outputs by position. Runs inside `tf.tidy`; inputs belong to others. */
export type Compute = (call: Call) => TfTensor | readonly TfTensor[];

export interface OpRule {
  readonly compute: Compute;
  /** Inputs whose numbers the rule reads on the host: shapes, axes, pads. */
  readonly parameters: readonly number[];
  /** Element types that its other inputs may have. */
  readonly takes: readonly DataType[];
  /** What is asked of the operator that the rule cannot do, in words; undefined: nothing. */
  readonly refuses?: (node: Node, opset: number) => string | undefined;
}

export const FLOAT: readonly HeldType[] = ['float32'];
/** Whole numbers whose arithmetic wraps where int32's does, or never gets so far (int64: shapes, counts). */
export const NUMBER: readonly HeldType[] = ['float32', 'int32', 'int64'];
export const BOOL: readonly HeldType[] = ['bool'];
export const ANY: readonly HeldType[] = [
  'float32',
  'bool',
  'int8',
  'uint8',
  'int16',
  'uint16',
  'int32',
  'int64',
];

/** A rule for one element type or several. */
export function rule(
  takes: readonly HeldType[],
  compute: Compute,
  more: Partial<Pick<OpRule, 'parameters' | 'refuses'>> = {},
): OpRule {
  return { compute, takes, parameters: [], ...more };
}
