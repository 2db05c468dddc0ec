/**
 * Sliding windows of convolutions and pools over one to three spatial axes. Fewer axes are led by axes of size 1, so
 * that one triple loop serves all. Output o reads inputs o·stride − begin + k·dilation, 0 ≤ k < kernel.
 */
import {
  type ConvTransposeAttributes,
  resolvePads,
  resolveTransposePads,
  transposeOutput,
  type WindowAttributes,
  windowOutput,
} from '../../onnx/index.js';
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

/** The op's own spatial numbers of a triple. */
export function spatial(t: Triple, rank: number): number[] {
  return t.slice(3 - rank);
}

/** Windows over an input of `size` (spatial dims). `ceil`: a last window that hangs over the end counts as well. */
export function slidingWindows(
  call: Call,
  w: WindowAttributes,
  size: readonly number[],
  ceil = false,
): Windows {
  const output = size.map((n, d) => windowOutput(w, d, n, ceil));
  return windows(call, w, size, output, resolvePads(w, size));
}

/** Windows whose input side is the (large) output of a ConvTranspose, and whose output side is its input. */
export function transposedWindows(call: Call, c: ConvTransposeAttributes, small: readonly number[]): Windows {
  const large = small.map((n, d) => transposeOutput(c, d, n));
  return windows(call, c, large, small, resolveTransposePads(c, small));
}

function windows(
  call: Call,
  w: WindowAttributes,
  input: readonly number[],
  output: readonly number[],
  pads: readonly number[],
): Windows {
  const rank = w.kernel.length;
  if (rank < 1 || rank > 3 || input.length !== rank)
    call.fail('spatial axes', `1 to 3, ${rank} as the kernel has`, `${input.length}`);
  if ([...input, ...output].some((n) => n < 1))
    call.fail('windows', 'at least one on each axis', `input [${input}], output [${output}]`);
  return {
    rank,
    input: triple(input, 1),
    output: triple(output, 1),
    kernel: triple(w.kernel, 1),
    strides: triple(w.strides, 1),
    dilations: triple(w.dilations, 1),
    begin: triple(pads.slice(0, rank), 0),
    end: triple(pads.slice(rank), 0),
  };
}
