/**
 * The sliding window that Conv, ConvTranspose and the pools share. Per spatial axis, with input i, kernel k, stride s,
 * dilation d, pads b (begin) and e (end), and K = (k - 1)·d + 1:
 *   output = floor((i + b + e - K) / s) + 1            (ceil with ceil_mode, see windowOutput)
 *   SAME_UPPER, SAME_LOWER: output = ceil(i / s), b + e = max(0, (output - 1)·s + K - i), the odd one at the end or begin
 *   VALID: b = e = 0
 * Source: onnx/docs/Operators.md, Conv and AveragePool.
 */
import type { Node } from '../ir/node.js';
import { refuse } from './fail.js';

export type AutoPad = 'NOTSET' | 'SAME_UPPER' | 'SAME_LOWER' | 'VALID';

/** Every list has one entry per spatial axis; `pads` has all begins, then all ends, and counts only with `NOTSET`. */
export interface WindowAttributes {
  readonly kernel: readonly number[];
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  readonly pads: readonly number[];
  readonly autoPad: AutoPad;
}

export function windowAttributes(node: Node, kernel: readonly number[]): WindowAttributes {
  const rank = kernel.length;
  checkList(node, 'kernel_shape', kernel, rank, 1);
  const strides = node.ints('strides') ?? ones(rank);
  checkList(node, 'strides', strides, rank, 1);
  const dilations = node.ints('dilations') ?? ones(rank);
  checkList(node, 'dilations', dilations, rank, 1);
  const given = node.ints('pads');
  if (given) checkList(node, 'pads', given, 2 * rank, 0);
  const autoPad = readAutoPad(node);
  if (autoPad !== 'NOTSET' && given?.some((p) => p !== 0))
    refuse(node, 'auto_pad and pads', 'one of the two', `auto_pad=${autoPad} together with pads=[${given}]`);
  return { kernel, strides, dilations, pads: given ?? new Array<number>(2 * rank).fill(0), autoPad };
}

function readAutoPad(node: Node): AutoPad {
  const s = node.string('auto_pad', 'NOTSET');
  if (s === 'NOTSET' || s === 'SAME_UPPER' || s === 'SAME_LOWER' || s === 'VALID') return s;
  if (s === '') return 'NOTSET';
  return refuse(node, 'attribute auto_pad', 'NOTSET, SAME_UPPER, SAME_LOWER or VALID', `'${s}'`);
}

/** Checks a list attribute of a window: its length, integers, and the least value each may have. */
export function checkList(
  node: Node,
  name: string,
  list: readonly number[],
  length: number,
  least: number,
): void {
  if (list.length !== length)
    refuse(node, `attribute ${name}`, `${length} numbers`, `${list.length}: [${list}]`);
  if (list.some((v) => v < least)) refuse(node, `attribute ${name}`, `numbers from ${least}`, `[${list}]`);
}

export function ones(n: number): readonly number[] {
  return new Array<number>(n).fill(1);
}

/** Size of the dilated kernel. */
export function extent(w: Pick<WindowAttributes, 'kernel' | 'dilations'>, axis: number): number {
  return (w.kernel[axis] - 1) * w.dilations[axis] + 1;
}

/** Explicit pads (all begins, then all ends) for an input of these spatial dims. */
export function resolvePads(w: WindowAttributes, input: readonly number[]): readonly number[] {
  if (w.autoPad === 'NOTSET') return w.pads;
  const rank = w.kernel.length;
  const pads = new Array<number>(2 * rank).fill(0);
  if (w.autoPad === 'VALID') return pads;
  for (let i = 0; i < rank; i++) {
    const output = Math.ceil(input[i] / w.strides[i]);
    const total = Math.max(0, (output - 1) * w.strides[i] + extent(w, i) - input[i]);
    const begin = w.autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
    pads[i] = begin;
    pads[rank + i] = total - begin;
  }
  return pads;
}

/**
 * Output size along one spatial axis. With `ceil`, a last window that would start in the end padding is dropped, as
 * PyTorch and ONNX Runtime do. May be 0 or less when the window does not fit.
 */
export function windowOutput(w: WindowAttributes, axis: number, input: number, ceil = false): number {
  const rank = w.kernel.length;
  const s = w.strides[axis];
  if (w.autoPad === 'SAME_UPPER' || w.autoPad === 'SAME_LOWER') return Math.ceil(input / s);
  const begin = w.autoPad === 'NOTSET' ? w.pads[axis] : 0;
  const end = w.autoPad === 'NOTSET' ? w.pads[rank + axis] : 0;
  const room = input + begin + end - extent(w, axis);
  const output = Math.max(0, (ceil ? Math.ceil(room / s) : Math.floor(room / s)) + 1);
  return ceil && (output - 1) * s >= input + begin ? output - 1 : output;
}
