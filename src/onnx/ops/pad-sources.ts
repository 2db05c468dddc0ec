import type { PadMode } from './layout.js';

type Source = (position: number, length: number) => number;

/** A position outside [0, length) as one inside, or −1 for the constant. */
const SOURCES = {
  constant: () => -1,
  edge: (p, length) => Math.min(length - 1, Math.max(0, p)),
  reflect: (p, length) => {
    if (length === 1) return 0;
    const period = 2 * (length - 1);
    const at = ((p % period) + period) % period;
    return at < length ? at : period - at;
  },
  wrap: (p, length) => ((p % length) + length) % length,
} satisfies Record<PadMode, Source>;

/**
 * Where each output position of a padded axis is taken from, −1 for the constant: the position itself, the mirrored one
 * (reflect, the edge not repeated), the edge, or the position modulo the length (wrap). Negative pads crop first, and
 * what is left is mirrored or repeated.
 * @param dim of the input
 */
export function padSources(mode: PadMode, dim: number, begin: number, end: number): Int32Array {
  const first = Math.max(0, -begin);
  const length = dim - first - Math.max(0, -end);
  return Int32Array.from({ length: dim + begin + end }, (_, o) => {
    const p = o - Math.max(0, begin);
    const at = p >= 0 && p < length ? p : SOURCES[mode](p, length);
    return at < 0 ? -1 : first + at;
  });
}
