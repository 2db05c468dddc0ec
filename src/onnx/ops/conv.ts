/**
 * Conv (opset 1, 11, 22) and ConvTranspose (1, 11, 22). https://onnx.ai/onnx/operators/onnx__Conv.html
 * Conv: X [N,C,…spatial], W [M,C/groups,…kernel], B [M] → Y [N,M,…].
 * ConvTranspose: X [N,C,…], W [C,M/groups,…kernel], B [M] → Y [N,M,…].
 * Defaults: group 1, strides and dilations 1, pads 0, auto_pad NOTSET; kernel_shape is the weight's.
 */
import type { Node } from '../ir/node.js';
import { staticShape } from '../ir/types.js';
import { refuse } from './fail.js';
import { checkList, extent, type WindowAttributes, windowAttributes } from './window.js';

export interface ConvAttributes extends WindowAttributes {
  readonly groups: number;
}

export interface ConvTransposeAttributes extends ConvAttributes {
  /** Extra size at the end of each spatial axis, one entry per axis. */
  readonly outputPadding: readonly number[];
  /** Spatial output size, which then decides the pads. */
  readonly outputShape: readonly number[] | undefined;
}

/**
 * @param kernel spatial dims of the weight, when the weight's own type does not tell
 * @throws ModelError when neither kernel_shape nor the weight gives the kernel, or an attribute is wrong
 */
export function convAttributes(node: Node, kernel?: readonly number[]): ConvAttributes {
  const groups = node.int('group', 1);
  if (groups < 1) refuse(node, 'attribute group', 'at least 1', `${groups}`);
  return { ...windowAttributes(node, kernelOf(node, kernel)), groups };
}

/** As {@link convAttributes}, for ConvTranspose. */
export function convTransposeAttributes(node: Node, kernel?: readonly number[]): ConvTransposeAttributes {
  const base = convAttributes(node, kernel);
  const rank = base.kernel.length;
  const outputPadding = node.ints('output_padding') ?? new Array<number>(rank).fill(0);
  checkList(node, 'output_padding', outputPadding, rank, 0);
  const outputShape = node.ints('output_shape');
  if (outputShape) checkList(node, 'output_shape', outputShape, rank, 1);
  return { ...base, outputPadding, outputShape };
}

function kernelOf(node: Node, given: readonly number[] | undefined): readonly number[] {
  const weight = node.inputs[1];
  const shape = weight && (weight.shape ?? staticShape(weight.type));
  const own = given ?? shape?.slice(2);
  const declared = node.ints('kernel_shape');
  if (declared && own && (declared.length !== own.length || declared.some((k, i) => k !== own[i])))
    refuse(node, 'attribute kernel_shape', `the weight's [${own}]`, `[${declared}]`);
  return declared ?? own ?? refuse(node, 'kernel', 'kernel_shape or a weight of known shape', 'neither');
}

/**
 * Explicit pads of a ConvTranspose (all begins, then all ends). With output_shape or SAME_*, where the output is at most
 * input·stride, total = (i - 1)·s + output_padding + K - output is split; the odd one goes to the end for SAME_UPPER and
 * to the begin otherwise. A negative total (a larger output) counts as no padding.
 */
export function resolveTransposePads(
  c: ConvTransposeAttributes,
  input: readonly number[],
): readonly number[] {
  const same = c.autoPad === 'SAME_UPPER' || c.autoPad === 'SAME_LOWER';
  if (!same && !c.outputShape) return c.autoPad === 'VALID' ? c.pads.map(() => 0) : c.pads;
  const rank = c.kernel.length;
  const pads = new Array<number>(2 * rank).fill(0);
  for (let i = 0; i < rank; i++) {
    const s = c.strides[i];
    const output = c.outputShape?.[i] ?? input[i] * s;
    const total = Math.max(0, (input[i] - 1) * s + c.outputPadding[i] + extent(c, i) - output);
    const begin = c.autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
    pads[i] = begin;
    pads[rank + i] = total - begin;
  }
  return pads;
}

/** Spatial output size of a ConvTranspose along one axis. */
export function transposeOutput(c: ConvTransposeAttributes, axis: number, input: number): number {
  if (c.outputShape) return c.outputShape[axis];
  const full = (input - 1) * c.strides[axis] + c.outputPadding[axis] + extent(c, axis);
  // Where the window is smaller than the stride, not even no padding reaches input · stride.
  if (c.autoPad === 'SAME_UPPER' || c.autoPad === 'SAME_LOWER')
    return Math.min(full, input * c.strides[axis]);
  return c.autoPad === 'VALID' ? full : full - c.pads[axis] - c.pads[c.kernel.length + axis];
}
