/**
 * Sliding windows of convolutions and pools over one to three spatial axes. Fewer axes are led by axes of size 1, so
 * that one triple loop serves all. Output o reads inputs o·stride − begin + k·dilation, 0 ≤ k < kernel.
 */
import type { Call } from './call.js';

export type Triple = readonly [number, number, number];

export interface Windows {
  /** Spatial axes of the op itself, 1 to 3. */
  readonly rank: number;
  readonly input: Triple;
  readonly output: Triple;
  readonly kernel: Triple;
  readonly strides: Triple;
  readonly dilations: Triple;
  readonly begin: Triple;
  readonly end: Triple;
}

/** A list of 1 to 3 spatial numbers as a triple, led by `lead`. */
export function triple(values: readonly number[], lead: number): Triple {
  const at = (i: number): number => values[i - 3 + values.length] ?? lead;
  return [at(0), at(1), at(2)];
}

export interface WindowAttributes {
  readonly strides: readonly number[];
  readonly dilations: readonly number[];
  /** Begins of every axis, then ends, as ONNX writes them. */
  readonly pads: readonly number[];
  readonly autoPad: 'NOTSET' | 'VALID' | 'SAME_UPPER' | 'SAME_LOWER';
}

/** Strides, dilations, pads and auto_pad of a node with `rank` spatial axes, checked. */
export function windowAttributes(call: Call, rank: number): WindowAttributes {
  const { node } = call;
  if (rank < 1 || rank > 3) call.fail('spatial axes', '1, 2 or 3', `${rank}`);
  const list = (name: string, length: number, least: number, otherwise: number): readonly number[] => {
    const values = node.ints(name) ?? new Array<number>(length).fill(otherwise);
    if (values.length !== length || values.some((v) => v < least))
      call.fail(`attribute ${name}`, `${length} integers from ${least}`, `[${values}]`);
    return values;
  };
  const autoPad = node.string('auto_pad', 'NOTSET');
  if (autoPad !== 'NOTSET' && autoPad !== 'VALID' && autoPad !== 'SAME_UPPER' && autoPad !== 'SAME_LOWER')
    return call.fail('attribute auto_pad', 'NOTSET, VALID, SAME_UPPER or SAME_LOWER', autoPad);
  return {
    strides: list('strides', rank, 1, 1),
    dilations: list('dilations', rank, 1, 1),
    pads: list('pads', 2 * rank, 0, 0),
    autoPad,
  };
}

/** Windows over an input of `size` (spatial dims). `ceil`: a last window that hangs over the end counts as well. */
export function slidingWindows(
  call: Call,
  size: readonly number[],
  kernel: readonly number[],
  ceil = false,
): Windows {
  const rank = size.length;
  const attributes = windowAttributes(call, rank);
  if (kernel.length !== rank || kernel.some((k) => k < 1))
    call.fail('kernel_shape', `${rank} positive integers`, `[${kernel}]`);
  const output: number[] = [];
  const begin: number[] = [];
  const end: number[] = [];
  for (let d = 0; d < rank; d++) {
    const stride = attributes.strides[d];
    const reach = (kernel[d] - 1) * attributes.dilations[d] + 1;
    let before = 0;
    let after = 0;
    if (attributes.autoPad === 'NOTSET') {
      before = attributes.pads[d];
      after = attributes.pads[d + rank];
    } else if (attributes.autoPad !== 'VALID') {
      const total = Math.max(0, (Math.ceil(size[d] / stride) - 1) * stride + reach - size[d]);
      before = attributes.autoPad === 'SAME_UPPER' ? Math.floor(total / 2) : Math.ceil(total / 2);
      after = total - before;
    }
    const room = size[d] + before + after - reach;
    if (room < 0)
      call.fail('window', `at most ${size[d] + before + after} wide on axis ${d} (padded input)`, `${reach}`);
    let count = (ceil ? Math.ceil(room / stride) : Math.floor(room / stride)) + 1;
    // A window that starts beyond the input and its left pads would see nothing (PyTorch, ONNX opset 22).
    if (ceil && (count - 1) * stride >= size[d] + before) count--;
    output.push(count);
    begin.push(before);
    end.push(after);
  }
  return {
    rank,
    input: triple(size, 1),
    output: triple(output, 1),
    kernel: triple(kernel, 1),
    strides: triple(attributes.strides, 1),
    dilations: triple(attributes.dilations, 1),
    begin: triple(begin, 0),
    end: triple(end, 0),
  };
}

/** The op's own spatial dims of a triple. */
export function spatial(t: Triple, rank: number): number[] {
  return t.slice(3 - rank);
}
