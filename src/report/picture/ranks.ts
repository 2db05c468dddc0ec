import type { Box } from './layout.js';

/** A place in a rank: a node, or the lane of one that is read further down. */
export interface Slot {
  readonly node: number;
  readonly isLane: boolean;
  readonly rank: number;
  readonly above: Slot[];
  readonly below: Slot[];
  /** Position in the rank, 0 to 1. */
  order: number;
  /** Centre, pixels. */
  x: number;
}

/** The ranks of a graph, top first, with lanes; nodes stand before lanes, and both in the order of the graph. */
export function ranksOf(boxes: readonly Box[]): Slot[][] {
  const rankOf: number[] = [];
  const lowestReader: number[] = boxes.map(() => -1);
  for (const [i, { sources }] of boxes.entries()) {
    rankOf[i] = Math.max(-1, ...sources.map((s) => rankOf[s])) + 1;
    for (const s of sources) lowestReader[s] = Math.max(lowestReader[s], rankOf[i]);
  }
  const ranks: Slot[][] = Array.from({ length: Math.max(-1, ...rankOf) + 1 }, () => []);
  const slot = (node: number, isLane: boolean, rank: number): Slot => {
    const made: Slot = { node, isLane, rank, above: [], below: [], order: 0, x: 0 };
    ranks[rank].push(made);
    return made;
  };
  const nodes = boxes.map((_, i) => slot(i, false, rankOf[i]));
  // The slots of a node and of its lane, from its own rank on.
  const lanes = nodes.map((node, i) => {
    const chain = [node];
    for (let rank = node.rank + 1; rank < lowestReader[i]; rank++) {
      const lane = slot(i, true, rank);
      join(chain[chain.length - 1], lane);
      chain.push(lane);
    }
    return chain;
  });
  for (const [i, { sources }] of boxes.entries())
    for (const s of new Set(sources)) join(lanes[s][rankOf[i] - rankOf[s] - 1], nodes[i]);
  for (const rank of ranks) for (const [i, s] of rank.entries()) s.order = (i + 0.5) / rank.length;
  return ranks;
}

function join(above: Slot, below: Slot): void {
  above.below.push(below);
  below.above.push(above);
}
