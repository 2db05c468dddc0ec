/** How the images of dW by maps (maps.ts) are put into groups. */
import { pixelsOf, tapsOf, type WeightGradShape } from './task.js';

/** The runtime computes so many blocks of output channels at once. */
const BLOCKS_AT_ONCE = 4;

/**
 * Bytes of kernels that slide as they are, and of bands of larger ones. 16 images, milliseconds: 64 maps of 112×112 (3.1 MiB)
 * take 28.8 whole, 21.0 in two bands and 18.7 in four; 32 (1.5 MiB) take 2.4 whole, 2.1 in two, and 0.9 to be cut.
 */
const WHOLE = 2 ** 21;
const BAND = 2 ** 20;

/** How the images of a task are put into groups. */
export interface Grouping {
  /** Images that a group sums itself. */
  readonly images: number;
  /** Bands of rows that a map of dY is cut into. */
  readonly bands: number;
}

/** @param block B: a group takes fewer input channels than that */
export function groupingOf(shape: WeightGradShape, block: number): Grouping {
  const { images, inputs, outputs, axes } = shape;
  const pixels = pixelsOf(shape);
  const most = block - 1;
  if (tapsOf(shape) * inputs > LARGER * pixels) return { images: largestDivisor(images, most), bands: 1 };
  const bytes = Math.min(outputs, BLOCKS_AT_ONCE * block) * pixels * 4;
  const fits = (bands: number): boolean => axes[0].out % bands === 0 && isWhole(images * bands, block);
  const wanted = bytes > WHOLE ? Math.ceil(bytes / BAND) : 1;
  for (let bands = wanted; bands > 1 && bands <= most; bands++) if (fits(bands)) return { images: 1, bands };
  return { images: 1, bands: 1 };
}

/** From this ratio of a kernel to a map on, summing images costs more than putting them together. */
const LARGER = 2;

/** The runtime's limit for the channels of a convolution's input, groups and all. */
export function isWhole(channels: number, block: number): boolean {
  return channels < block || channels % block === 0;
}

function largestDivisor(n: number, most: number): number {
  for (let d = Math.min(n, most); d > 1; d--) if (n % d === 0) return d;
  return 1;
}

/** So many groups are added up one after the other, each product in the place of the last one. */
const FEW_GROUPS = 4;

/** Whether dW is large and its groups are few: a sum over groups would read and write all of them again. */
export function areChained(images: number, groups: number): boolean {
  return images > 1 && groups <= FEW_GROUPS;
}
