import type { ConvGeometry } from '../../autodiff/geometry.js';
import type { KernelKind, KernelLayout } from './kernel.js';

/**
 * Which packed form a 2-D convolution has in the runtime's blocked kernels; undefined where there is none: grouped ones
 * that are not depthwise, and other ranks.
 * @param x dims of the input, @param w dims of the kernel
 * @param nchw whether the input is at hand in NCHW only
 */
export function kernelLayout(
  x: readonly number[],
  w: readonly number[],
  group: number,
  block: number,
  nchw: boolean,
): KernelLayout | undefined {
  if (x.length !== 4 || w.length !== 4) return undefined;
  let kind: KernelKind;
  if (group === 1) kind = nchw && x[1] < block ? 'stem' : 'dense';
  else if (group === x[1] && w[0] === group) kind = 'depthwise';
  else return undefined;
  return { kind, block, dims: w };
}

/** One spatial axis of a sliding window. */
export interface Axis {
  readonly size: number;
  readonly out: number;
  readonly kernel: number;
  readonly stride: number;
  readonly dilation: number;
  readonly begin: number;
  readonly end: number;
}

export function axesOf(
  g: Omit<ConvGeometry, 'group'>,
  spatial: readonly number[],
  out: readonly number[],
): readonly Axis[] {
  const rank = spatial.length;
  return spatial.map((size, i) => ({
    size,
    out: out[i],
    kernel: g.kernel_shape[i],
    stride: g.strides[i],
    dilation: g.dilations[i],
    begin: g.pads[i],
    end: g.pads[i + rank],
  }));
}

/** An axis that windows of one pixel leave as it is. */
export function pointAxis(size: number): Axis {
  return { size, out: size, kernel: 1, stride: 1, dilation: 1, begin: 0, end: 0 };
}

/** The pad at the end of a pool of whole windows that has all those of ceil_mode. */
export function poolEnd(a: Axis): number {
  return Math.max(a.end, (a.out - 1) * a.stride + (a.kernel - 1) * a.dilation + 1 - a.size - a.begin);
}

/** The input index that a tap of a window reads; undefined in the padding. */
export function sourceOf(a: Axis, out: number, tap: number): number | undefined {
  const at = out * a.stride + tap * a.dilation - a.begin;
  return at >= 0 && at < a.size ? at : undefined;
}

/** What one residue of the input's index by the stride sees of an input gradient. */
export interface Phase {
  /** Kernel taps, in the order in which a correlation over dY meets them. */
  readonly taps: readonly number[];
  readonly begin: number;
  readonly end: number;
}

/**
 * Splits an input gradient of stride s into s stride-1 correlations over dY, one for each residue φ of the input index h.
 * With (h + begin) = s·q + r, dX[h] = Σ_j dY[q − j]·W[r + s·j]: exact FLOPs, no zeros in between. Every phase has
 * ⌈size/s⌉ outputs. Undefined where a phase would need a negative pad.
 */
export function phasesOf(a: Axis): readonly Phase[] | undefined {
  const count = Math.ceil(a.size / a.stride);
  const phases: Phase[] = [];
  for (let phi = 0; phi < a.stride; phi++) {
    const r = (phi + a.begin) % a.stride;
    const q = Math.floor((phi + a.begin) / a.stride);
    const taps: number[] = [];
    for (let t = r; t < a.kernel; t += a.stride) taps.unshift(t);
    const begin = taps.length - 1 - q;
    const end = count - a.out - begin + taps.length - 1;
    if (taps.length > 0 && (begin < 0 || end < 0)) return undefined;
    phases.push({ taps, begin, end });
  }
  return phases;
}
