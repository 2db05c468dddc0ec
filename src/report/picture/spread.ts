/** A run of items that touch, and the mean position that they want the first to have. */
interface Block {
  readonly wanted: number;
  readonly weight: number;
  readonly count: number;
}

/**
 * Moves the items of a row as little as possible (least squares, each by its weight), so that neighbours keep their distance and the order
 * stays: isotonic regression by pooling adjacent violators, on positions less the distances before them.
 */
export function spread<T extends { x: number }>(
  row: readonly T[],
  distance: (a: T, b: T) => number,
  weightOf: (item: T) => number,
): void {
  const offsets: number[] = [];
  const blocks: Block[] = [];
  let offset = 0;
  for (const [i, item] of row.entries()) {
    if (i > 0) offset += distance(row[i - 1], item);
    offsets.push(offset);
    let block: Block = { wanted: item.x - offset, weight: weightOf(item), count: 1 };
    for (let before = blocks.at(-1); before && before.wanted > block.wanted; before = blocks.at(-1)) {
      blocks.pop();
      block = pooled(before, block);
    }
    blocks.push(block);
  }
  let i = 0;
  for (const { wanted, count } of blocks)
    for (const end = i + count; i < end; i++) row[i].x = wanted + offsets[i];
}

function pooled(a: Block, b: Block): Block {
  const weight = a.weight + b.weight;
  return {
    wanted: (a.wanted * a.weight + b.wanted * b.weight) / weight,
    weight,
    count: a.count + b.count,
  };
}
