/** Bytes of a cache line, which is also the widest vector a processor loads at once. */
const LINE = 64;

/**
 * Where a large block of memory starts on its cache line: the C library of Linux gets it as whole pages and keeps 16 bytes
 * for itself. JavaScript cannot ask; where it is otherwise nothing is lost but speed.
 */
const BLOCK_START = 16;

/** A block that is certainly "large": smaller ones may come from memory that was used before, at any multiple of 16. */
const LARGE = 33 * 2 ** 20;

/**
 * Views of the given sizes in one new block, each at the start of a cache line. The runtime computes straight on the state
 * of a step: vectors that lie across two lines made ResNet-20's step 7 % slower, in some processes and not in others.
 * (Pages that nothing touches take no memory.)
 */
export function alignedViews(sizes: readonly number[]): Uint8Array<ArrayBuffer>[] {
  const offsets: number[] = [];
  let end = LINE - BLOCK_START;
  for (const size of sizes) {
    offsets.push(end);
    end += Math.ceil(size / LINE) * LINE;
  }
  const block = new ArrayBuffer(Math.max(end, LARGE));
  return sizes.map((size, i) => new Uint8Array(block, offsets[i], size));
}
